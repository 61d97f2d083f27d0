"""Stage two: it learns what is there to learn, the same for the same seed, and only from the training part."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from stavad.data.bags import Bag
from stavad.data.errors import UserError
from stavad.data.labels import read_labels
from stavad.train import loop
from stavad.train.checkpoint import Trained
from stavad.train.loop import batches
from stavad.train.model import AnomalyDetector
from stavad.train.run import fit_on, with_split
from stavad.train.scaling import Moments, Scaling
from stavad.train.settings import TrainSettings
from tests.conftest import write_store

SHORT = TrainSettings(steps=40, learning_rate=1e-3, scale="whiten", segments=8)


@pytest.fixture
def corpus(tmp_path):
    store = write_store(tmp_path)
    videos = read_labels(tmp_path / "labels.csv")
    return videos, dict(store.read_all([v.id for v in videos]))


def trained(corpus, settings=SHORT):
    return fit_on(*corpus, settings, "cpu")


def test_same_seed_same_model(corpus):
    one, other, third = trained(corpus), trained(corpus), trained(corpus, replace(SHORT, seed=1))
    states = [t.model.state_dict() for t in (one, other, third)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_an_ensemble_is_the_mean_of_its_members(corpus):
    whole, seen = trained(corpus, replace(SHORT, seed=1, ensemble=2, steps=5)), []
    members = [trained(corpus, replace(SHORT, seed=seed, steps=5)) for seed in (2, 3)]
    features = torch.rand(3, 8, 8)
    expected = torch.stack([member.model(features) for member in members]).mean(0)
    torch.testing.assert_close(whole.model(features), expected)
    fit_on(*corpus, replace(SHORT, ensemble=2, steps=5), "cpu", lambda step, loss, terms: seen.append(step))
    assert seen == list(range(1, 11))


def test_the_test_part_changes_nothing(corpus):
    videos, stored = corpus
    one = trained(corpus).model.state_dict()
    for video in videos:
        if video.split == "test":
            stored[video.id].features[:] = 99
    other = trained(corpus).model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_loss_falls(corpus):
    losses = []
    fit_on(*corpus, SHORT, "cpu", lambda step, loss, terms: losses.append(float(terms["ranking"])))
    assert len(losses) == 40 and losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("bag_loss", ["ranking", "k-max"])
def test_a_training_that_diverges_says_so(corpus, bag_loss):
    with pytest.raises(UserError, match=r"diverged.*--learning-rate"):
        trained(corpus, replace(SHORT, learning_rate=1e30, bag_loss=bag_loss))


def test_labels_for_another_number_of_frames(corpus):
    videos, stored = corpus
    with pytest.raises(UserError, match="has 155 frames, its labels were made for 7"):
        fit_on([replace(v, frames=7) if v.id == "n03" else v for v in videos], stored, SHORT, "cpu")


@pytest.mark.parametrize("head", ["rnn", "fc"])
@pytest.mark.parametrize("attention", [True, False])
def test_ablations_are_other_models(head, attention):
    model = AnomalyDetector(6, replace(SHORT, head=head, attention=attention)).eval()
    features = torch.rand(2, 5, 6)
    scores, boosted = model(features)
    assert scores.shape == (2, 5) and (scores >= 0).all() and (scores <= 1).all()
    assert torch.equal(boosted, features) != attention
    assert any(name.startswith("attention.") for name, _ in model.named_parameters()) == attention
    assert any("rnn.weight_ih_l1_reverse" in name for name, _ in model.named_parameters()) == (head == "rnn")


def test_checkpoint_round_trip(corpus, tmp_path):
    one = trained(corpus)
    one.save(tmp_path / "model.pt")
    other = Trained.load(tmp_path / "model.pt", "cpu")
    assert other.settings == one.settings and other.fingerprint == one.fingerprint
    bag = np.random.rand(7, 8).astype(np.float32)
    shown = torch.from_numpy(bag)[None]
    assert torch.equal(other.model.scaling(shown), one.model.scaling(shown))
    assert torch.equal(other.model(shown), one.model(shown))


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_not_a_checkpoint(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint"):
        Trained.load(tmp_path / "model.pt", "cpu")


def test_one_class_only(corpus):
    videos, stored = corpus
    with pytest.raises(UserError, match="has no abnormal video"):
        fit_on([v for v in videos if v.label == 0], stored, SHORT, "cpu")


def test_split_is_drawn_only_where_there_is_none(corpus):
    videos, _ = corpus
    assert with_split(videos, 0) == (videos, False)
    none = [replace(v, split=None) for v in videos]
    drawn, was = with_split(none, 0)
    assert was and drawn == with_split(none, 0)[0] != with_split(none, 1)[0]
    for label in (0, 1):
        assert sum(v.split == "train" for v in drawn if v.label == label) == 7  # 0.6 of 12


def test_batches_see_every_bag_before_any_comes_again():
    draws = batches(7, 3, (0, 1))
    seen = torch.cat([next(draws) for _ in range(7)]).tolist()
    for start in range(0, 21, 7):
        assert sorted(seen[start : start + 7]) == list(range(7))
    assert sorted(next(batches(4, 30, (0, 1))).tolist()) == [0, 1, 2, 3]


def test_either_side_draws_places_of_its_own(monkeypatch):
    """With as many normal as abnormal bags, one seed would pair the same places in every batch."""
    drawn = []

    def recorded(bags, size, seed, device=None):
        for draw in batches(bags, size, seed, device):
            drawn.append(draw.tolist())
            yield draw

    monkeypatch.setattr(loop, "batches", recorded)
    loop.fit(torch.rand(12, 4, 8), torch.rand(12, 4, 8), TrainSettings(batch=4, steps=3, attention=False))
    assert len(drawn) == 6 and all(drawn[place] != drawn[place + 1] for place in (0, 2, 4))


def seen_in(clips):
    seen = Moments()
    for part in np.array_split(clips, 3):
        seen.add(Bag.of(part[:, None], 4))
    return seen


def test_moments_are_those_of_all_clips():
    clips = np.random.rand(50, 4) * [1, 10, 100, 0] + 5
    np.testing.assert_allclose(seen_in(clips).mean, clips.mean(0))
    np.testing.assert_allclose(seen_in(clips).deviation, clips.std(0), atol=1e-6)


def test_scaling():
    clips = np.random.rand(50, 4) * [1, 10, 100, 0] + 5

    def scaled(kind):
        return Scaling.learn(seen_in(clips), kind)(torch.from_numpy(clips)).numpy()

    centred = scaled("centre")
    np.testing.assert_allclose(centred.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(centred).sum(1).mean(), 1, atol=5e-3)
    np.testing.assert_allclose(
        centred[:, 2] / centred[:, 1], (clips - clips.mean(0))[:, 2] / (clips - clips.mean(0))[:, 1], rtol=1e-3
    )
    np.testing.assert_allclose(scaled("whiten").mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(2 * scaled("whiten").std(0), [1, 1, 1, 0], atol=0.1)
    assert np.array_equal(scaled("none"), clips.astype(np.float32))
    np.testing.assert_allclose(scaled("length"), clips / np.linalg.norm(clips, axis=1)[:, None], rtol=1e-6)


def test_unit_length_keeps_zero():
    rows = Scaling("length", np.zeros(2), np.ones(2))(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]])


def test_a_checkpoint_of_before_scores_the_same_and_is_known_to_have_no_bound(corpus, tmp_path):
    one = trained(corpus, replace(SHORT, memory=float("inf")))
    one.save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    before = json.loads(content["settings"])
    for name in ("memory", "steps", "folds"):
        del before[name]
    content |= {"version": 2, "settings": json.dumps(before | {"epochs": 150})}
    del content["unseen"], content["steps"]
    torch.save(content, tmp_path / "model.pt")
    other = Trained.load(tmp_path / "model.pt", "cpu")
    bag = torch.rand(1, 7, 8)
    assert torch.equal(other.model(bag), one.model(bag))
    assert other.settings.memory == float("inf") and other.settings.epochs == 150 and not other.unseen
