"""The training objective, equations 4 to 6 of Liu et al., 2022. Bags come as (B, N, ..): B videos of N segments."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import binary_cross_entropy, relu
from torch.utils.checkpoint import checkpoint

BLOCK = 2**24  # products of pairs that are in memory at a time
FEW = 64  # segments whose products cost less than their unit vectors
SHORT = 1e-12  # a vector of no greater length counts as zero


def mutual_cosine_embedding(abnormal: Tensor, normal: Tensor, margin: float) -> Tensor:
    """Eq. 4: the segments of a normal video alike, those of an abnormal one apart, as far as their cosine is below `margin`.

    1 - Avg_{i<j} cos(f_i^n, f_j^n) + Avg_{i<j} min(cos(f_i^p, f_j^p), margin), over the pairs of segments of one video, averaged over
    videos. Of more than a few segments the first average is taken without their products: the sum of all cosines is the squared length of the sum
    of the unit vectors. A zero vector has cosine 0 to all; a video of one segment has no pairs, and an average of 0.

    Args:
        abnormal, normal: boosted features (B, N, C) of the abnormal and of the normal videos.
        margin: a pair of an abnormal video that is more alike costs no more, as both may be normal.

    Returns:
        Scalar.
    """
    return 1 - _mean_of_all(normal).mean() + _mean_of_pairs(abnormal, margin).mean()


def _mean_of_all(bags: Tensor) -> Tensor:
    """(B,): mean cosine over pairs i < j, of vectors (B, N, C)."""
    segments = bags.shape[1]
    if segments <= FEW:
        return _mean_of_pairs(bags, float("inf"))
    inverse = _inverse_lengths(bags.square().sum(-1))
    together = (inverse[:, None] @ bags).square().sum((1, 2))
    return (together - (inverse > 0).sum(1)) / (segments * (segments - 1))  # less each with itself, in both orders


def _mean_of_pairs(bags: Tensor, margin: float) -> Tensor:
    """(B,): mean over pairs i < j of min(cosine, margin), of vectors (B, N, C); of many by blocks of rows, made again for the gradient."""
    segments, rows = bags.shape[1], _at_a_time(bags)

    def total(products: Tensor, inverse: Tensor, begin: int) -> Tensor:
        cosines = products * inverse[:, begin : begin + rows, None] * inverse[:, None]
        return cosines.clamp(max=margin).triu(begin + 1).sum((1, 2))  # the pairs j > i

    def block(bags: Tensor, inverse: Tensor, begin: int) -> Tensor:
        return total(bags[:, begin : begin + rows] @ bags.mT, inverse, begin)

    if rows == segments:
        products = _Products.apply(bags)
        found = total(products, _inverse_lengths(products.diagonal(dim1=1, dim2=2)), 0)
    else:
        inverse = _inverse_lengths(bags.square().sum(-1))
        starts = range(0, segments, rows)
        found = sum(checkpoint(block, bags, inverse, begin, use_reentrant=False) for begin in starts)
    return found / max(1, segments * (segments - 1) / 2)


def _at_a_time(bags: Tensor) -> int:
    """Rows of a bag whose products with all others are in memory at a time."""
    videos, segments, _ = bags.shape
    return max(1, min(segments, BLOCK // (videos * segments)))


def _inverse_lengths(squares: Tensor) -> Tensor:
    """(B, N): 1 / |f| of |f|^2, and 0 for a zero vector."""
    long = squares > SHORT**2
    return torch.where(long, torch.where(long, squares, 1).rsqrt(), 0)


class _Products(torch.autograd.Function):
    """F F^T of (B, N, C). Its gradient is one product with F, where autograd would take two and add them."""

    @staticmethod
    def forward(ctx, bags):
        ctx.save_for_backward(bags)
        with torch.autocast(bags.device.type, enabled=False):
            return bags @ bags.mT

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        with torch.autocast(grad.device.type, enabled=False):
            return (grad + grad.mT) @ ctx.saved_tensors[0]


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
    bags = bags.nan_to_num(0.5)  # a model that diverges is told of by the training loop
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
