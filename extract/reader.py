"""Decodes in a process of its own, so that a file that crashes or hangs the decoder costs that file only."""

import multiprocessing
import queue
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from extract.clips import to_clips
from extract.decode import Undecodable, open_video

AHEAD = 8  # clips decoded ahead of the backbone


@dataclass(frozen=True)
class Begin:
    """A video is opened. A second one for the same video means: forget its clips, another decoder starts over."""

    index: int
    decoder: str
    announced: int
    fps: float


@dataclass(frozen=True)
class Clip:
    index: int
    frames: np.ndarray  # (CLIP, H, W, 3) uint8
    own: int  # frames that are not filling


@dataclass(frozen=True)
class End:
    index: int
    skipped: int  # packets lost


@dataclass(frozen=True)
class Failed:
    index: int
    reason: str


def read_clips(
    paths: list[Path], decoder: str, time_limit: float, tail: str = "repeat"
) -> Iterator[Begin | Clip | End | Failed]:
    """Events of all videos, one video after the other, decoded ahead in another process.

    Args:
        paths: videos; events carry the place in this list.
        decoder: as in `open_video`.
        tail: as in `to_clips`.
        time_limit: seconds that the decoder may take to show its next clip; a video that exceeds them has `Failed`.
    """
    events: queue.Queue = queue.Queue(maxsize=AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_supervise, args=(paths, decoder, time_limit, tail, events, stop), daemon=True)
    thread.start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
    finally:
        stop.set()


def _supervise(paths, decoder, time_limit, tail, events, stop) -> None:
    """Runs decoding processes, one after another where one is lost, until every video has its End or Failed."""
    context = multiprocessing.get_context("spawn")
    begin, again = 0, False  # again: a decoder was lost on this video, PyAV is to try
    try:
        while begin < len(paths) and not stop.is_set():
            ours, theirs = context.Pipe(duplex=False)
            arguments = theirs, paths, begin, decoder, tail, again
            process = context.Process(target=_decode_all, args=arguments, daemon=True)
            process.start()
            theirs.close()
            at, lost = _relay(ours, process, begin, len(paths), time_limit, events, stop)
            process.kill()
            process.join()
            ours.close()
            again = bool(lost) and decoder == "auto" and not (again and at == begin)
            if lost and not again:
                _put(events, Failed(at, lost), stop)
                at += 1
            begin = at
        _put(events, None, stop)
    except Exception as error:
        _put(events, error, stop)


def _relay(connection: Connection, process, begin: int, end: int, time_limit: float, events, stop) -> tuple[int, str]:
    """Passes events on; returns the video that is next, and what became of the process if it was lost there."""
    while begin < end and not stop.is_set():
        if not connection.poll(time_limit):
            return begin, f"the decoder hung for {time_limit:g} s"
        try:
            event = connection.recv()
        except (EOFError, OSError):
            process.join()
            return begin, f"the decoder crashed (exit code {process.exitcode})"
        _put(events, event, stop)
        if isinstance(event, (End, Failed)):
            begin = event.index + 1
    return begin, ""


def _put(events: queue.Queue, event, stop) -> None:
    while not stop.is_set():
        try:
            return events.put(event, timeout=0.5)
        except queue.Full:
            pass


def _decode_all(connection: Connection, paths: list[Path], begin: int, decoder: str, tail: str, again: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops this process
    for index in range(begin, len(paths)):
        first = "av" if again and index == begin else decoder
        try:
            try:
                _decode(connection, paths[index], index, first, tail)
            except Undecodable:
                if first != "auto":
                    raise
                _decode(connection, paths[index], index, "av", tail)
        except Undecodable as error:
            connection.send(Failed(index, str(error)))
        except OSError as error:
            connection.send(Failed(index, f"it cannot be read ({error.strerror or error})"))


def _decode(connection: Connection, path: Path, index: int, decoder: str, tail: str) -> None:
    source = open_video(path, decoder)
    connection.send(Begin(index, source.decoder, source.announced, source.fps))
    count = 0
    for frames, own in to_clips(source.frames, tail):
        connection.send(Clip(index, frames, own))
        count += 1
    if not count:
        raise Undecodable("no frame of it can be decoded")
    connection.send(End(index, source.skipped))
