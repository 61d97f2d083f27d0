"""Image folders: numbers with gaps, deep pictures, pages, and pictures that lie on their side."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.timing import Clock, irregular, on_frames
from stavad.pipeline.cli import main
from tests import tiny
from tests.conftest import moving_square
from tests.test_decode import frames_of

EVENT = Video("v", None, 1, "test", ((121, 160),))


def write_pictures(folder, numbers, name="{:04d}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(moving_square(number, 48, 32)).save(folder / name.format(number))
    return folder


@pytest.mark.parametrize(
    ("numbers", "intervals"),
    [
        ([*range(1, 41), *range(101, 201)], ((61, 100),)),  # 41 to 100 are missing
        (range(1, 2000, 10), ((13, 16),)),  # every tenth
        (range(0, 2000, 10), ((13, 16),)),  # the same from 0: the picture called 0 is frame 1
        (range(1, 201), ((121, 160),)),
        (range(200), ((121, 160),)),  # from 0 without a gap: its first is frame 1
    ],
)
def test_an_interval_means_the_pictures_of_these_numbers(numbers, intervals):
    said = []
    found = on_frames(EVENT, Clock(0.0, None, irregular(list(numbers))), said.append)
    assert found.intervals == intervals
    assert len(said) == (irregular(list(numbers)) is not None)


def test_masks_stay_by_position():
    clock = Clock(0.0, None, irregular([*range(1, 41), *range(101, 241)]))
    assert on_frames(replace(EVENT, counts="pictures"), clock).intervals == EVENT.intervals


def test_a_series_that_starts_elsewhere_asks_what_is_meant():
    clock = Clock(0.0, None, irregular(list(range(100, 300))))
    with pytest.raises(UserError, match=r"numbered 100 to 299.*'numbers'.*'pictures'"):
        on_frames(EVENT, clock)
    assert on_frames(replace(EVENT, counts="numbers"), clock).intervals == ((22, 61),)
    assert on_frames(replace(EVENT, counts="pictures"), clock).intervals == ((121, 160),)


def test_an_interval_that_holds_no_picture_is_told():
    clock = Clock(0.0, None, irregular([*range(1, 21), *range(41, 61)]))
    with pytest.raises(UserError, match=r"interval 25 to 35 holds none.*'pictures'"):
        on_frames(replace(EVENT, intervals=((25, 35),)), clock)
    said: list[str] = []
    found = on_frames(replace(EVENT, intervals=((25, 35), (45, 50))), clock, said.append)
    assert found.intervals == ((25, 30),) and "no picture in its interval 25 to 35" in said[0]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("f_{:03d}_v2.png", [*range(1, 21), *range(41, 61)]),  # the counter is not the last number
        ("{:04d}_640x480.png", [*range(1, 21), *range(41, 61)]),
        ("202401011200{:08d}.png", None),  # times, not numbers of pictures
    ],
)
def test_the_number_that_counts(tmp_path, name, numbers):
    write_pictures(tmp_path / "v", [*range(1, 21), *range(41, 61)], name)
    clock = frames_of(tmp_path / "v")[1].clock
    assert (clock.numbers is None) if numbers is None else clock.numbers.tolist() == numbers


@pytest.mark.slow
def test_the_truth_of_a_series_with_a_gap(tmp_path, capsys):
    """From the folder through the three stages: pictures 1 to 60 without 21 to 40, the event in 45 to 50."""
    videos, rows = tmp_path / "videos", ["video,label,split,start,end"]
    for name, label, part in (("a", 1, "test"), ("b", 1, "train"), ("c", 0, "train"), ("d", 0, "test")):
        write_pictures(videos / name, [*range(1, 21), *range(41, 61)])
        rows.append(f"{name},{label},{part},{'45,50' if label else ','}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    common = ["--work", str(tmp_path / "work")]
    arguments = ["extract", "--videos", str(videos), "--labels", str(tmp_path / "labels.csv"), "--preset", tiny.NAME]
    assert main([*arguments, *common]) == 0
    assert main(["train", "--steps", "2", "--folds", "0", *common]) == 0 and main(["evaluate", *common]) == 0
    assert "the pictures of a are numbered 1 to 60, 40 of them" in capsys.readouterr().out
    rows = (tmp_path / "work/runs/latest/scores.csv").read_text().splitlines()
    names = rows[0].split(",")
    truth = [int(cells[names.index("frame")]) for row in rows[1:] if (cells := row.split(","))[0] == "a" and cells[names.index("truth")] == "1"]  # fmt: skip
    assert truth == list(range(25, 31))


@pytest.mark.parametrize(("kind", "high"), [(np.uint16, 4095), (np.float32, 0.25)])
def test_deep_pictures_are_scaled_by_the_range_of_the_folder(tmp_path, kind, high):
    """12 bits in 16, or floats: the lowest and highest value of all pictures are black and white, the same for each."""
    steps = np.linspace(0, 1, 48 * 32).reshape(32, 48)
    for number, share in enumerate((0.5, 1.0)):
        Image.fromarray((steps * share * high).astype(kind)).save(tmp_path / f"{number:03d}.tif")
    frames, _ = frames_of(tmp_path)
    assert frames.shape == (2, 32, 48, 3) and frames[1].min() == 0 and frames[1].max() == 255
    assert abs(int(frames[0].max()) - 128) <= 1


def test_the_pages_of_a_tiff_are_frames(tmp_path):
    for file in range(2):
        pages = [Image.fromarray(moving_square(4 * file + page, 48, 32)) for page in range(4)]
        pages[0].save(tmp_path / f"{file:02d}.tif", save_all=True, append_images=pages[1:])
    frames, _ = frames_of(tmp_path)
    assert len(frames) == 8 and all(np.array_equal(frame, moving_square(n, 48, 32)) for n, frame in enumerate(frames))


def test_pictures_are_turned_as_they_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for number in range(2):
        upright = Image.fromarray(moving_square(number, 48, 32))
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / f"{number:03d}.jpg", quality=95, exif=exif)
    frames, _ = frames_of(tmp_path)
    assert frames.shape[1:] == (32, 48, 3) and np.abs(frames[1].astype(int) - moving_square(1, 48, 32)).mean() < 10


def test_numbers_without_zeros_are_in_their_order(tmp_path):
    write_pictures(tmp_path / "v", range(1, 13), "frame{}.png")
    frames, _ = frames_of(tmp_path / "v")
    assert all(np.array_equal(frame, moving_square(n, 48, 32)) for n, frame in enumerate(frames, 1))
