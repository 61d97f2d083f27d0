"""Equations 4 to 6 against loops over all pairs."""

from dataclasses import replace

import torch

from stavad.train.losses import mutual_cosine_embedding, objective, ranking, smoothness, sparsity
from stavad.train.model import Scored
from stavad.train.settings import TrainSettings


def bags(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mean_cosine(one, other):
    return torch.stack([torch.cosine_similarity(a, b, dim=0) for a in one for b in other]).mean()


def test_mutual_cosine_embedding_is_the_mean_over_pairs():
    abnormal, normal = bags(3, 4, 6) - 0.3, bags(2, 4, 6, seed=1) - 0.3
    alike = torch.stack([1 - mean_cosine(n, m) for n in normal for m in normal]).mean()
    unlike = torch.stack([(mean_cosine(a, n) - 0.1).clamp_min(0) for a in abnormal for n in normal]).mean()
    torch.testing.assert_close(mutual_cosine_embedding(abnormal, normal, 0.1), alike + unlike)


def test_mutual_cosine_embedding_is_least_when_normal_is_alike_and_abnormal_apart():
    normal, apart = torch.tensor([[[1.0, 0]] * 4] * 2), torch.tensor([[[0.0, 1]] * 4] * 2)
    assert mutual_cosine_embedding(apart, normal, 0.4) == 0
    torch.testing.assert_close(mutual_cosine_embedding(normal, normal, 0.4), torch.tensor(0.6))


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
