"""The training objective, equations 4 to 6 of Liu et al., 2022. Bags come as (B, N, ..): B videos of N segments."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, normalize, relu


def mutual_cosine_embedding(abnormal: Tensor, normal: Tensor, margin: float) -> Tensor:
    """Eq. 4: normal segments alike, abnormal bags apart from normal ones by a cosine of at most `margin`.

    The similarity of two bags is the mean cosine over their N x N pairs of segments. As cosine is bilinear in unit
    vectors, that is the product of two mean unit vectors: no pair is ever formed.

    Args:
        abnormal, normal: boosted features (B, N, C) of the abnormal and of the normal bags.
        margin: of `torch.nn.CosineEmbeddingLoss`: a pair of unlike bags below it costs nothing.

    Returns:
        Scalar: mean of 1 - cos over pairs of normal bags, plus mean of max(0, cos - margin) over unlike pairs.
    """
    abnormal, normal = (normalize(bags, dim=-1).mean(1) for bags in (abnormal, normal))
    alike = 1 - normal.mean(0).square().sum()
    unlike = relu(abnormal @ normal.T - margin).mean()
    return alike + unlike


def ranking(abnormal: Tensor, normal: Tensor) -> Tensor:
    """Eq. 5, first term: max(0, 1 - max s_a + max s_n), averaged over all pairs of an abnormal and a normal bag.

    Args:
        abnormal, normal: scores (B, N) in [0, 1].
    """
    return relu(1 - abnormal.amax(1)[:, None] + normal.amax(1)[None]).mean()


def k_max(abnormal: Tensor, normal: Tensor) -> Tensor:
    """Not the paper's: cross-entropy of bags, each judged by the mean of its N // 16 + 1 highest scores (Wu et al., 2020).

    Args:
        abnormal, normal: scores (B, N) in [0, 1].
    """
    k = abnormal.shape[1] // 16 + 1
    bags = torch.cat([side.topk(min(k, side.shape[1])).values.mean(1) for side in (abnormal, normal)])
    labels = torch.cat([bags.new_ones(len(abnormal)), bags.new_zeros(len(normal))])
    return binary_cross_entropy(bags, labels)


BAGS = {"ranking": ranking, "k-max": k_max}


def smoothness(scores: Tensor) -> Tensor:
    """Eq. 5, second term: squared difference of neighbouring segments, summed over a bag, averaged over bags."""
    return scores.diff(dim=1).square().sum(1).mean()


def sparsity(scores: Tensor) -> Tensor:
    """Eq. 5, third term: scores summed over a bag, averaged over bags."""
    return scores.sum(1).mean()


def objective(abnormal, normal, settings) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 6: ranking (or k-max) + lambda_1 smoothness + lambda_2 sparsity (eq. 5) + lambda_MCE eq. 4.

    Args:
        abnormal, normal: `train.model.Scored` bags.
        settings: `train.settings.TrainSettings` with the weights.

    Returns:
        The loss, and its unweighted terms by name (detached scalars).
    """
    terms = {
        settings.bag_loss: (BAGS[settings.bag_loss](abnormal.scores, normal.scores), 1.0),
        "smoothness": (smoothness(abnormal.scores), settings.smoothness),
        "sparsity": (sparsity(abnormal.scores), settings.sparsity),
    }
    if settings.mce:
        cosine = mutual_cosine_embedding(abnormal.features, normal.features, settings.margin)
        terms["mce"] = (cosine, settings.mce_weight)
    loss = torch.stack([weight * term for term, weight in terms.values()]).sum()
    return loss, {name: term.detach() for name, (term, _) in terms.items()}
