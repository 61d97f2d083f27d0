"""The baselines behind the paper's interface: shapes, their losses by hand, and that they learn."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from stavad.train.baselines import FeatureMagnitude, TemporalRelations, build
from stavad.train.loop import fit
from stavad.train.losses import k_max
from stavad.train.model import Scored
from stavad.train.settings import TrainSettings


@pytest.mark.parametrize("name", ["sta", "rtfm", "hlnet"])
def test_shapes_and_any_number_of_clips(name):
    model = build(12, TrainSettings(model=name)).eval()
    for clips in (1, 2, 50):
        scored = model(torch.rand(3, clips, 12))
        assert scored.scores.shape == (3, clips) and scored.features.shape[:2] == (3, clips)
        assert ((scored.scores >= 0) & (scored.scores <= 1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rtfm", "hlnet"])
def test_they_learn_which_bags_are_abnormal(name):
    torch.manual_seed(1)
    normal, abnormal = torch.rand(20, 16, 12), torch.rand(20, 16, 12)
    abnormal[:, 5:8, :4] += 1.5
    model = fit(abnormal, normal, TrainSettings(model=name, steps=60, learning_rate=1e-3))
    with torch.no_grad():
        high, low = model(abnormal).scores, model(normal).scores
    assert high.amax(1).mean() > low.amax(1).mean() + 0.3
    assert high[:, 5:8].mean() > high[:, 9:].mean() + 0.2


def test_k_max_by_hand():
    abnormal, normal = torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([[0.2, 0.4, 0.1]])
    expected = (-torch.tensor(0.9).log() - torch.tensor(1 - 0.4).log()) / 2
    torch.testing.assert_close(k_max(abnormal, normal), expected)
    many = torch.linspace(0, 0.9, 32)[None]
    torch.testing.assert_close(
        k_max(many, 1 - many), binary_cross_entropy(torch.stack([many[0, -3:].mean(), (1 - many)[0, :3].mean()]), torch.tensor([1.0, 0.0]))
    )  # fmt: skip


def test_magnitude_loss_by_hand():
    model = FeatureMagnitude(8)
    features = torch.zeros(1, 10, 4)
    long = features.clone()
    long[0, 3, 0] = 7.0  # one of ten is chosen
    scores = torch.full((1, 10), 0.5)
    _, terms = model.objective(Scored(scores, long), Scored(scores, features))
    assert terms["magnitude"].item() == pytest.approx(1e-4 * (100 - 7) ** 2)
    assert terms["classification"].item() == pytest.approx(0.6931, abs=1e-3)


def test_segments_are_related_by_their_place_and_by_their_likeness():
    torch.manual_seed(0)
    model = TemporalRelations(8).eval()
    features, order = torch.rand(1, 6, 8), torch.tensor([4, 0, 2, 3, 1, 5])
    together, moved = model(features).features, model(features[:, order]).features
    assert torch.allclose(moved[..., :32], together[:, order, :32], atol=1e-6)  # alike wherever they stand
    assert not torch.allclose(moved[..., 32:], together[:, order, 32:], atol=1e-4)  # neighbours by their place
    model.SIMILAR = 2.0  # nothing is so similar: every segment takes the plain mean of all
    assert model(features).features[0, :, :32].std(0).max() < 1e-6
    assert together[0, :, :32].std(0).max() > 1e-4
