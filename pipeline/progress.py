"""What `extract` and `train` show while they work: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

from stavad.data.identity import size_of
from stavad.extract.outcome import Progress
from stavad.train.folder import Watch

LINE_EVERY = 10.0  # seconds between plain lines


class Shown(Progress):
    """Of `extract`. The estimate of what is left goes by bytes of video."""

    def __init__(self):
        self.frames, self.begun, self.now, self.bar = 0, time.monotonic(), "", None

    def begin(self, videos):
        self.sizes = {video.id: size_of(video.path) for video in videos}
        self.total = sum(self.sizes.values())
        self.begun = self.told = time.monotonic()
        self.past = 0.0  # bytes that are done: of all,
        self.share: dict[str, float] = {}  # and of each video at work
        self.per_frame: dict[str, float] = {}
        self.bar = tqdm(total=self.total, unit="B", unit_scale=True, file=sys.stderr, disable=not sys.stderr.isatty())

    def video(self, video, number, of, announced):
        self.now = f"video {number} of {of}"
        self.share[video.id] = 0.0
        self.per_frame[video.id] = self.sizes[video.id] / announced if announced else 0.0
        self.bar.set_description(f"{self.now}: {video.id}")

    def advance(self, video, frames):
        self.frames += frames
        self._move(video, frames * self.per_frame[video.id])

    def end(self, video, frames):
        self._line(f"{video.id}: {frames} frames")

    def failed(self, video, reason):
        self._line(f"{video.id}: left out, {reason}")

    def read(self, video):
        self._move(video, self.sizes[video.id])

    def close(self):
        if self.bar:
            self.bar.close()

    def _move(self, video, step: float) -> None:
        done = self.share.get(video.id, 0.0)
        step = min(step, self.sizes[video.id] - done)
        self.share[video.id] = done + step
        self.past += step
        self.bar.update(step)
        self.bar.set_postfix_str(f"{self.frames} frames", refresh=False)
        if self.bar.disable and time.monotonic() - self.told > LINE_EVERY:
            self.told = time.monotonic()
            spent = self.told - self.begun
            left = f", about {max(0, spent * (self.total / self.past - 1) / 60):.0f} min left" if self.past else ""
            self._line(f"{self.now}, {self.frames} frames, {self.frames / spent:.0f} frames/s{left}")

    def _line(self, text: str) -> None:
        _say(self.bar, text, sys.stderr)

    def say(self, text: str) -> None:
        """A line of its own, below which the bar goes on."""
        _say(self.bar, text)


class TrainingShown(Watch):
    """Of `train`. The losses also go to TensorBoard, where it is installed."""

    def __init__(self):
        self.bar = self.board = None

    def begin(self, title, total, run=None):
        self.total = total
        self.bar = tqdm(desc=title, total=total, unit="step", disable=None)
        if self.bar.disable:
            print(f"{title}, {total} steps", flush=True)
        if run is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say('note: no curves for TensorBoard; `pip install -e ".[tensorboard]"` brings them')
        else:
            self.board = self._unless_full(SummaryWriter, str(run))

    def step(self, step, loss, terms):
        self.bar.update(step - self.bar.n)
        plain = self.bar.disable and step % max(1, self.total // 10) == 0
        if step % max(1, self.total // 100) and not plain and step != self.total:
            return
        shown = {"loss": float(loss)} | {name: float(term) for name, term in terms.items()}
        for name, value in shown.items():
            if self.board:
                self._unless_full(self.board.add_scalar, f"train/{name}", value, step)
        text = " ".join(f"{name} {value:.4f}" for name, value in shown.items())
        self.bar.set_postfix_str(text)
        if plain:
            print(f"step {step} of {self.total}: {text}", flush=True)

    def say(self, text):
        """A line of its own, below which the bar goes on."""
        _say(self.bar, text)

    def end(self):
        if self.bar:
            self.bar.close()
        if self.board:
            self._unless_full(self.board.close)

    def _unless_full(self, act, *arguments):
        """Curves are an extra: a disk that is full ends them, not the training."""
        try:
            return act(*arguments)
        except OSError as error:
            self.board = None
            self.say(f"note: no further curves for TensorBoard ({error.strerror or error})")


def _say(bar: tqdm | None, text: str, file=None) -> None:
    """A line above the bar, on standard output if no other file is named; without a bar, always there."""
    if bar is None or bar.disable:
        print(text, flush=True)
    else:
        bar.write(text, file=file)
