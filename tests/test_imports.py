"""Published features into the store: every file format, crops, segments, and what is refused."""

import json

import h5py
import numpy as np
import pytest
import scipy.io

from stavad.data.arrays import Axes, read_video
from stavad.data.errors import UserError
from stavad.data.featurefiles import find_features
from stavad.data.store import Store
from stavad.pipeline.cli import main

RNG = np.random.default_rng(0)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".npy":
            np.save(path, array)
        case ".npz":
            np.savez(path, features=array)
        case ".txt":
            np.savetxt(path, array)
        case ".mat":
            scipy.io.savemat(path, {"features": array})
        case ".h5":
            with h5py.File(path, "w") as file:
                file["features"] = array
    return path


def imported(tmp_path, labels=None) -> tuple[int, Store]:
    arguments = ["import", str(tmp_path / "in"), "--work", str(tmp_path / "work")]
    if labels:
        (tmp_path / "labels.csv").write_text(labels)
        arguments += ["--labels", str(tmp_path / "labels.csv")]
    return main(arguments), Store(tmp_path / "work/features/imported")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".txt", ".mat", ".h5"])
def test_every_format_holds_the_same(tmp_path, suffix):
    features = RNG.random((5, 7), np.float32)
    save(tmp_path / f"in/a/video{suffix}", features)
    code, store = imported(tmp_path)
    assert code == 0 and store.ids() == ["a/video"]
    stored = store.read("a/video")
    np.testing.assert_allclose(stored.features, features[:, None], rtol=1e-6)
    assert stored.frames == 80 and stored.made["fingerprint"]["imported"]


def test_crops_in_one_file_or_one_each(tmp_path):
    crops = RNG.random((4, 10, 6), np.float32)
    save(tmp_path / "in/one.npy", crops)
    for number in range(10):
        save(tmp_path / f"in/each__{number}.npy", crops[:, number])
    _, store = imported(tmp_path)
    assert np.array_equal(store.read("one").features, crops)
    assert np.array_equal(store.read("each").features, crops)


def test_segments_lie_over_the_frames_that_the_labels_tell(tmp_path):
    save(tmp_path / "in/v.npy", np.arange(32 * 3.0).reshape(32, 3))
    code, store = imported(tmp_path, "video,label,frames\nv,1,3200\n")
    cover = store.read("v").cover
    assert code == 0 and len(cover) == 3200
    assert np.abs(cover - np.arange(3200) // 100).max() <= 1 and set(cover) == set(range(32))


def test_published_clips_may_be_one_more_or_less_than_the_frames_are(tmp_path):
    for name, rows in (("dropped", 9), ("padded", 10)):
        save(tmp_path / f"in/{name}.npy", RNG.random((rows, 3)))
    code, store = imported(tmp_path, "video,label,frames\ndropped,0,150\npadded,0,150\n")
    assert code == 0
    assert [store.read(name).cover.max() for name in ("dropped", "padded")] == [8, 9]


@pytest.mark.parametrize(
    ("array", "labels", "problem"),
    [
        (np.full((4, 3), np.nan), None, "NaN"),
        (np.full((4, 3), np.inf), None, "infinity"),
        (np.zeros((0, 3)), None, "shape (0, 3)"),
        (np.zeros(9), None, "shape (9,)"),
        (np.array([["a"]]), None, "not numbers"),
        (np.zeros((7, 3)), "video,label,frames\nv,0,1600\ngood,0,64\n", "1600 frames are 100 clips"),
    ],
)
def test_a_bad_file_is_named_and_left_out(tmp_path, capsys, array, labels, problem):
    save(tmp_path / "in/v.npy", array)
    save(tmp_path / "in/good.npy", np.zeros((4, 3)))
    code, store = imported(tmp_path, labels)
    said = capsys.readouterr().out
    assert code == 3 and "v.npy" in said and problem in said
    assert store.ids() == ["good"]


def test_another_width_is_refused(tmp_path, capsys):
    save(tmp_path / "in/a.npy", np.zeros((4, 3)))
    save(tmp_path / "in/b.npy", np.zeros((4, 5)))
    assert imported(tmp_path)[0] == 3 and "width 5 against 3" in capsys.readouterr().out


def test_what_cannot_be_found_out_is_an_error(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        find_features(tmp_path / "none")
    with pytest.raises(UserError, match="no feature file"):
        find_features(tmp_path)
    for number, rows in enumerate((4, 5)):
        save(tmp_path / f"v__{number}.npy", np.zeros((rows, 3)))
    (files,) = find_features(tmp_path).files
    with pytest.raises(UserError, match="make all crops alike"):
        read_video(files, Axes([]), None)
    (tmp_path / "v__1.npy").write_bytes(b"none")
    with pytest.raises(UserError, match=r"v__1\.npy: cannot be read"):
        read_video(files, Axes([]), None)
    save(tmp_path / "v__1.mat", np.zeros((4, 3)))
    with pytest.raises(UserError, match="same video"):
        find_features(tmp_path)


def test_labels_of_a_video_that_has_no_features(tmp_path, capsys):
    save(tmp_path / "in/v.npy", np.zeros((4, 3)))
    assert imported(tmp_path, "video,label\nv,0\nw,1\n")[0] == 0
    assert "names 1 of 2 videos that are not there: w" in capsys.readouterr().out
    assert imported(tmp_path, "video,label\nw,1\n")[0] == 1
    assert "names videos that are not there: w" in capsys.readouterr().err


def test_the_original_authors_features_of_ucf_crime(tmp_path, shared):
    (tmp_path / "in").mkdir()
    for path in (shared / "ucf-crime").glob("c3d-*.txt"):
        (tmp_path / "in" / path.name.removeprefix("c3d-")).symlink_to(path)
    labels = "video,label,frames\n" + "".join(
        f"{video},{label},3200\n"
        for video, label in (
            ("Explosion008_x264", 1),
            ("Normal_Videos_006_x264", 0),
            ("RoadAccidents002_x264", 1),
            ("Shooting008_x264", 1),
        )
    )
    code, store = imported(tmp_path, labels)
    assert code == 0 and len(store.ids()) == 4
    features = store.read("Explosion008_x264").features
    assert features.shape == (32, 1, 4096)
    np.testing.assert_allclose(np.linalg.norm(features, axis=-1), 1, rtol=1e-3)


@pytest.mark.slow
def test_segments_go_through_training_and_scoring(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["video,label,split,frames,start,end"]
    for number in range(4):
        for label in (0, 1):
            id, frames = f"{'na'[label]}{number}", 1600 + 16 * number
            (tmp_path / "features").mkdir(exist_ok=True)
            features = rng.random((32, 6), np.float32)
            features[8:16] += label
            np.save(tmp_path / f"features/{id}.npy", features)
            part = "train" if number < 2 else "test"
            rows.append(f"{id},{label},{part},{frames},{'401,800' if label else ','}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    work = ["--work", str(tmp_path / "work")]
    assert main(["import", str(tmp_path / "features"), "--labels", str(tmp_path / "labels.csv"), *work]) == 0
    assert main(["train", "--steps", "100", "--learning-rate", "1e-3", *work]) == 0
    assert main(["evaluate", *work]) == 0
    found = json.loads((tmp_path / "work/runs/latest/metrics.json").read_text())
    assert (found["videos"], found["frames"], found["positive_frames"]) == (4, 2 * (1632 + 1648), 800)
    assert found["auc"] > 0.95
