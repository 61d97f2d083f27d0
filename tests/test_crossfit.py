"""Cross-fitting: nobody is scored by a model that has seen him, groups stay whole, places are judged without frame labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stavad.data.catalogue import Video
from stavad.data.groups import cut
from stavad.data.labels import read_labels
from stavad.evaluate.results import write_evaluation
from stavad.evaluate.run import evaluate_run
from stavad.evaluate.settings import EvaluateSettings
from stavad.train import crossfit
from stavad.train.checkpoint import Trained
from stavad.train.crossfit import cross_fit, key_of, looks_of
from stavad.train.folder import train_model
from stavad.train.heads import RecurrentHead
from stavad.train.loop import fit
from stavad.train.planted import Planted
from stavad.train.run import gather
from stavad.train.settings import TrainSettings
from stavad.train.telling import ends, tell
from tests.conftest import write_store

QUICK = TrainSettings(steps=30, learning_rate=3e-3, scale="whiten", segments=8)


@pytest.fixture
def gathered(tmp_path):
    store = write_store(tmp_path, videos=24)
    videos = [v for v in read_labels(tmp_path / "labels.csv") if v.split == "train"]
    return gather(videos, store.read_all([v.id for v in videos]), QUICK)


def videos(normal: int, abnormal: int) -> list[Video]:
    return [Video(f"{'na'[label]}{n}", None, label, "train") for label, number in ((0, normal), (1, abnormal)) for n in range(number)]  # fmt: skip


def test_folds_hold_every_video_once_and_no_group_is_torn():
    every = videos(20, 14)
    groups = {video.id: f"scene {int(video.id[1:]) // 2}{video.label}" for video in every}
    folds = cut(every, groups, 3, 0)
    assert sorted(place for fold in folds for place in fold) == list(range(34))
    for fold in folds:
        inside = {groups[every[place].id] for place in fold}
        assert not inside & {groups[v.id] for place, v in enumerate(every) if place not in fold}
    assert cut(videos(20, 5), {}, 3, 0) is None  # two abnormal ones in a fold need six
    assert cut(every, {video.id: "one scene" for video in every}, 3, 0) is None


def test_no_video_is_scored_by_a_model_that_has_seen_it(gathered, tmp_path, monkeypatch):
    """Each fold's training gets everything but what it scores."""
    seen, plain = [], crossfit.fit_set
    monkeypatch.setattr(
        crossfit, "fit_set", lambda bags, *rest, **more: seen.append(bags) or plain(bags, *rest, **more)
    )
    found = cross_fit(gathered, {}, QUICK, torch.device("cpu"), tmp_path / "keep")
    assert len(seen) == 3 and all(len(bags.abnormal) == len(bags.normal) == 8 for bags in seen)
    folds = cut([one.video for one in gathered], {}, 3, QUICK.seed)
    for bags, fold in zip(seen, folds):
        inside = bags.scaling(torch.from_numpy(np.concatenate([gathered[place].bags for place in fold])))
        trained_on = torch.cat([bags.abnormal, bags.normal])
        assert not (inside[:, None] == trained_on[None]).all((2, 3)).any()
    assert found.held_out[-1] > 0.9 and found.trained[-1] > 0.9 and found.steps in looks_of(30)
    assert 0.3 < np.nanmean(found.control) < 0.7


def test_looking_changes_nothing_of_a_training():
    torch.manual_seed(0)
    abnormal, normal = torch.rand(2, 6, 8, 5)
    settings = replace(QUICK, head="fc", steps=6)  # with dropout
    looked = fit(abnormal, normal, settings, looks=(2, 4), on_look=lambda step, model: model(abnormal))
    plain = fit(abnormal, normal, settings)
    assert all(torch.equal(a, b) for a, b in zip(looked.state_dict().values(), plain.state_dict().values()))


@pytest.mark.slow
def test_a_training_that_was_broken_off_goes_on_with_its_folds(gathered, tmp_path):
    def stop(step, loss, terms):
        if step > 40:  # in the second fold
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_fit(gathered, {}, QUICK, torch.device("cpu"), tmp_path / "keep", stop)
    steps, notes = [], []
    again = cross_fit(gathered, {}, QUICK, torch.device("cpu"), tmp_path / "keep", lambda step, *_: steps.append(step), notes.append)  # fmt: skip
    whole = cross_fit(gathered, {}, QUICK, torch.device("cpu"), tmp_path / "other")
    assert steps[0] == 31 and notes == ["fold 1 of 3 was done before"]
    assert all(np.array_equal(a, b) for a, b in zip(again.scores, whole.scores))
    assert np.array_equal(again.held_out, whole.held_out) and again.steps == whole.steps
    keys = {key_of(gathered, groups, settings, "cpu") for groups, settings in (({}, QUICK), ({}, replace(QUICK, seed=1)), ({"n00": "scene"}, QUICK))}  # fmt: skip
    assert len(keys) == 3  # each of other folds


def test_the_steps_that_are_kept_and_the_line_that_says_what_more_would_lose(gathered):
    """Made-up scores: at the second look everybody is in his place, at the last the videos are mixed up."""
    labels = [one.video.label for one in gathered]
    scores = [np.array([[0.5] * 8, [label] * 8, [1 - label] * 8], np.float32) for label in labels]
    folds = cut([one.video for one in gathered], {}, 3, 0)
    parts = [
        crossfit.Fold(
            [scores[place] for place in fold],
            *(np.tile([[0.5], [0.9], [0.4]], sum(labels[p] == label for p in fold)) for label in (1, 0)),
            np.array([0.5, 0.9, 1.0]),
        )
        for fold in folds
    ]
    found = crossfit._sum_up(gathered, {}, [10, 20, 40], folds, parts, scores)
    assert found.steps == 20 and found.held_out.tolist() == [0.5, 1.0, 0.0]
    assert found.spread["held_out"] == (1.0, 1.0) and found.planted.tolist() == pytest.approx([0.5, 0.9, 0.4])
    notes = []
    tell(found, notes.append)
    assert "loses what it had learnt: 20 of 40 steps are kept" in notes[1] and "from 1.000 to 0.000" in notes[1]


def test_planted_events_are_found_by_what_tells_them_apart():
    events, grounds = [np.full((8, 1), 1.0, np.float32)] * 3, [np.zeros((8, 1), np.float32)] * 4
    planted = Planted.of(events, grounds, np.random.default_rng(0))
    assert planted.bags.shape == (6, 8, 1) and np.array_equal(planted.bags[..., 0] == 1, planted.where)
    assert (planted.where.sum(1) == 2).all() and np.array_equal(planted.event, [0, 0, 1, 1, 2, 2])
    assert np.array_equal(planted.found(planted.bags[..., 0]), [1, 1, 1])
    assert np.array_equal(planted.found(np.ones((6, 8))), [0.5, 0.5, 0.5])  # ties count half
    itself = Planted.of(grounds[:2], grounds[:2], np.random.default_rng(0), itself=True)
    assert len(itself.bags) == 2  # each into the other one


def crossfitted(gathered, place):
    """As if every abnormal video had its highest score at `place`."""
    scores = []
    for one in gathered:
        own = np.zeros((1, 8), np.float32)
        own[0, place if one.video.label else 4] = 1
        scores.append(own)
    ones = np.ones(1)
    return crossfit.CrossFit([30], 0, gathered, scores, ones, ones, ones / 2, ones, {}, 0.0)


def test_places_at_an_end_are_told(gathered):
    notes = []
    tell(crossfitted(gathered, 7), notes.append)
    assert "places are lost: 12 of 12" in notes[-1]
    at_ends, number, chance, p = ends(crossfitted(gathered, 3))
    assert at_ends == 0 and number == 12 and chance == pytest.approx(12 * 2 / 8) and p > 0.5
    notes.clear()
    tell(crossfitted(gathered, 3), notes.append)
    assert len(notes) == 1 and "video AUC 1.000" in notes[0]


@pytest.mark.slow
def test_intervals_that_do_not_fit_a_training_video_end_nothing(tmp_path):
    """Training needs none; the estimate leaves them out."""
    write_store(tmp_path, videos=24)
    labels = (tmp_path / "labels.csv").read_text().replace("a00,1,train,65,112", "a00,1,train,600,700")
    (tmp_path / "labels.csv").write_text(labels)
    run = train_model(tmp_path, tmp_path / "labels.csv", settings=QUICK, device="cpu", note=lambda line: None)
    assert len(run.trained.unseen) == 12


def test_too_few_videos_train_all_the_steps_and_say_so(tmp_path):
    write_store(tmp_path, videos=6)
    notes = []
    run = train_model(tmp_path, tmp_path / "labels.csv", settings=QUICK, device="cpu", note=notes.append)
    assert any("too small for 3 folds" in line for line in notes)
    assert run.trained.steps == 30 and not run.trained.unseen


@pytest.mark.slow
def test_a_run_keeps_what_cross_fitting_found(tmp_path):
    write_store(tmp_path, videos=24)
    run = train_model(tmp_path, tmp_path / "labels.csv", settings=QUICK, device="cpu", note=lambda line: None)
    again = Trained.load(run.folder / "model.pt", "cpu")
    assert len(again.unseen) == 12 and again.steps == run.trained.steps in looks_of(30)
    assert np.array_equal(again.unseen[3].clips, run.trained.unseen[3].clips) and again.unseen[3].seconds == 15.5
    assert not (tmp_path / "runs" / ".crossfit").exists()
    page = write_evaluation(evaluate_run(tmp_path), EvaluateSettings(plot=True), lambda line: None)
    assert "learning.png" in page.read_text(encoding="utf-8")
    assert (run.folder / "learning.png").stat().st_size > 5000


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 9, 7), (3, 1, 7), (1, 1, 1)])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_both_directions_side_by_side_are_the_rnn(shape, dtype, close):
    torch.manual_seed(0)
    head = RecurrentHead(shape[2], memory=0.3).to(dtype)
    features = torch.randn(shape, dtype=dtype, requires_grad=True)
    weight = torch.randn(shape[:2], dtype=dtype)
    inputs = (features, *head.parameters())
    expected = head.out(head.rnn(features)[0]).squeeze(-1).sigmoid()
    found = head(features)
    torch.testing.assert_close(found, expected, rtol=close, atol=close / 100)
    gradients = (torch.autograd.grad((out * weight).sum(), inputs) for out in (found, expected))
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other, rtol=close, atol=close / 100)


def test_a_recurrence_forgets_at_the_rate_of_its_bound():
    torch.manual_seed(0)
    head = RecurrentHead(4, memory=0.3)
    with torch.no_grad():
        for matrix in head.rnn.parameters():
            matrix += torch.randn_like(matrix)
    head.forget()
    norms = [torch.linalg.matrix_norm(m, ord=2) for name, m in head.rnn.named_parameters() if "weight_hh" in name]
    assert len(norms) == 4 and all(norm <= 0.3 + 1e-6 for norm in norms)
    without = RecurrentHead(4, memory=0.0)
    features = torch.rand(1, 9, 4)
    other = features.clone()
    other[0, 4:] = 0
    assert torch.equal(without(features)[0, :4], without(other)[0, :4])  # no memory: a segment answers for itself
    free = RecurrentHead(4)
    before = [m.clone() for m in free.parameters()]
    free.forget()
    assert all(torch.equal(a, b) for a, b in zip(before, free.parameters()))
