"""Decodes in a process of its own, so that a file that crashes or hangs the decoder costs that file only."""

import contextlib
import functools
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from stavad.data.errors import UserError
from stavad.data.identity import digest_of, stamp_of
from stavad.extract.ahead import AHEAD, Ahead, Alive, Begin, Clip, End, Failed
from stavad.extract.clips import Taken, to_clips
from stavad.extract.decode import Undecodable, open_video, or_with_pyav

START_LIMIT = 600.0  # seconds that a decoding process may take to import what it needs, on however busy a machine
GUARD = (
    'put what starts an extraction under `if __name__ == "__main__":`, as decoding processes import the script again'
)
EVERYTHING = Taken()
PARENT_GONE = (BrokenPipeError, ConnectionResetError)
STOP_EVERY = 0.2  # seconds between two looks whether the run has ended


def read_clips(
    videos: Iterable[tuple[int, Path]],
    decoder: str,
    time_limit: float,
    tail: str = "repeat",
    taken: Taken = EVERYTHING,
    processes: int = 1,
    ahead: int = AHEAD,
) -> Generator[Begin | Clip | End | Failed]:
    """Events of all videos, decoded ahead in other processes, each at work on one video after the other.

    Args:
        videos: number and path of each, asked for one at a time when another is decoded; events carry the number.
        decoder: as in `open_video`.
        time_limit: seconds that the decoder may take to show its next clip; a video that exceeds them has `Failed`.
        tail: as in `to_clips`.
        taken: of each clip.
        processes: that decode at a time.
        ahead: clips that may wait for their turn, within `AHEAD_BYTES`.
    """
    events, stop, shared = Ahead(ahead), threading.Event(), _Shared(videos)
    how = _How(decoder, tail, taken)
    threads = [
        threading.Thread(target=_supervise, args=(shared, how, time_limit, events, stop), daemon=True)
        for _ in range(processes)
    ]
    for thread in threads:
        thread.start()
    at_work = len(threads)
    try:
        while at_work:
            event = events.get()
            if isinstance(event, Exception):
                raise event
            if event is None:
                at_work -= 1
            else:
                yield event
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class _How:
    """A video is decoded."""

    decoder: str
    tail: str
    taken: Taken


class _Shared:
    """An iterator that several threads ask."""

    def __init__(self, items: Iterable):
        self.items, self.lock = iter(items), threading.Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            return next(self.items)


def _supervise(videos, how: _How, time_limit, events, stop) -> None:
    """Hands the videos to a decoding process, and to a new one where it is lost; under auto, PyAV tries once more."""
    process = None
    try:
        for index, path in videos:
            for attempt in ("auto", "av") if how.decoder == "auto" else (how.decoder,):
                if process is None:
                    process = _Process()
                    process.await_start(stop)
                lost = process.decode(index, path, replace(how, decoder=attempt), time_limit, events, stop)
                if not lost or stop.is_set():
                    break
                process.kill()
                process = None
            else:
                events.put(Failed(index, lost), stop)
            if stop.is_set():
                break
        events.put(None, stop)
    except Exception as error:
        events.put(error, stop)
    finally:
        if process:
            process.kill()


class _Process:
    """A decoding process and the pipe to it."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def await_start(self, stop: threading.Event) -> None:
        """From then on a video's time limit counts; what goes wrong before is no fault of a video.

        Raises:
            UserError: the process ended, or did nothing for `START_LIMIT` seconds.
        """
        try:
            if self._has_event(START_LIMIT, stop):
                self.pipe.recv()
            elif not stop.is_set():
                raise UserError("the decoding process", f"did nothing for {START_LIMIT:g} s", GUARD)
        except (EOFError, OSError):
            self.process.join()
            raise UserError(
                "the decoding process", f"did not start (exit code {self.process.exitcode})", GUARD
            ) from None

    def decode(self, index: int, path: Path, how: _How, time_limit: float, events, stop) -> str:
        """Passes the events of one video on; returns what became of the process if it was lost."""
        try:
            self.pipe.send((index, path, how))
            while not stop.is_set():
                if not self._has_event(time_limit, stop):
                    return "" if stop.is_set() else f"the decoder hung for {time_limit:g} s"
                event = _receive(self.pipe)
                if not isinstance(event, Alive):
                    events.put(event, stop)
                if isinstance(event, (End, Failed)):
                    return ""
        except (EOFError, OSError):
            self.process.join()
            return f"the decoder crashed (exit code {self.process.exitcode})"
        return ""

    def _has_event(self, limit: float, stop: threading.Event) -> bool:
        """Waits for one; false after `limit` seconds, or when the run has ended."""
        begun = time.monotonic()
        while not self.pipe.poll(STOP_EVERY):
            if stop.is_set() or time.monotonic() - begun > limit:
                return False
        return True

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Teller:
    """Tells the parent one thing after the other from a thread of its own, while the next clip is decoded. What goes wrong there is raised by the next call."""

    def __init__(self, pipe: Connection):
        self.pipe, self.thread = pipe, ThreadPoolExecutor(1)
        self.last: Future | None = None

    def __call__(self, event) -> None:
        self._next(self.pipe.send, event)

    def clip(self, index: int, clip: Sequence[np.ndarray], own: int, taken: Taken) -> None:
        """What is taken of a clip: the pictures as they lie in memory, after what they are."""
        self._next(self._clip, index, clip, own, taken)

    def failed(self, event: Failed) -> None:
        """Whatever else went wrong with the same video."""
        try:
            self.wait()
        except PARENT_GONE:
            raise
        except Exception:
            pass
        self(event)

    def wait(self) -> None:
        """Until all is told."""
        last, self.last = self.last, None
        if last:
            last.result()

    def _next(self, work: Callable, *arguments) -> None:
        self.wait()
        self.last = self.thread.submit(work, *arguments)

    def _clip(self, index: int, clip: Sequence[np.ndarray], own: int, taken: Taken) -> None:
        shown = [np.ascontiguousarray(frame) for frame in taken.shown(clip)]  # turned ones are not
        numbers = taken.numbers(clip)
        # from here on the parent waits for all of it
        self.pipe.send((index, (len(shown), *clip[0].shape), numbers, own))
        for frame in shown:  # of all at once more copies would be made, here and there
            self.pipe.send_bytes(frame.data.cast("B"))


def _receive(pipe: Connection):
    event = pipe.recv()
    if not isinstance(event, tuple):
        return event
    index, shape, numbers, own = event
    frames = np.empty(shape, np.uint8)
    for frame in frames:
        pipe.recv_bytes_into(frame.data.cast("B"))
    return Clip(index, frames, numbers, own)


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops this process
    tell = _Teller(pipe)
    with contextlib.suppress(EOFError, *PARENT_GONE):
        tell(Alive())
        while True:
            _decode_or_say_why(tell, *pipe.recv())


def _decode_or_say_why(tell: _Teller, index: int, path: Path, how: _How) -> None:
    try:
        or_with_pyav(how.decoder, lambda chosen: _decode(tell, path, index, replace(how, decoder=chosen)))
        tell.wait()
    except PARENT_GONE:
        raise
    except Undecodable as error:
        tell.failed(Failed(index, str(error)))
    except OSError as error:
        tell.failed(Failed(index, f"it cannot be read ({error.strerror or error})", lasting=False))
    except MemoryError:
        tell.failed(Failed(index, "there is not enough memory to decode it", lasting=False))
    except Exception as error:  # such as a picture of absurd size
        tell.failed(Failed(index, f"it cannot be decoded ({type(error).__name__}: {error})"))


def _decode(tell: _Teller, path: Path, index: int, how: _How) -> None:
    alive = functools.partial(tell, Alive())
    stamp = stamp_of(path)
    source = open_video(path, how.decoder, alive, how.taken.luma)
    tell(Begin(index, source.decoder, source.announced, source.fps, stamp))
    count = 0
    for clip, own in to_clips(source.frames, how.tail):
        tell.clip(index, clip, own, how.taken)
        count += 1
    if not count:
        raise Undecodable("no frame of it can be decoded")
    digest = digest_of(path, alive)
    if stamp_of(path) != stamp:
        raise OSError(None, "it changed while it was read")
    about = {**source.about, "stream": source.stream}
    tell(End(index, digest, source.lost, source.loss, source.clock, about))
