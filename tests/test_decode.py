"""Decoders against what was encoded, and against each other."""

import concurrent.futures
import csv
import multiprocessing
import struct
import sys

import av
import numpy as np
import pytest
from PIL import Image

from stavad.extract import decode, reader
from stavad.extract.clips import Taken, to_clips
from stavad.extract.decode import Undecodable, open_video
from stavad.extract.reader import Begin, Clip, End, Failed, read_clips
from tests.conftest import moving_square, write_video

needs_decord = pytest.mark.skipif(decode.decord is None, reason="no decord on this platform")


def frames_of(path, decoder="auto"):
    source = open_video(path, decoder)
    return np.concatenate(list(source.frames)), source


@needs_decord
@pytest.mark.parametrize("size", [(96, 64), (98, 66), (176, 144)])
def test_decoders_give_the_same_pixels(tmp_path, size):
    path = write_video(tmp_path / "v.mp4", 37, size, options={"bf": "2"})
    one, other = frames_of(path, "decord")[0], frames_of(path, "av")[0]
    assert one.shape == (37, size[1], size[0], 3)
    assert np.array_equal(one, other)
    assert np.abs(one[20].astype(int) - moving_square(20, *size)).mean() < 12


@needs_decord
def test_auto_takes_decord_for_a_clean_file(tmp_path):
    assert frames_of(write_video(tmp_path / "v.mp4"))[1].decoder.startswith("decord")


@needs_decord
def test_auto_leaves_transport_streams_to_pyav(tmp_path):
    frames, source = frames_of(write_video(tmp_path / "v.ts", format="mpegts"))
    assert source.decoder.startswith("av") and "MPEG-TS" in source.decoder
    assert len(frames) == 40
    assert len({frame.tobytes() for frame in frames[:20]}) == 20


def test_truncated_file_gives_what_is_there(tmp_path):
    path = write_video(tmp_path / "v.mkv", 200, options={"preset": "ultrafast"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames, _ = frames_of(path)
    assert 50 < len(frames) < 200


def shows(frames, numbers):
    """Whether these are the encoded frames of these numbers, in this order: each is most like its own, and near it."""
    height, width = frames.shape[1:3]
    for frame, number in zip(frames, numbers, strict=True):
        away = [
            np.abs(frame.astype(int) - moving_square(n, width, height)).mean() for n in range(number - 3, number + 4)
        ]
        if np.argmin(away) != 3 or away[3] > 12:
            return False
    return True


def test_shows_sees_a_frame_that_is_repeated_lost_or_swapped():
    frames = np.stack([moving_square(number) for number in range(10)])
    assert shows(frames, range(10))
    for wrong in ([0, 1, 1, 3], [0, 1, 3, 4], [0, 2, 1, 3]):
        assert not shows(frames[wrong], range(4))


@pytest.mark.parametrize("decoder", ["auto", "av"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b-frames.mp4", {"options": {"bf": "3"}}),
        ("odd.mkv", {"size": (97, 65), "pixel": "yuv444p"}),
        ("10-bit.mp4", {"pixel": "yuv420p10le"}),
        ("interlaced.mp4", {"options": {"x264-params": "tff=1"}}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {"b": "4M"}}),
        ("single.mp4", {"frames": 1}),
        ("short.mp4", {"frames": 5}),
        ("irregular.mp4", {"stamps": [number + number**2 // 20 for number in range(40)]}),
    ],
)
def test_every_frame_once_and_in_order(tmp_path, decoder, name, options):
    frames, _ = frames_of(write_video(tmp_path / name, **options), decoder)
    assert shows(frames, range(options.get("frames", 40)))


def patch(path, box, offset, form, change):
    """Changes the numbers of the struct format `form` in an MP4 file, `offset` bytes into each box of that name."""
    content = bytearray(path.read_bytes())
    place = content.find(box)
    while place >= 0:
        numbers = struct.unpack_from(form, content, place + 4 + offset)
        struct.pack_into(form, content, place + 4 + offset, *change(numbers))
        place = content.find(box, place + 4)
    path.write_bytes(content)


@needs_decord
@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_decoders_turn_frames_as_the_file_says(tmp_path, matrix, turns):
    path = write_video(tmp_path / "v.mp4", 20)
    plain = frames_of(path, "av")[0]
    a, b, c, d = (65536 * x for x in matrix)
    patch(path, b"tkhd", 40, ">9i", lambda old: (a, b, 0, c, d, 0, 0, 0, 2**30))
    for decoder in ("av", "decord"):
        assert np.array_equal(frames_of(path, decoder)[0], np.rot90(plain, turns, (1, 2)))


def test_auto_leaves_edit_lists_to_pyav(tmp_path):
    path = write_video(tmp_path / "v.mp4", 40)
    with av.open(str(path)) as file:
        step = int(1 / file.streams.video[0].average_rate / file.streams.video[0].time_base)
    patch(path, b"elst", 12, ">i", lambda start: (start[0] + 10 * step,))
    frames, source = frames_of(path)
    assert source.decoder.startswith("av") and "edit list" in source.decoder
    assert shows(frames, range(10, 40))


def test_what_comes_after_corrupt_packets_is_decoded(tmp_path):
    path = write_video(tmp_path / "v.mp4", 120)
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(file.streams.video[0]) if packet.size]
        places = [(packet.pos, packet.size) for packet in packets[50:54]]
    content = bytearray(path.read_bytes())
    for start, size in places:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    frames, source = frames_of(path, "av")
    assert source.lost > 0 and 100 < len(frames) < 120
    assert shows(frames[:45], range(45)) and shows(frames[-45:], range(75, 120))


def test_auto_leaves_long_videos_to_pyav(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mp4")
    monkeypatch.setattr(sys.modules["stavad.extract.decode.survey"], "DECORD_HOLDS", 39 * 96 * 64 * 3)
    frames, source = frames_of(path)
    assert source.decoder.startswith("av") and "memory" in source.decoder
    assert shows(frames, range(40))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"This is no video." * 99, "not a video"), (b"\0" * 5000, "not a video")]
)
def test_not_a_video(tmp_path, content, reason):
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(Undecodable, match=reason):
        frames_of(path)


def test_audio_only(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(Undecodable, match="no video stream"):
        frames_of(path)


def test_image_folder(tmp_path):
    for number in range(20):
        Image.fromarray(moving_square(number)).save(tmp_path / f"{number:03d}.tif")
    frames, source = frames_of(tmp_path)
    assert np.array_equal(frames[7], moving_square(7)) and len(frames) == source.announced == 20
    Image.fromarray(moving_square(0)[:10]).save(tmp_path / "020.tif")
    with pytest.raises(Undecodable, match=r"020\.tif is 96x10"):
        frames_of(tmp_path)


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 40])
def test_clips_hold_every_frame_once(frames):
    video = np.arange(frames)[:, None, None, None] * np.ones((1, 2, 2, 3), int)
    clips = [(np.stack(clip), own) for clip, own in to_clips(np.array_split(video, [min(7, frames)]))]
    assert len(clips) == -(-frames // 16)
    assert all(len(clip) == 16 for clip, _ in clips)
    assert np.array_equal(np.concatenate([clip[:own] for clip, own in clips]), video)
    last, own = clips[-1]
    assert (last[own:] == frames - 1).all()


@pytest.mark.parametrize(("frames", "first"), [(5, 0), (16, 0), (20, 4), (40, 24)])
def test_the_last_clip_may_begin_earlier(frames, first):
    video = np.arange(frames)[:, None, None, None] * np.ones((1, 2, 2, 3), int)
    last, own = list(to_clips([video], "overlap"))[-1]
    assert own == (frames - 1) % 16 + 1
    assert [frame[0, 0, 0] for frame in last] == [min(number, frames - 1) for number in range(first, first + 16)]


def events_of(paths, time_limit=60.0, on_event=lambda event: None):
    events = []
    for event in read_clips(enumerate(paths), "auto", time_limit):
        on_event(event)
        events.append(event)
    return events


def test_turned_frames_come_through_the_reader(tmp_path):
    path = write_video(tmp_path / "phone.mp4", 20, size=(96, 64))
    patch(path, b"tkhd", 40, ">9i", lambda old: (0, 65536, 0, -65536, 0, 0, 0, 0, 2**30))
    for decoder in ("av", "auto"):
        clips = [event for event in read_clips([(0, path)], decoder, 60.0) if isinstance(event, Clip)]
        expected = [np.stack(clip) for clip, _ in to_clips(open_video(path, decoder).frames)]
        assert clips[0].frames.shape == (16, 96, 64, 3)
        assert all(np.array_equal(found.frames, clip) for found, clip in zip(clips, expected, strict=True))


def test_reader_goes_on_after_a_bad_file(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing" * 100)
    good = write_video(tmp_path / "good.mp4", 20)
    events = events_of([good, bad, good])
    assert [type(e) for e in events] == [Begin, Clip, Clip, End, Failed, Begin, Clip, Clip, End]
    assert [e.index for e in events] == [0] * 4 + [1] + [2] * 4


def test_where_decord_stops_pyav_starts_over(tmp_path):
    path = write_video(tmp_path / "v.mp4", 120)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(content)
    events = events_of([path])
    last = max(place for place, event in enumerate(events) if isinstance(event, Begin))
    assert events[last].decoder.startswith("av")
    assert isinstance(events[-1], End) and events[-1].lost > 0
    assert 60 <= sum(event.own for event in events[last:] if isinstance(event, Clip)) < 120


class TooMuch(Taken):
    """Of the first clip."""

    def numbers(self, clip):
        raise MemoryError


class Unsent(reader._Teller):
    """All but the end."""

    def __call__(self, event):
        self._next(self.fail if isinstance(event, End) else self.pipe.send, event)

    def fail(self, event):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("taken", "teller", "decoder_fails", "reason"),
    [
        (TooMuch(), reader._Teller, False, "there is not enough memory to decode it"),
        (TooMuch(), reader._Teller, True, "there is not enough memory to decode it"),
        (Taken(()), Unsent, False, "it cannot be decoded (ValueError: no)"),
    ],
)
def test_what_goes_wrong_as_something_is_handed_over_is_told(
    tmp_path, monkeypatch, taken, teller, decoder_fails, reason
):
    ours, theirs = multiprocessing.Pipe()
    path, tell = write_video(tmp_path / "v.mp4", 40), teller(theirs)
    if decoder_fails:

        def stops_after_a_clip(frames, tail):
            yield next(to_clips(frames, tail))
            concurrent.futures.wait([tell.last])
            raise MemoryError

        monkeypatch.setattr(reader, "to_clips", stops_after_a_clip)
    reader._decode_or_say_why(tell, 7, path, reader._How("av", "repeat", taken))
    concurrent.futures.wait([tell.last])
    told = []
    while ours.poll():
        told.append(ours.recv())
    assert isinstance(told[0], Begin)
    assert (told[-1].index, told[-1].reason) == (7, reason)


@pytest.mark.slow
def test_a_crash_costs_one_video(tmp_path):
    long, short = write_video(tmp_path / "long.mp4", 800), write_video(tmp_path / "short.mp4", 20)

    def kill(event):
        if isinstance(event, Clip) and event.index == 0:
            for process in multiprocessing.active_children():
                process.kill()

    events = events_of([long, short], on_event=kill)
    assert [e.reason for e in events if isinstance(e, Failed)] == ["the decoder crashed (exit code -9)"]
    assert [e.index for e in events if isinstance(e, End)] == [1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_hang_costs_one_video(tmp_path):
    import os

    folder = tmp_path / "hanging"  # reading an image from a pipe that nobody writes to blocks for good
    folder.mkdir()
    for name in ("001.jpg", "002.jpg"):
        os.mkfifo(folder / name)
    short = write_video(tmp_path / "short.mp4", 20)
    events = events_of([folder, short], time_limit=3.0)
    assert [e.reason for e in events if isinstance(e, Failed)] == ["the decoder hung for 3 s"]
    assert [e.index for e in events if isinstance(e, End)] == [1]


def test_ped2_frame_counts(shared):
    with open(shared / "ucsd-ped2/annotations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[::7]:
        frames, _ = frames_of(shared / "ucsd-ped2/videos" / f"{row['video']}.mp4")
        assert frames.shape == (int(row["frames"]), 240, 360, 3)
