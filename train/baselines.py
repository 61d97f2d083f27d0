"""Two strong later models, and one that knows nothing of time, behind the paper's interface, written from their publications, to see what the attention is worth.

They are *like* the published ones: trained on the same bags, by the same loop and optimiser, and narrowed to `INNER` dimensions,
so that features of 4096 dimensions train on a CPU. Sultani et al., 2018, is the paper's model with `--no-attention --no-mce --head fc
--scale length`, but for the weights of their terms.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, normalize, relu

from stavad.train.losses import k_max, smoothness, sparsity
from stavad.train.model import AnomalyDetector, Detector, Scored
from stavad.train.settings import TrainSettings

INNER = 512


class FeatureMagnitude(Detector):
    """RTFM, Tian et al., 2021: a multi-scale temporal network whose features are long in abnormal segments and short in others.

    (B, N, C) -> `Scored`, with features (B, N, INNER) whose magnitude the objective trains.
    """

    MARGIN, WEIGHT = 100.0, 1e-4  # m and alpha of their eq. 5 and 6
    SMOOTHNESS = SPARSITY = 8e-4

    def __init__(self, width: int):
        super().__init__()
        branch = INNER // 4
        self.scales = nn.ModuleList(nn.Conv1d(width, branch, 3, padding=d, dilation=d) for d in (1, 2, 4))
        self.near, self.query, self.key, self.value = (nn.Conv1d(n, branch, 1) for n in (width, *3 * [branch]))
        self.merge = nn.Sequential(nn.Conv1d(INNER, INNER, 3, padding=1), nn.ReLU(), nn.BatchNorm1d(INNER))
        self.skip = nn.Conv1d(width, INNER, 1)
        self.classify = nn.Sequential(
            nn.Linear(INNER, 128), nn.ReLU(), nn.Dropout(0.7), nn.Linear(128, 1), nn.Flatten(-2), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Scored:
        x = features.mT * features.shape[-1] ** 0.5  # entries of order 1, as of published features
        near = self.near(x)
        related = (self.query(near).mT @ self.key(near) / len(self.key.weight) ** 0.5).softmax(-1)
        everywhere = near + self.value(near) @ related.mT
        found = self.merge(torch.cat([*(relu(scale(x)) for scale in self.scales), everywhere], 1)) + self.skip(x)
        return Scored(self.classify(found.mT), found.mT)

    def objective(self, abnormal: Scored, normal: Scored) -> tuple[Tensor, dict[str, Tensor]]:
        """Their eq. 4 to 6: a video is judged by its segments of greatest magnitude, a tenth of all (3 of 32)."""
        bags = {}
        for label, side in ((1.0, abnormal), (0.0, normal)):
            top = side.features.norm(dim=-1).topk(max(1, side.scores.shape[1] // 10)).indices
            chosen = side.features.take_along_dim(top[..., None], 1).mean(1)
            score = side.scores.take_along_dim(top, 1).mean(1)
            bags[label] = chosen.norm(dim=-1), binary_cross_entropy(score, torch.full_like(score, label))
        apart = relu(self.MARGIN - bags[1.0][0])[:, None] + bags[0.0][0]
        terms = {
            "classification": (bags[1.0][1] + bags[0.0][1]) / 2,
            "magnitude": self.WEIGHT * apart.square().mean(),
            "smoothness": self.SMOOTHNESS * smoothness(abnormal.scores),
            "sparsity": self.SPARSITY * sparsity(abnormal.scores),
        }
        return sum(terms.values()), {name: term.detach() for name, term in terms.items()}


class TemporalRelations(Detector):
    """HL-Net's offline part, Wu et al., 2020: graph convolutions along similar, and along neighbouring segments.

    (B, N, C) -> `Scored`, with features (B, N, 64).
    """

    SIMILAR = 0.7  # cosine below which two segments are not joined

    def __init__(self, width: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(width, INNER), nn.ReLU(), nn.Dropout(0.6), nn.Linear(INNER, 128), nn.ReLU(), nn.Dropout(0.6))  # fmt: skip
        self.branches = nn.ModuleList(nn.ModuleList([nn.Linear(128, 32), nn.Linear(32, 32)]) for _ in range(2))
        self.classify = nn.Linear(2 * 32, 1)

    def forward(self, features: Tensor) -> Scored:
        x = self.narrow(features)
        cosine = normalize(x, dim=-1) @ normalize(x, dim=-1).mT
        similar = torch.where(cosine > self.SIMILAR, cosine, 0).softmax(-1)
        place = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
        near = (-(place[:, None] - place).abs()).exp()
        near = (near / near.sum(-1, keepdim=True)).expand_as(similar)
        parts = []
        for graph, (first, second) in zip((similar, near), self.branches):
            hidden = relu(graph @ first(x))
            parts.append(hidden + relu(graph @ second(hidden)))
        joined = torch.cat(parts, -1)
        return Scored(self.classify(joined).squeeze(-1).sigmoid(), joined)

    def objective(self, abnormal: Scored, normal: Scored) -> tuple[Tensor, dict[str, Tensor]]:
        """k-max multiple-instance learning: cross-entropy of the mean of the N // 16 + 1 highest scores."""
        loss = k_max(abnormal.scores, normal.scores)
        return loss, {"k-max": loss.detach()}


class MeanLogistic(Detector):
    """A logistic regression on the mean of a video's features: what does not beat it has learnt nothing about time.

    (B, N, C) -> `Scored`: every segment has the video's probability. Not trained by steps but `fitted`.
    """

    FOLDS = 3  # of the cross-validation that chooses scikit-learn's C

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 1)

    @classmethod
    def fitted(cls, abnormal: Tensor, normal: Tensor, seed: int) -> "MeanLogistic":
        """By scikit-learn, on bags (videos, segments, C); its C by cross-validation."""
        means = torch.cat([abnormal, normal]).mean(1)
        unit = means.shape[-1] ** 0.5  # brings the elements to order 1, for which values of C are meant
        labels = np.repeat([1, 0], [len(abnormal), len(normal)])
        found: GridSearchCV | LogisticRegression = LogisticRegression(max_iter=1000)
        if (folds := min(cls.FOLDS, len(abnormal), len(normal))) > 1:
            cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
            found = GridSearchCV(found, {"C": np.logspace(-4, 4, 10)}, scoring="roc_auc", cv=cut)
        found.fit(unit * means.cpu().double().numpy(), labels)
        regression = getattr(found, "best_estimator_", found)
        model = cls(means.shape[-1])
        with torch.no_grad():
            model.linear.weight.copy_(torch.from_numpy(unit * regression.coef_))
            model.linear.bias.copy_(torch.from_numpy(regression.intercept_))
        return model.to(means.device).eval()

    def forward(self, features: Tensor) -> Scored:
        scores = self.linear(features.mean(1)).sigmoid()
        return Scored(scores.expand(features.shape[:2]), features)


def build(width: int, settings: TrainSettings) -> Detector:
    """The model of `settings.model` for features of `width` dimensions: (B, N, C) -> `Scored`, with its `objective`."""
    match settings.model:
        case "rtfm":
            return FeatureMagnitude(width)
        case "hlnet":
            return TemporalRelations(width)
        case "logistic":
            return MeanLogistic(width)
    return AnomalyDetector(width, settings)
