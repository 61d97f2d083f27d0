"""C3D of Tran et al., 2015: eight 3 x 3 x 3 convolutions, five pools, and fc6, the features that UCF-Crime papers use."""

import re

from torch import Tensor, nn

WIDTH = 4096
CONVOLUTIONS = {"conv1": (3, 64), "conv2": (64, 128), "conv3a": (128, 256), "conv3b": (256, 256), "conv4a": (256, 512),
                "conv4b": (512, 512), "conv5a": (512, 512), "conv5b": (512, 512)}  # fmt: skip
POOLED = {"conv1": (1, 2, 2), "conv2": 2, "conv3b": 2, "conv4b": 2, "conv5b": 2}


class C3D(nn.Module):
    """BGR clips (B, 3, 16, 112, 112), 0-255 less the mean -> fc6 after ReLU (B, 4096).

    fc7 and fc8 (with `classes`) hold the rest of a checkpoint; features do not use them.
    """

    def __init__(self, classes: int = 487):
        super().__init__()
        for name, (into, out) in CONVOLUTIONS.items():
            self.add_module(name, nn.Conv3d(into, out, 3, padding=1))
        self.fc6 = nn.Linear(512 * 4 * 4, WIDTH)
        self.fc7 = nn.Linear(WIDTH, WIDTH)
        self.fc8 = nn.Linear(WIDTH, classes)
        self.pools = nn.ModuleDict(
            {name: nn.MaxPool3d(size, padding=(0, 1, 1) if name == "conv5b" else 0) for name, size in POOLED.items()}
        )

    def forward(self, clips: Tensor) -> Tensor:
        for name in CONVOLUTIONS:
            clips = self.get_submodule(name)(clips).relu()
            if name in self.pools:
                clips = self.pools[name](clips)
        return self.fc6(clips.flatten(1)).relu()


def from_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of either public conversion, with this file's names; OpenMMLab writes `backbone.conv1a.conv.weight`."""
    if "backbone.conv1a.conv.weight" not in state:
        return state
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"^backbone\.|(?<=[0-9ab])\.conv(?=\.)", "", key).replace("cls_head.fc_cls", "fc8")
        renamed[re.sub(r"^(conv[12])a", r"\1", key)] = value
    return renamed
