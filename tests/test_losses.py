"""Equations 4 to 6 against loops over all pairs."""

from dataclasses import replace

import pytest
import torch

from stavad.train import losses
from stavad.train.losses import mutual_cosine_embedding, objective, ranking, smoothness, sparsity
from stavad.train.model import Scored
from stavad.train.settings import TrainSettings


def bags(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def average_of_pairs(bag, what):
    """Avg over 1 <= i < j <= N of `what` of the cosine, as eq. 4 prints it."""
    pairs = [(i, j) for i in range(len(bag)) for j in range(i + 1, len(bag))]
    cosines = [torch.cosine_similarity(bag[i], bag[j], dim=0) for i, j in pairs]
    return torch.stack([what(cosine) for cosine in cosines]).mean()


def printed(abnormal, normal, margin):
    alike = torch.stack([average_of_pairs(bag, lambda cosine: cosine) for bag in normal]).mean()
    unlike = torch.stack([average_of_pairs(bag, lambda cosine: cosine.clamp(max=margin)) for bag in abnormal]).mean()
    return 1 - alike + unlike


@pytest.mark.parametrize("margin", [-0.2, 0.1, 0.4, 1.0])
def test_mutual_cosine_embedding_as_printed(margin):
    abnormal, normal = bags(3, 4, 6) - 0.3, bags(2, 5, 6, seed=1) - 0.3
    found = mutual_cosine_embedding(abnormal, normal, margin)
    torch.testing.assert_close(found, printed(abnormal, normal, margin), rtol=1e-12, atol=1e-12)


def test_many_segments_go_by_blocks_with_the_same_gradient(monkeypatch):
    abnormal, normal = (bags(2, 11, 5, seed=seed) - 0.3 for seed in (0, 1))
    whole = [abnormal.clone().requires_grad_(), normal.clone().requires_grad_()]
    parts = [abnormal.clone().requires_grad_(), normal.clone().requires_grad_()]
    mutual_cosine_embedding(*whole, 0.1).backward()
    monkeypatch.setattr(losses, "BLOCK", 2 * 11 * 3)  # three rows at a time
    found = mutual_cosine_embedding(*parts, 0.1)
    found.backward()
    torch.testing.assert_close(found, printed(abnormal, normal, 0.1))
    for one, other in zip(whole, parts):
        torch.testing.assert_close(one.grad, other.grad)


def test_zero_vectors_and_single_segments_are_defined():
    zero = torch.zeros(2, 4, 6, requires_grad=True)
    found = mutual_cosine_embedding(zero, zero, 0.4)
    found.backward()
    assert found == 1 and zero.grad.isfinite().all()
    assert mutual_cosine_embedding(bags(2, 1, 6), bags(2, 1, 6), 0.4) == 1


def test_mutual_cosine_embedding_is_least_when_normal_is_alike_and_abnormal_apart():
    normal, apart = torch.tensor([[[1.0, 0]] * 2] * 2), torch.tensor([[[1.0, 0], [-1, 0]]] * 2)
    assert mutual_cosine_embedding(apart, normal, 0.4) == -1
    torch.testing.assert_close(mutual_cosine_embedding(normal, normal, 0.4), torch.tensor(0.4))


def test_ranking_over_all_pairs_of_bags():
    abnormal, normal = bags(3, 5), bags(4, 5, seed=1)
    pairs = [(1 - a.max() + n.max()).clamp_min(0) for a in abnormal for n in normal]
    torch.testing.assert_close(ranking(abnormal, normal), torch.stack(pairs).mean())


def test_smoothness_and_sparsity():
    scores = torch.tensor([[0.0, 0.5, 0.25], [1, 1, 1]])
    torch.testing.assert_close(smoothness(scores), torch.tensor((0.25 + 0.0625) / 2))
    torch.testing.assert_close(sparsity(scores), torch.tensor((0.75 + 3) / 2))


def test_objective_weighs_its_terms():
    settings = replace(TrainSettings(), smoothness=0.5, sparsity=0.25, mce_weight=2.0)
    abnormal, normal = (Scored(bags(3, 5, seed=s), bags(3, 5, 7, seed=s + 2)) for s in (0, 1))
    loss, terms = objective(abnormal, normal, settings)
    torch.testing.assert_close(
        loss, terms["ranking"] + 0.5 * terms["smoothness"] + 0.25 * terms["sparsity"] + 2 * terms["mce"]
    )
    without, terms = objective(abnormal, normal, replace(settings, mce=False))
    assert "mce" not in terms and without < loss
