"""Features as the field distributes them: names, crops, streams, archives, strides, axes; what was taken for what is said."""

import h5py
import numpy as np
import pytest
import scipy.io

from stavad.data.arrays import stride_of
from stavad.data.store import Store
from stavad.pipeline.cli import main
from tests.test_imports import save

RNG = np.random.default_rng(0)
NAMES = ("Abuse001_x264", "Abuse002_x264", "Normal_Videos001_x264", "Normal_Videos002_x264")


def imported(tmp_path, capsys, *more, labels="") -> tuple[int, dict[str, np.ndarray], str]:
    """Exit code, what is in the store, and what was said."""
    arguments = ["import", str(tmp_path / "in"), "--work", str(tmp_path / "work"), *map(str, more)]
    if labels:
        (tmp_path / "labels.csv").write_text(labels)
        arguments += ["--labels", str(tmp_path / "labels.csv")]
    code = main(arguments)
    store = Store(tmp_path / "work/features/imported")
    said = capsys.readouterr()
    return code, {id: store.read(id).features for id in store.ids()}, said.out + said.err


def test_the_centre_crop_without_a_number(tmp_path, capsys):
    crops = RNG.random((2, 10, 6, 64), np.float32)
    for name, of_video in zip(NAMES, crops):
        save(tmp_path / f"in/{name}.npy", of_video[0])
        for number in range(1, 10):
            save(tmp_path / f"in/{name}__{number}.npy", of_video[number])
    code, stored, said = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == set(NAMES[:2]) and "10 crops" in said
    assert np.array_equal(stored[NAMES[1]], crops[1].swapaxes(0, 1))


@pytest.mark.parametrize(
    "form", ["{}__{}.npy", "{}_crop{}.npy", "crop{1}/{0}.npy", "test/crop_{1}/{0}.npy", "{}_{}.npy"]
)
def test_crops_by_other_names(tmp_path, capsys, form):
    crops = [RNG.random((5, 6 + place, 64), np.float32) for place in range(len(NAMES))]
    for name, of_video in zip(NAMES, crops):
        for number, array in enumerate(of_video):
            save(tmp_path / "in" / form.format(name, number), array)
    code, stored, said = imported(tmp_path, capsys)
    assert code == 0 and "5 crops" in said
    for name, of_video in zip(NAMES, crops):
        id = f"test/{name}" if form.startswith("test") else name
        assert np.array_equal(stored[id], of_video.swapaxes(0, 1))


@pytest.mark.parametrize("first", [0, 1])
def test_a_missing_crop_and_a_stray_file_change_nothing_for_the_others(tmp_path, capsys, first):
    for place, name in enumerate(NAMES):
        for number in range(first, first + 10):
            save(tmp_path / f"in/{name}_{number}.npy", RNG.random((6 + place, 64)))
    (tmp_path / f"in/{NAMES[2]}_7.npy").unlink()
    save(tmp_path / "in/extra.npy", RNG.random((9, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and set(stored) == set(NAMES) - {NAMES[2]} and f"{NAMES[2]}__7" in said
    assert all(array.shape[1] == 10 for array in stored.values())


def test_numbered_videos_are_no_crops(tmp_path, capsys):
    """Ten of each class: their lengths differ, as those of crops do not."""
    for kind in ("normal", "fight"):
        for number in range(10):
            save(tmp_path / f"in/{kind}_{number}.npy", RNG.random((5 + number, 64)))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and len(stored) == 20


def test_videos_whose_names_hold_a_stream_s(tmp_path, capsys):
    for name in ("traffic_flow", "led_rgb", "yard", "gate", "door", "hall"):
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and len(stored) == 6
    for number in range(4):
        save(tmp_path / f"flow/traffic_flow_{number}.npy", RNG.random((6 + number, 64)))
    (tmp_path / "in").rename(tmp_path / "before")
    (tmp_path / "flow").rename(tmp_path / "in")
    labels = "video,label\n" + "".join(f"traffic_flow_{n},{n % 2}\n" for n in range(4))
    code, stored, said = imported(tmp_path, capsys, "--preset", "again", labels=labels)
    assert code == 0 and "2 normal, 2 abnormal" in said


def test_what_is_not_taken_for_features_is_named_and_labels_may_name_it(tmp_path, capsys):
    names = ("gt_cam1", "list_store1", "bus_gt", "cam_30_fps", "yard")
    for name in names:
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == {"yard"} and "not taken for features: bus_gt.npy" in said
    code, _, said = imported(tmp_path, capsys, labels="video,label\n" + "".join(f"{name},1\n" for name in names))
    assert code == 0 and "5 abnormal" in said


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("keys", [("rgb", "flow"), ("features", "boxes"), ("features", "logits"), ("feat", "scores")])
def test_several_arrays_of_one_video(tmp_path, capsys, suffix, keys):
    (tmp_path / "in").mkdir()
    widths = {"boxes": 4, "logits": 400, "scores": 1}
    for name in NAMES:
        arrays = {key: RNG.random((6, widths.get(key, 64)), np.float32) for key in keys}
        if suffix == ".npz":
            np.savez(tmp_path / f"in/{name}.npz", **arrays)
        else:
            with h5py.File(tmp_path / f"in/{name}.h5", "w") as file:
                for key, array in arrays.items():
                    file[key] = array
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == set(NAMES)
    assert {array.shape for array in stored.values()} == {(6, 1, 128 if "flow" in keys else 64)}


@pytest.mark.parametrize("below", [("rgb", "flow"), tuple("01234"), ("features", "fps")])
def test_groups_of_a_data_sets_file(tmp_path, capsys, below):
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/set.h5", "w") as file:
        for name in NAMES:
            for part in below:
                file[f"{name}.mp4/{part}" if part == "features" else f"{name}/{part}"] = (
                    RNG.random((6, 64)) if part != "fps" else 25.0
                )
    code, _, said = imported(tmp_path, capsys, labels="video,label\n" + "".join(f"{name},1\n" for name in NAMES))
    assert code == 0 and "4 abnormal" in said


def test_a_matlab_file_of_one_video_with_numbers_beside(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    array = RNG.random((20, 64))
    scipy.io.savemat(tmp_path / "in/v.mat", {"features": array, "fps": 25.0, "frames": 320.0})
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and np.allclose(stored["v"][:, 0], array)


@pytest.mark.parametrize("beside", [("labels", 1), ("boxes", 4)])
def test_groups_with_other_arrays_beside_the_features(tmp_path, capsys, beside):
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/set.h5", "w") as file:
        for name in ("_oSx", *NAMES):
            file[f"{name}/features"], file[f"{name}/{beside[0]}"] = RNG.random((6, 64)), RNG.random((6, beside[1]))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and {id.rpartition("/")[2] for id in stored} == {"_oSx", *NAMES}


def test_numbered_videos_of_a_group_are_no_crops(tmp_path, capsys):
    """Avenue: training/01 to 16, testing/01 to 21."""
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/avenue.h5", "w") as file:
        for part, number in (("training", 16), ("testing", 21)):
            for video in range(1, number + 1):
                file[f"{part}/{video:02d}"] = RNG.random((6, 64))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and len(stored) == 37


def test_a_data_set_in_one_matlab_file(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    scipy.io.savemat(tmp_path / "in/set.mat", {f"v{n}": RNG.random((20, 64)) for n in range(5)})
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and {id.rpartition("/")[2] for id in stored} == {f"v{n}" for n in range(5)}


def test_most_files_say_that_rows_are_segments(tmp_path, capsys):
    for number in range(6):
        save(tmp_path / f"in/v{number}.npy", RNG.random((32, 64)))
    save(tmp_path / "in/mean.npy", RNG.random((1, 128)))
    save(tmp_path / "in/short.npy", RNG.random((31, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and set(stored) == {f"v{n}" for n in range(6)} and "short.npy" in said and "mean.npy" in said
    assert Store(tmp_path / "work/features/imported").read("v0").frames == 0


def test_a_stride_that_is_given_goes_before_segments(tmp_path, capsys):
    for number, rows in enumerate((32, 32, 32, 30, 40)):
        save(tmp_path / f"in/v{number}.npy", RNG.random((rows, 64)))
    code, stored, _ = imported(tmp_path, capsys, "--stride", "8")
    assert code == 0 and len(stored) == 5
    assert Store(tmp_path / "work/features/imported").read("v4").frames == 320


def test_a_broken_file_does_not_hide_the_stride(tmp_path, capsys):
    labels = "video,label,frames\n"
    for number in range(5):
        save(tmp_path / f"in/v{number}.npy", RNG.random((100, 64)))
        labels += f"v{number},{number % 2},800\n"
    save(tmp_path / "in/mean.npy", RNG.random(64))
    code, stored, said = imported(tmp_path, capsys, labels=labels)
    assert code == 3 and len(stored) == 5 and "a row is taken for 8 frames" in said


def test_the_width_that_all_files_share_goes_before_a_length_that_fits_by_chance(tmp_path, capsys):
    """16,384 frames in rows of 64 are 256 rows of 1,024 numbers; 1,024 would be clips of 16 frames."""
    labels = "video,label,frames\n"
    for number, rows in enumerate((256, 128, 300, 77, 90, 31)):
        save(tmp_path / f"in/v{number}.npy", RNG.random((rows, 1024)))
        labels += f"v{number},{number % 2},{64 * rows}\n"
    code, stored, said = imported(tmp_path, capsys, labels=labels)
    assert code == 0 and {array.shape[2] for array in stored.values()} == {1024} and "for 64 frames" in said


@pytest.mark.parametrize("how", [{"header": "features of fc6"}, {"delimiter": ";"}, {"delimiter": ","}])
def test_text_as_numpy_writes_it(tmp_path, capsys, how):
    array = RNG.random((6, 64))
    (tmp_path / "in").mkdir()
    np.savetxt(tmp_path / "in/v.txt", array, **how)
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and np.allclose(stored["v"][:, 0], array)


def test_axes_of_length_one_that_networks_leave(tmp_path, capsys):
    array = RNG.random((6, 64), np.float32)
    save(tmp_path / "in/v.npy", array[:, :, None, None, None])
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and np.array_equal(stored["v"][:, 0], array)


def test_pickled_objects_are_refused_with_their_reason(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in/all.npy", {"v": RNG.random((6, 64))}, allow_pickle=True)
    code, _, said = imported(tmp_path, capsys)
    assert code == 1 and "Python objects" in said and "save its arrays" in said


def test_one_crop_alone(tmp_path, capsys):
    for name in NAMES:
        save(tmp_path / f"in/{name}__5.npy", RNG.random((6, 64)))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and {key: array.shape for key, array in stored.items()} == dict.fromkeys(NAMES, (6, 1, 64))


@pytest.mark.parametrize("ending", ["_i3d", "_c3d", "_x3d", "_clip", "_features"])
def test_what_all_names_end_in_is_taken_off(tmp_path, capsys, ending):
    for name in NAMES:
        save(tmp_path / f"in/{name}{ending}.npy", RNG.random((6, 10, 64)))
    code, stored, said = imported(tmp_path, capsys, labels="video,label\n" + "".join(f"{n}.mp4,1\n" for n in NAMES))
    assert code == 0 and set(stored) == set(NAMES) and ending in said and "4 abnormal" in said


@pytest.mark.parametrize(
    "form", ["RGB/{}.npy Flow/{}.npy", "rgb/{}.npy flow/{}.npy", "{}_rgb.npy {}_flow.npy", "{}-rgb.npy {}-flow.npy"]
)
def test_two_streams_are_one_video(tmp_path, capsys, form):
    arrays = {name: RNG.random((2, 6, 64), np.float32) for name in NAMES}
    for name, (rgb, flow) in arrays.items():
        for file, array in zip(form.format(name, name).split(), (rgb, flow)):
            save(tmp_path / "in" / file, array)
    code, stored, said = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == set(NAMES) and "--stream" in said
    assert all(np.array_equal(stored[name][:, 0], np.concatenate(both, 1)) for name, both in arrays.items())


@pytest.mark.parametrize("form", ["RGB/{}.npy Flow/{}.npy", "crop0/{}.npy crop1/{}.npy"])
def test_labels_of_the_videos_leave_folders_of_streams_and_crops_what_they_are(tmp_path, capsys, form):
    for place, name in enumerate(NAMES):
        for file in form.format(name, name).split():
            save(tmp_path / "in" / file, RNG.random((6 + place, 64)))
            (tmp_path / "in" / file).with_suffix(".json").write_text(
                "{}"
            )  # what lies beside is no features, whatever it is called
    code, _, said = imported(
        tmp_path, capsys, labels="video,label\n" + "".join(f"{n},{int('Abuse' in n)}\n" for n in NAMES)
    )
    assert code == 0 and "2 normal, 2 abnormal" in said
    shape = Store(tmp_path / "work/features/imported").read(NAMES[0]).features.shape
    assert shape == ((6, 1, 128) if "RGB" in form else (6, 2, 64))


def test_some_videos_without_flow(tmp_path, capsys):
    for number in range(10):
        for stream in ("RGB", "Flow")[: 2 if number < 4 else 1]:
            save(tmp_path / f"in/{stream}/v{number}.npy", RNG.random((6, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and len(stored) == 4 and "v9: has no features of flow" in said
    code, stored, _ = imported(tmp_path, capsys, "--stream", "rgb", "--preset", "rgb")
    assert code == 0 and len(Store(tmp_path / "work/features/rgb").ids()) == 10


def test_one_of_two_streams(tmp_path, capsys):
    arrays = {name: RNG.random((2, 6, 64), np.float32) for name in NAMES}
    for name, both in arrays.items():
        for stream, array in zip(("RGB", "Flow"), both):
            save(tmp_path / f"in/{stream}/{name}.npy", array)
    code, stored, _ = imported(tmp_path, capsys, "--stream", "flow")
    assert code == 0 and all(np.array_equal(stored[name][:, 0], both[1]) for name, both in arrays.items())


def test_a_video_without_one_of_its_streams_is_named(tmp_path, capsys):
    for name in NAMES:
        save(tmp_path / f"in/RGB/{name}.npy", RNG.random((6, 64)))
    for name in NAMES[1:]:
        save(tmp_path / f"in/Flow/{name}.npy", RNG.random((6, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and set(stored) == set(NAMES[1:]) and f"{NAMES[0]}: has no features of flow" in said


@pytest.mark.parametrize("form", ["/media/disk/UCF/{}.npy", "G:\\UCF_ten_crop\\{}.npy", "./features/{}.npy", "{}.npy"])
def test_lists_that_name_feature_files(tmp_path, capsys, form):
    for name in NAMES:
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
    rows = "".join(f"{form.format(name)},{int('Abuse' in name)}\n" for name in NAMES)
    code, _, said = imported(tmp_path, capsys, labels="video,label\n" + rows)
    assert code == 0 and "2 normal, 2 abnormal" in said


def test_labels_decide_what_is_a_crop(tmp_path, capsys):
    for number in range(3):
        save(tmp_path / f"in/lobby__{number}.npy", RNG.random((6, 64)))
    code, stored, _ = imported(tmp_path, capsys, labels="video,label\nlobby__0,0\nlobby__1,1\nlobby__2,0\n")
    assert code == 0 and set(stored) == {"lobby__0", "lobby__1", "lobby__2"}
    code, _, said = imported(tmp_path, capsys, "--preset", "again")
    assert code == 0 and "3 crops of a video; if they are videos, name them in --labels" in said


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_a_data_set_in_one_file(tmp_path, capsys, suffix):
    arrays = {f"01_{number:04d}": RNG.random((20, 64), np.float32) for number in range(6)}
    path = tmp_path / f"in/set{suffix}"
    path.parent.mkdir()
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    code, stored, said = imported(tmp_path, capsys)
    assert code == 0 and {id.rpartition("/")[2] for id in stored} == set(arrays) and "6 arrays" in said


def test_a_group_for_each_video(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/set.h5", "w") as file:
        for name in NAMES:
            file[f"{name}/features"], file[f"{name}/fps"] = RNG.random((6, 64)), 25.0
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and {id.rpartition("/")[2] for id in stored} == set(NAMES)


def test_what_an_extractor_writes_beside_features(tmp_path, capsys):
    for name in NAMES:
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
        save(tmp_path / f"in/{name}_fps.npy", np.array(25.0))
        save(tmp_path / f"in/{name}_timestamps_ms.npy", np.arange(6) * 640.0)
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == set(NAMES)
    assert Store(tmp_path / "work/features/imported").attributes(NAMES[0])["fps"] == 25.0


def test_truth_and_lists_beside_features_are_none(tmp_path, capsys):
    for name in NAMES:
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
    save(tmp_path / "in/gt-ucf.npy", np.zeros(5000))
    save(tmp_path / "in/list.npy", np.zeros(5))
    (tmp_path / "in/Temporal_Anomaly_Annotation.txt").write_text("Abuse028_x264.mp4  Abuse  165  240  -1  -1\n")
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and set(stored) == set(NAMES)


@pytest.mark.parametrize("stride", [8, 12, 16, 32, 64])
def test_the_stride_is_found_and_the_truth_lies_on_its_rows(tmp_path, capsys, stride):
    """An event in frames 801 to 1000 of 1,600, whose rows stand out: scores that find them have an AUC of 1 within the video."""
    rows, arrays = 1600 // stride, {}
    for number in range(4):
        for label in (0, 1):
            array = RNG.random((rows, 64), np.float32)
            array[800 // stride : -(-1000 // stride)] += 3 * label
            save(tmp_path / f"in/{'na'[label]}{number}.npy", array)
            arrays[f"{'na'[label]}{number}"] = array
    text = "".join(f"{id},{int(id[0] == 'a')},{'test' if id[1] > '1' else 'train'},1600,{'801,1000' if id[0] == 'a' else ','}\n" for id in arrays)  # fmt: skip
    code, _, said = imported(tmp_path, capsys, labels="video,label,split,frames,start,end\n" + text)
    assert code == 0 and f"a row is taken for {stride} frames" in said
    stored = Store(tmp_path / "work/features/imported").read("a2")
    found = stored.features[stored.cover, 0].mean(1) > 1.5
    assert stored.frames == 1600 and np.flatnonzero(found).tolist()[:1] == [800 // stride * stride]
    assert found.sum() == (-(-1000 // stride) - 800 // stride) * stride


def test_without_lengths_the_stride_is_said_and_can_be_given(tmp_path, capsys):
    save(tmp_path / "in/v.npy", RNG.random((200, 64)))
    code, _, said = imported(tmp_path, capsys)
    assert code == 0 and "a row is taken for 16 frames; --stride" in said
    imported(tmp_path, capsys, "--stride", "8", "--preset", "eight")
    assert Store(tmp_path / "work/features/eight").read("v").frames == 1600


def test_one_wrong_length_does_not_decide_the_stride():
    assert stride_of([(200, 1600), (100, 800), (50, 800), (25, None)]) == 8
    assert stride_of([(7, 1000)]) == 16  # none fits: told when the file is read
    assert stride_of([], 8) == 8


def test_a_stray_file_is_left_out_and_not_the_rest(tmp_path, capsys):
    save(tmp_path / "in/Aaa_first.npy", RNG.random((6, 16)))
    for name in NAMES:
        save(tmp_path / f"in/{name}.npy", RNG.random((6, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and set(stored) == set(NAMES) and "Aaa_first" in said


@pytest.mark.parametrize("order", ["TKC", "KTC"])
def test_axes_are_found_from_all_files_together(tmp_path, capsys, order):
    arrays = {name: RNG.random((5 + 3 * place, 10, 64), np.float32) for place, name in enumerate(NAMES)}
    for name, array in arrays.items():
        save(tmp_path / f"in/{name}.npy", array if order == "TKC" else array.swapaxes(0, 1))
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and all(np.array_equal(stored[name], array) for name, array in arrays.items())


def test_axes_that_cannot_be_told_apart_are_asked_for(tmp_path, capsys):
    array = RNG.random((5, 10, 64), np.float32)
    save(tmp_path / "in/v.npy", array)
    code, stored, said = imported(tmp_path, capsys)
    assert code == 1 and not stored and "--axes" in said
    code, stored, _ = imported(tmp_path, capsys, "--axes", "KTC")
    assert code == 0 and np.array_equal(stored["v"], array.swapaxes(0, 1))


def test_one_row_keeps_its_axis(tmp_path, capsys):
    for rows in (1, 5, 9):
        save(tmp_path / f"in/v{rows}.npy", RNG.random((10, 64, rows), np.float32))
    code, stored, _ = imported(tmp_path, capsys, "--axes", "KCT")
    assert code == 0 and {id: array.shape for id, array in stored.items()} == {f"v{n}": (n, 10, 64) for n in (1, 5, 9)}


def test_segments_by_columns(tmp_path, capsys):
    arrays = {name: RNG.random((32, 4096), np.float32) for name in NAMES}
    for name, array in arrays.items():
        save(tmp_path / f"in/{name}.npy", array.T)
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and all(np.array_equal(stored[name][:, 0], array) for name, array in arrays.items())


def test_matlab_seven_three_is_transposed(tmp_path, capsys):
    array = RNG.random((7, 64), np.float32)
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/v.mat", "w", userblock_size=512) as file:
        file["features"] = array.T
    code, stored, _ = imported(tmp_path, capsys)
    assert code == 0 and np.array_equal(stored["v"][:, 0], array)


def test_numbers_too_large_for_float32(tmp_path, capsys):
    save(tmp_path / "in/big.npy", np.full((6, 64), 1e300))
    save(tmp_path / "in/fine.npy", RNG.random((6, 64)))
    code, stored, said = imported(tmp_path, capsys)
    assert code == 3 and set(stored) == {"fine"} and "too large for float32" in said
