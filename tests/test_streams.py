"""Files that hold more, less, or other pictures than they seem to: which stream, frames that are missing, deep pixels, times."""

import av
import numpy as np
import pytest

from stavad.data.catalogue import Video
from stavad.data.timing import on_frames, running_on
from stavad.extract import decode
from tests.conftest import moving_square, write_video
from tests.test_decode import frames_of, shows

needs_decord = pytest.mark.skipif(decode.decord is None, reason="no decord on this platform")


def write_streams(path, *streams):
    """A file of several streams: of each (width, height), frames and codec."""
    with av.open(str(path), "w") as file:
        made = []
        for size, frames, codec in streams:
            stream = file.add_stream(codec, rate=10)
            stream.width, stream.height = size
            stream.bit_rate = 2_000_000
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            made.append((stream, size, frames))
        for number in range(max(frames for _, frames, _ in streams)):
            for stream, size, frames in made:
                if number < frames:
                    frame = av.VideoFrame.from_ndarray(moving_square(number, *size), format="rgb24")
                    file.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        for stream, _, _ in made:
            file.mux(stream.encode())
    return path


@pytest.mark.parametrize("decoder", ["auto", "av"])
@pytest.mark.parametrize(
    ("suffix", "streams"),
    [
        (
            ".mp4",
            [((96, 64), 20, "libx264"), ((192, 128), 40, "libx264")],
        ),  # a recorder's sub stream before its main one
        (".mkv", [((192, 128), 40, "libx264"), ((96, 64), 40, "libx264")]),
        (".avi", [((96, 64), 20, "mpeg4"), ((192, 128), 40, "mpeg4")]),
        (".mp4", [((384, 256), 1, "mjpeg"), ((192, 128), 40, "libx264")]),  # a preview, larger than the video
    ],
)
def test_the_largest_stream_that_is_no_picture(tmp_path, decoder, suffix, streams):
    frames, source = frames_of(write_streams(tmp_path / f"v{suffix}", *streams), decoder)
    assert frames.shape == (40, 128, 192, 3) and shows(frames, range(40))
    assert source.stream == next(place for place, (size, *_) in enumerate(streams) if size == (192, 128))


def remux(source, path, keep=lambda place: True, change=lambda place, data: data, **options):
    """The packets of a file, some of them left out or changed."""
    with av.open(str(source)) as whole, av.open(str(path), "w", options=options) as file:
        stream = file.add_stream_from_template(whole.streams.video[0])
        for place, packet in enumerate(p for p in whole.demux(whole.streams.video[0]) if p.size):
            if keep(place):
                made = av.Packet(change(place, bytes(packet)))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.is_keyframe, made.stream = packet.is_keyframe, stream
                file.mux(made)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_cut_inside_a_group_of_pictures(tmp_path, suffix):
    """Frames 5 to 11 build on a key frame that was cut off: they are told, not replaced by others."""
    whole = write_video(tmp_path / f"whole{suffix}", 40, options={"bf": "0", "sc_threshold": "0"})
    frames, source = frames_of(remux(whole, tmp_path / f"cut{suffix}", lambda place: place >= 5))
    assert shows(frames, range(12, 40)) and len(frames) == 28
    assert source.lost == 7 and "7" in source.loss


def test_a_zeroed_key_frame_costs_its_group(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", 48, options={"bf": "0", "sc_threshold": "0"})
    zeroed = remux(whole, tmp_path / "v.mp4", change=lambda place, data: bytes(len(data)) if place == 24 else data)
    frames, source = decode.or_with_pyav("auto", lambda decoder: frames_of(zeroed, decoder))
    assert source.lost == 12
    assert shows(frames[:24], range(24)) and shows(frames[-12:], range(36, 48))


@pytest.mark.parametrize("decoder", ["auto", "av"])
def test_a_cut_matroska_file(tmp_path, decoder):
    """Its header tells no number of frames, but how long it is."""
    path = write_video(tmp_path / "v.mkv", 80, options={"bf": "0"})
    assert frames_of(path, decoder)[1].lost == 0
    content = path.read_bytes()
    path.write_bytes(content[: 6 * len(content) // 10])
    frames, source = frames_of(path, decoder)
    assert shows(frames[:-1], range(len(frames) - 1)) and 20 < len(frames) < 70
    assert abs(source.lost - (80 - len(frames))) <= 2 and "its end is missing" in source.loss


def test_a_last_frame_that_lasts_is_no_loss(tmp_path):
    """A recording of a screen: nothing changes in its last seconds."""
    whole = write_video(tmp_path / "whole.mkv", 40, options={"bf": "0"})
    with av.open(str(whole)) as read, av.open(str(tmp_path / "v.mkv"), "w") as file:
        stream = file.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(read.streams.video[0]) if packet.size]
        packets[-1].duration = 80 * packets[0].duration
        for packet in packets:
            packet.stream = stream
            file.mux(packet)
    frames, source = frames_of(tmp_path / "v.mkv", "av")
    assert len(frames) == 40 and source.lost == 0


def test_time_stamps_that_change_places_are_no_new_recording():
    times = np.array([0.0, 0.1, 0.3, 0.2, 0.4, 0.6, 0.5, 0.7])
    assert running_on(times, 10.0) is times
    assert np.allclose(running_on(np.array([0.0, 0.1, 5.0, 0.0, 0.1]), 10.0), [0.0, 0.1, 5.0, 5.1, 5.2])


def test_a_header_that_promises_more(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", 40, options={"bf": "0"})
    path = remux(whole, tmp_path / "v.mp4", movflags="faststart")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2])
    frames, source = frames_of(path)
    assert shows(frames, range(len(frames))) and 5 < len(frames) < 40
    assert source.lost == 40 - len(frames)


@needs_decord
@pytest.mark.parametrize("pixel", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv422p10le"])
def test_saturated_colours_are_the_same_whatever_decoder_is_asked_for(tmp_path, pixel):
    """Whichever decoder `auto` takes, the pixels are PyAV's, and those that were encoded."""
    path = tmp_path / "v.mkv"
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)], np.uint8)
    picture = np.repeat(np.repeat(colours.reshape(2, 3, 3), 32, 0), 32, 1)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel
        for _ in range(20):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel)))
        file.mux(stream.encode())
    auto, by_pyav = frames_of(path)[0], frames_of(path, "av")[0]
    assert np.array_equal(auto, by_pyav)
    if pixel != "gray":
        assert np.abs(auto[0, 16::32, 16::32].astype(int) - colours.reshape(2, 3, 3)).max() <= 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_seconds_are_turned_into_frames_by_the_times_of_the_frames(tmp_path, suffix):
    """One second at 10 frames, then at 5: the frames shown from 1.0 to 2.0 s are 11 to 15, by the mean rate they would be 8 to 14."""
    stamps = [*range(10), *range(10, 40, 2)]
    _, source = frames_of(write_video(tmp_path / f"v{suffix}", len(stamps), stamps=stamps, options={"bf": "0"}))
    found = on_frames(Video("v", None, 1, seconds=((1.0, 2.0), (3.0, 3.4))), source.clock)
    assert found.intervals == ((11, 15), (21, 22))


def test_an_even_rate_needs_no_times(tmp_path):
    _, source = frames_of(write_video(tmp_path / "v.mp4", 30))
    assert source.clock.times is None and source.clock.fps == pytest.approx(10)


def test_times_count_from_the_files_start(tmp_path):
    _, source = frames_of(write_video(tmp_path / "v.mkv", 30, stamps=range(500, 530), options={"bf": "0"}))
    found = on_frames(Video("v", None, 1, seconds=((1.0, 2.0),)), source.clock)
    assert found.intervals == ((11, 20),)


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_joined_recordings_go_on_where_the_time_stamps_start_again(tmp_path, suffix):
    codec = {} if suffix == ".ts" else {"codec": "mpeg2video"}
    rate = 25 if codec else 10
    part = tmp_path / f"part{suffix}"
    with av.open(str(part), "w") as file:
        stream = file.add_stream(codec.get("codec", "libx264"), rate=rate, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(40):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(moving_square(number), format="rgb24")))
        file.mux(stream.encode())
    (tmp_path / f"v{suffix}").write_bytes(part.read_bytes() * 2)
    frames, source = frames_of(tmp_path / f"v{suffix}")
    assert len(frames) == 80
    early, late = 10 / rate, 50 / rate
    found = on_frames(Video("v", None, 1, seconds=((early, early + 1), (late, late + 1))), source.clock)
    for (first, last), expected in zip(found.intervals, (11, 51)):
        assert abs(first - expected) <= 1 and abs(last - (expected + rate - 1)) <= 1


def test_a_pause_of_ten_minutes(tmp_path):
    stamps = [*range(20), *range(6020, 6040)]
    frames, source = frames_of(write_video(tmp_path / "v.mp4", 40, stamps=stamps, options={"bf": "0"}))
    found = on_frames(Video("v", None, 1, seconds=((602.5, 603.0),)), source.clock)
    assert len(frames) == 40 and source.lost == 0 and found.intervals == ((26, 30),)
