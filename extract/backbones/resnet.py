"""I3D on ResNet-50 with non-local blocks (Wang et al., 2018), from which the features of RTFM (Tian et al., 2021) come.

The state dict is that of the public conversion of Facebook's `i3d_nonlocal_32x2_IN_pretrain_400k.pkl` to PyTorch, Tushar-N/pytorch-resnet3d:
`conv1.weight`, `layer2.1.nl.theta.weight`, `layer4.2.bn3.running_mean`, ..
"""

from torch import Tensor, nn

WIDTH = 2048
STAGES = {  # of (blocks, channels inside, stride in space, blocks whose first convolution spans 3 frames, blocks with attention)
    "layer1": (3, 64, 1, (0, 1, 2), ()),
    "layer2": (4, 128, 2, (0, 2), (1, 3)),
    "layer3": (6, 256, 2, (0, 2, 4), (1, 3, 5)),
    "layer4": (3, 512, 2, (1,), ()),
}


class NonLocalI3D(nn.Module):
    """Clips (B, 3, T, H, W), normalised -> (B, 2048): the mean over places and time after the last stage.

    `classes` adds the checkpoints' classifier, which features do not use.
    """

    def __init__(self, classes: int = 400):
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (5, 7, 7), stride=2, padding=(2, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool1 = nn.MaxPool3d((2, 3, 3), stride=2)
        self.maxpool2 = nn.MaxPool3d((2, 1, 1))
        width = 64
        for name, (blocks, inside, stride, long, attend) in STAGES.items():
            made = []
            for place in range(blocks):
                made.append(Bottleneck(width, inside, stride if place == 0 else 1, place in long, place in attend))
                width = 4 * inside
            self.add_module(name, nn.Sequential(*made))
        self.fc = nn.Linear(WIDTH, classes)

    def forward(self, clips: Tensor) -> Tensor:
        x = self.maxpool1(self.bn1(self.conv1(clips)).relu())
        x = self.layer2(self.maxpool2(self.layer1(x)))
        return self.layer4(self.layer3(x)).mean((2, 3, 4))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 in space, the first 3 frames long or 1; then attention to all places, or none."""

    def __init__(self, into: int, inside: int, stride: int, long: bool, attend: bool):
        super().__init__()
        out = 4 * inside
        self.conv1 = nn.Conv3d(into, inside, (3, 1, 1) if long else 1, padding=(int(long), 0, 0), bias=False)
        self.bn1 = nn.BatchNorm3d(inside)
        self.conv2 = nn.Conv3d(inside, inside, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(inside)
        self.conv3 = nn.Conv3d(inside, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.downsample = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(
                nn.Conv3d(into, out, 1, (1, stride, stride), bias=False), nn.BatchNorm3d(out)
            )
        self.nl = NonLocal(out) if attend else None

    def forward(self, x: Tensor) -> Tensor:
        inside = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        x = (self.bn3(self.conv3(inside)) + (self.downsample(x) if self.downsample else x)).relu()
        return self.nl(x) if self.nl else x


class NonLocal(nn.Module):
    """Every place attends to all places, pooled 2 x 2 in space; added to what came in. Their eq. 4, with half the channels inside."""

    def __init__(self, width: int):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv3d(width, width // 2, 1) for _ in range(3))
        self.maxpool = nn.MaxPool3d((1, 2, 2))
        self.out = nn.Conv3d(width // 2, width, 1)
        self.bn = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.maxpool(x)
        query, key, value = (part.flatten(2) for part in (self.theta(x), self.phi(pooled), self.g(pooled)))
        weights = (query.mT @ key * query.shape[1] ** -0.5).softmax(-1)
        attended = (value @ weights.mT).unflatten(2, x.shape[2:])
        return x + self.bn(self.out(attended))
