"""What makes a number too good: copies and parts of a recording on both sides of a split, and classes that differ without a look at the picture."""

import dataclasses

import numpy as np
import pytest

from stavad.data.catalogue import Video
from stavad.data.groups import by_name, cut, draw, groups_of, tell_groups
from stavad.data.labels import read_labels
from stavad.data.leaks import attributes, copies
from stavad.data.store import Store
from stavad.evaluate.bootstrap import measure, recordings
from stavad.evaluate.reproduction.measure import Reproduction
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.settings import ScoringSettings
from stavad.pipeline.cli import main
from stavad.train.settings import TrainSettings
from tests.conftest import FINGERPRINT, SHARED

RNG = np.random.default_rng(0)
QUICK = ["--steps", "20", "--folds", "0", "--head", "fc", "--segments", "8"]


@pytest.mark.parametrize(
    "together",
    [
        ("cam1_part1", "cam1_part2", "cam1_part3"),
        ("Abuse001_1", "Abuse001_2"),
        ("normal/gate-clip0", "fight/gate-clip1"),
        ("cam 7 (1)", "cam 7 (2)"),
        ("a.seg01", "a.seg02"),
        ("LobbyPart1", "LobbyPart2"),
        ("cam1part1", "cam1part2"),
        ("walk_part1of2", "walk_part2of2"),
        ("A.Film.1999__#00-01-00_00-02-00_label_A", "A.Film.1999__#00-05-00_00-06-00_label_B4-0-0"),
        ("RGB/v=abcdefghijk__#1_label_A", "RGBTest/v=abcdefghijk__#2_label_B1-0-0"),
    ],
)
def test_numbered_parts_of_a_recording_are_known_by_their_names(together):
    found = by_name([*together, "door_3", "Normal_Videos_003"])
    assert set(found) == set(together) and len(set(found.values())) == 1


@pytest.mark.parametrize(
    "apart",
    [
        ("lobby_1", "lobby_2"),  # two videos of a lobby
        ("Train001", "Train002"),
        ("Normal_Videos_597_x264", "Normal_Videos_598_x264"),
        ("cam1_part3", "cam1_part9"),  # not numbered through
        ("01_0014", "01_0015"),
        ("haircut_1", "haircut_2"),
        ("2024-01-01", "2024-01-02"),
        ("cam1_20240101", "cam1_20240102"),
    ],
)
def test_numbers_that_are_no_parts(apart):
    assert by_name(apart) == {}


@pytest.mark.parametrize("form", ["{}_clip{}", "{} (2019) clip {}", "camera1_{1:02d}", "my clip {1}"])
def test_numbered_videos_of_a_class_are_no_recording(form):
    """A name that more than half of a class has in common says nothing of where a video was cut from."""
    videos = [Video(form.format(("walk", "fight")[n % 2], n), None, n % 2) for n in range(40)]
    assert groups_of(videos) == {video.id: video.id for video in videos}


def test_what_names_would_say_is_told_where_names_count():
    videos = [Video(f"camera1_{n:02d}", None, n % 2) for n in range(40)]
    for names in (True, False):
        told: list[str] = []
        tell_groups(videos, True, names, told.append)
        assert any("not taken for those of parts" in line for line in told) == names


def test_in_a_small_set_parts_stay_parts():
    videos = [Video(f"cam1_part{n}", None, int(n == 3)) for n in (1, 2, 3)] + [
        Video("yard", None, 0),
        Video("gate", None, 1),
    ]
    assert len({groups_of(videos)[f"cam1_part{n}"] for n in (1, 2, 3)}) == 1


def test_neither_draws_nor_folds_tear_a_group_apart():
    videos = [Video(f"{'an'[n % 2]}{n}", None, n % 2, group=f"scene{n // 4}") for n in range(48)]
    groups = groups_of(videos)
    for seed in range(5):
        train = draw(videos, {0: 12, 1: 12}, groups, np.random.default_rng(seed))
        for scene in set(groups.values()):
            assert len({video.id in train for video in videos if groups[video.id] == scene}) == 1
        for fold in cut(videos, groups, 3, seed):
            inside = {groups[videos[place].id] for place in fold}
            outside = {groups[v.id] for place, v in enumerate(videos) if place not in fold}
            assert not inside & outside


def noise(tmp_path) -> Store:
    """Recordings of noise under two names each."""
    store, rows = Store(tmp_path / "features" / "made-up"), ["video,label"]
    for number in range(16):
        features = RNG.random((10, 1, 8), np.float32)
        for name in (f"{'na'[number % 2]}{number:02d}", f"copy of {number}"):
            store.write(name, features, 160, FINGERPRINT, fps=10.0)
            rows.append(f"{name},{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return store


def test_copies_stay_on_one_side_of_a_drawn_split(tmp_path):
    noise(tmp_path)
    assert main(["train", "--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), *QUICK]) == 0
    split = {video.id: video.split for video in read_labels(tmp_path / "runs/latest/videos.csv")}
    assert set(split.values()) == {"train", "test"}
    for number in range(16):
        assert split[f"{'na'[number % 2]}{number:02d}"] == split[f"copy of {number}"]


def test_copies_across_a_given_split_are_named_by_every_command(tmp_path, capsys):
    store = noise(tmp_path)
    rows = [
        f"{name},{n % 2},{part},{'1,20' if n % 2 else ','}"
        for n in range(16)
        for name, part in ((f"{'na'[n % 2]}{n:02d}", "train"), (f"copy of {n}", "test"))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["video,label,split,start,end", *rows]))
    common = ["--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]
    line = "nearly the same features in both parts, 16 times"
    for command in (["train", *QUICK], ["evaluate"]):
        assert main([*command, *common]) == 0
        assert line in capsys.readouterr().out
    said: list[str] = []
    videos = read_labels(tmp_path / "labels.csv")
    Reproduction("ucf-crime", videos, store.read_all(store.ids()), TrainSettings(), ScoringSettings(), 1, tmp_path, said.append)  # fmt: skip
    assert line in said[0]


def test_nearly_the_same_and_only_alike(tmp_path):
    store = Store(tmp_path)
    ground = RNG.random((20, 1, 64), np.float32)
    of = {"one": ground, "encoded again": ground + 0.02 * RNG.standard_normal(ground.shape), "shortened": ground[:19]}
    of |= {f"other{n}": RNG.random((20, 1, 64), np.float32) for n in range(10)}
    for name, features in of.items():
        store.write(name, np.float32(features), 16 * len(features), FINGERPRINT | {"width": 64})
    found = copies([Video(name) for name in of], store.read_all(list(of)), 8)
    assert ("one", "encoded again") in found and not any("other" in name for pair in found for name in pair)


@pytest.mark.slow
def test_ped2_has_no_copies(tmp_path):
    """Twenty-eight clips of one walkway are alike, but none is another."""
    if not (SHARED / "ucsd-ped2").is_dir():
        pytest.skip(f"real data is not at {SHARED}")
    common = ["--work", str(tmp_path)]
    assert main(["extract", "--videos", str(SHARED / "ucsd-ped2"), "--preset", "motion", *common]) == 0
    store = Store(tmp_path / "features/motion")
    ids = store.ids()
    assert len(ids) == 28 and copies([Video(id) for id in ids], store.read_all(ids)) == []


def scored(name: str, label: int, group: str = "") -> ScoredVideo:
    clips, cover = RNG.random(4), np.repeat(np.arange(4), 16)
    video = Video(name, None, label, "test", ((1, 20),) if label else (), group=group)
    return ScoredVideo(video, 64, clips, cover, (np.arange(64) < 20) & bool(label))


def test_the_bootstrap_draws_recordings():
    videos = [scored(f"v{n}", n % 2, f"recording {n // 4}") for n in range(12)]
    assert [len(of) for of in recordings(videos)] == [4, 4, 4]
    alone = [dataclasses.replace(s, video=dataclasses.replace(s.video, group="")) for s in videos]
    assert measure(videos)["auc"]["value"] == measure(alone)["auc"]["value"]
    assert measure(videos)["auc"]["low"] != measure(alone)["auc"]["low"]


def test_one_recording_has_no_interval():
    for videos in ([scored("v", 1)], [scored("v", 1, "r"), scored("w", 0, "r")]):
        found = measure(videos)["auc"]
        assert found["value"] is not None and found["low"] is None and found["high"] is None


def test_attributes_that_give_the_class_away_are_told(tmp_path, capsys):
    store, rows = Store(tmp_path / "features" / "made-up"), ["video,label"]
    for number in range(20):
        label = number % 2
        store.write(f"v{number:02d}", RNG.random((10, 1, 8), np.float32), 160, FINGERPRINT, fps=(8.0, 30.0)[label], codec="h264")  # fmt: skip
        rows.append(f"v{number:02d},{label}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert main(["train", "--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), *QUICK]) == 0
    said = capsys.readouterr().out
    assert "the classes differ in frame rate (8 against 30)" in said and "AUC 1.000" in said


@pytest.mark.parametrize("made", [{"fps": 25.0}, {}])
def test_attributes_that_tell_nothing(tmp_path, made):
    store = Store(tmp_path)
    for number in range(12):
        store.write(f"v{number:02d}", RNG.random((10, 1, 8), np.float32), 160, FINGERPRINT, **made)
    videos = [Video(f"v{n:02d}", None, n % 2) for n in range(12)]
    assert attributes(videos, store.read_all([video.id for video in videos])) is None
