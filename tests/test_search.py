"""What lies in a folder of recordings besides recordings, and what cannot be looked at."""

import os

import pytest

from stavad.data.search import pictures_of, search
from stavad.pipeline.cli import main
from tests.conftest import write_video
from tests.test_catalogue import touch


def ids(root, **given):
    return [video.id for video in search(root, **given).videos]


@pytest.mark.parametrize(
    "rubbish",
    ["@eaDir/a.mp4/SYNOVIDEO_FILM_H.mp4", ".Trash-1000/files/b.mp4", "$RECYCLE.BIN/S-1-5/c.mp4", "__MACOSX/._a.mp4", "#recycle/d.mp4",
     "lost+found/e.avi", ".hidden/f.mp4", "._a.mp4", "System Volume Information/g.mp4", "Thumbnails/h.mp4"],
)  # fmt: skip
def test_what_systems_keep_for_themselves_is_no_video(tmp_path, rubbish):
    touch(tmp_path, "a.mp4", rubbish)
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["a"] and not found.left_out


def test_a_work_folder_inside_is_not_looked_into(tmp_path):
    touch(tmp_path, "normal/a.mp4", "work/catalogue.csv", "work/runs/1/settings.json", "work/runs/1/videos.csv")
    touch(tmp_path, *(f"work/runs/1/curves/{n}.png" for n in range(3)))
    (tmp_path / "work/features").mkdir()
    assert ids(tmp_path) == ["normal/a"]
    touch(tmp_path, "mine/cut/1.mp4")
    assert ids(tmp_path, besides=tmp_path / "mine") == ["normal/a"]


@pytest.mark.parametrize("suffix", [".264", ".H265", ".DAV", ".asf", ".vob", ".mxf", ".m2v", ".y4m"])
def test_recorders_suffixes(tmp_path, suffix):
    touch(tmp_path, f"a{suffix}")
    assert ids(tmp_path) == ["a"]


def test_what_is_skipped_by_its_suffix_is_counted(tmp_path):
    touch(tmp_path, "a.mp4", "b.xyz", "c.xyz", "labels.csv")
    assert search(tmp_path).notes() == ["note: 2 files .xyz skipped, not known as videos"]


def test_pictures_that_are_no_video(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "covers/a.jpg", "covers/b.jpg")  # a thumbnail of each
    touch(tmp_path, "series/001.jpg", "series/002.jpg", "series/folder.jpg", "series/._001.jpg")
    touch(tmp_path, "rear/front_0001.jpg", "rear/front_0002.jpg", "rear/rear_0001.jpg", "rear/rear_0002.jpg")
    touch(tmp_path, "cams/cam1_0001.jpg", "cams/cam1_0002.jpg", "cams/cam2_0001.jpg", "cams/cam2_0002.jpg")
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["a", "b", "series"]
    assert {name: "2 series" in why for name, why in found.left_out.items()} == {"rear": True, "cams": True}


def test_a_link_to_a_folder_of_videos_takes_none_of_them_away(tmp_path):
    touch(tmp_path, "normal/2023/a.mp4", "fight/b.mp4", "elsewhere/c.mp4")
    (tmp_path / "videos").mkdir()
    for name in ("normal", "fight"):
        (tmp_path / name).rename(tmp_path / "videos" / name)
    (tmp_path / "videos/archive").symlink_to(tmp_path / "videos/normal/2023")
    (tmp_path / "videos/all").symlink_to(tmp_path / "videos/fight")
    (tmp_path / "videos/more").symlink_to(tmp_path / "elsewhere")
    assert ids(tmp_path / "videos") == ["fight/b", "more/c", "normal/2023/a"]


@pytest.mark.parametrize("name", ["Test001_gt", "masks", "gt", "ground_truth/a", "GroundTruth"])
def test_masks_are_no_video(tmp_path, name):
    touch(tmp_path, *(f"{folder}/{n:03d}.png" for folder in ("a", name) for n in range(3)))
    assert ids(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["man_in_mask", "no_mask/v1", "unmasked"])
def test_names_that_only_hold_the_word(tmp_path, name):
    touch(tmp_path, *(f"{name}/{n:03d}.png" for n in range(3)))
    assert ids(tmp_path) == [name]


def test_pictures_beside_a_video_are_told(tmp_path):
    touch(tmp_path, "v/overview.mp4", *(f"v/{n:04d}.jpg" for n in range(5)))
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["v/overview"]
    assert found.notes() == ["note: pictures beside videos are not taken, in v"]


@pytest.mark.parametrize(
    "form",
    [
        "cam_{}_{:04d}.jpg",
        "cam{}_{:02d}.jpg",
        "192.168.1.{}_{:04d}.jpg",
        "{}-{:03d}.jpg",
        "view{}frame{}.jpg",
        "cam{:02d}_01_{:04d}.jpg",
    ],
)
def test_several_cameras_in_a_folder_are_told_apart(tmp_path, form):
    touch(tmp_path, *(f"v/{form.format(camera, n + 3 * camera)}" for camera in (1, 2) for n in range(10)))
    found = search(tmp_path)
    assert not found.videos and "it holds pictures of 2 series" in found.left_out["v"]


@pytest.mark.parametrize(
    "names",
    [
        [f"2024-01-01T12-00-{s:02d}.{ms:03d}.jpg" for s in range(3) for ms in range(0, 1000, 200)],
        [f"20240101_1200{s:02d}_{n}.jpg" for s in range(3) for n in range(5)],
        [f"{n:04d}_640x480.jpg" for n in range(9)],
        [f"frame_{n}_of_20.jpg" for n in range(9)],
        [f"scene7_{n}.jpg" for n in range(12)],
        [f"frame_{n / 25:.2f}.jpg" for n in range(99)],
        [f"frame_{second:05d}_{n}.jpg" for second in range(4) for n in range(9)],
    ],
)
def test_times_and_sizes_in_names_are_no_cameras(tmp_path, names):
    touch(tmp_path, *(f"v/{name}" for name in names))
    (found,) = search(tmp_path).videos
    assert [path.name for path in pictures_of(found.path)] == names


def test_links_that_lead_nowhere_are_named_and_the_exit_code_says_so(tmp_path, capsys):
    write_video(tmp_path / "videos/normal/a.mp4", 16)
    write_video(tmp_path / "videos/fight/b.mp4", 16)
    for name in ("c.mp4", "d.mp4"):
        (tmp_path / "videos/fight" / name).symlink_to(tmp_path / "disk that is not mounted" / name)
    (tmp_path / "videos/loop").symlink_to(tmp_path / "videos/loop")
    (tmp_path / "videos/again").symlink_to(tmp_path / "videos")  # nothing is found twice
    arguments = [
        "extract",
        "--videos",
        str(tmp_path / "videos"),
        "--preset",
        "motion",
        "--work",
        str(tmp_path / "work"),
    ]
    assert main(arguments) == 3
    said = capsys.readouterr()
    assert all(f"fight/{name}" in said.out + said.err for name in ("c.mp4", "d.mp4")) and "loop" in said.out + said.err
    assert ids(tmp_path / "videos") == ["fight/b", "normal/a"]


@pytest.mark.parametrize(
    ("denied", "error"),
    [("closed", PermissionError(13, "Permission denied")), ("gone", OSError(5, "Input/output error"))],
)
def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch, denied, error):
    touch(tmp_path, "a.mp4", f"{denied}/b.mp4")
    scandir = os.scandir

    def refusing(folder):
        if str(folder).endswith(denied):
            raise error
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["a"]
    assert found.left_out == {denied: f"the folder cannot be listed ({error.strerror})"}


@pytest.mark.parametrize("name", ["cam\n1.mp4", "cam\x1b1.mp4"])
def test_a_name_that_no_line_can_hold_ends_nothing(tmp_path, name):
    touch(tmp_path, "a.mp4", name)
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["a"] and "rename it" in next(iter(found.left_out.values()))


def test_a_name_that_is_no_utf8_ends_nothing(tmp_path):
    touch(tmp_path, "a.mp4")
    try:
        with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb") as file:
            file.write(b"x")
    except OSError as error:
        pytest.skip(f"this file system takes no such name ({error.strerror})")
    found = search(tmp_path)
    assert [video.id for video in found.videos] == ["a"] and list(found.left_out) == [r"'caf\udce9'"]
