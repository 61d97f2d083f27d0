"""What is to be done, and by whom: features that are there, the quarantine list, and a lock for each video at work.

Any number of runs may share a store: each video is extracted by the one that locks it first.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.files import short, written
from stavad.data.identity import digest_of, size_of, stamp_of
from stavad.data.store import Store, refuse_mixture
from stavad.extract.outcome import Outcome
from stavad.extract.settings import ExtractSettings

QUARANTINE = "quarantine.csv"
CASE = ("video", "stamp", "decoder", "time_limit")  # its columns, besides the reason


class Claims:
    """The work list of one run.

    Args:
        store: whose videos are done.
        fingerprint: of the features that this run makes.
        settings: decoder and time limit, on which a failure depends.
    """

    def __init__(self, store: Store, fingerprint: dict, settings: ExtractSettings):
        self.store, self.fingerprint, self.settings = store, fingerprint, settings
        self._locks: dict[str, FileLock] = {}  # of the videos at work

    def unsettled(self, videos: list[Video], outcome: Outcome) -> list[Video]:
        """Those of `videos` that are to be done; `outcome` is told of the others.

        Raises:
            UserError: the store is of another kind.
        """
        quarantine = self._read_quarantine()
        return [video for video in videos if not self._settled(video, outcome, quarantine)]

    def claim(self, todo: list[Video], outcome: Outcome, busy: list[Video]) -> Iterator[tuple[int, Path]]:
        """The place in `todo` and the path of one video after the other, each locked; those that another run has locked go to `busy`."""
        for place, video in enumerate(todo):
            lock = self.lock(video)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                busy.append(video)
                continue
            if self._settled(video, outcome, self._read_quarantine()):
                lock.release()
                continue
            self._locks[video.id] = lock
            yield place, video.path

    def lock(self, video: Video) -> FileLock:
        """The lock of the video, not acquired."""
        path = self.store.root / ".locks" / f"{short(video.id)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path, thread_local=False)

    def done(self, video: Video) -> None:
        """The video is in the store: off the quarantine list, and free."""
        self.quarantine(video, None)
        self._locks.pop(video.id).release()

    def failed(self, video: Video, reason: str, lasting: bool) -> None:
        """The video is given up, and free; for a lasting reason it is on the quarantine list."""
        self.quarantine(video, reason if lasting else None)
        self._locks.pop(video.id).release()

    def release(self) -> None:
        """Free what is still locked; no other thread may claim any more."""
        while self._locks:
            self._locks.popitem()[1].release()

    def quarantine(self, video: Video, reason: str | None) -> None:
        """Puts the video on the list, with the reason; None: takes it off."""
        path = self.store.root / QUARANTINE
        if reason is None and not path.exists():
            return
        with FileLock(self.store.root / ".locks" / f"{QUARANTINE}.lock"):
            rows = {case: why for case, why in self._read_quarantine().items() if case[0] != video.id or reason}
            if reason:
                rows[self._case(video)] = reason
            with written(path) as file:
                csv.writer(file, lineterminator="\n").writerows(
                    [(*CASE, "reason"), *((*case, why) for case, why in rows.items())]
                )

    def _settled(self, video: Video, outcome: Outcome, quarantine: dict[tuple[str, ...], str]) -> bool:
        """Whether nothing is to be done, the features or the reason against them being there."""
        if self._has(video):
            outcome.present.append(video.id)
            return True
        if known := quarantine.get(self._case(video)):
            outcome.failed[video.id] = known
            return True
        return False

    def _has(self, video: Video) -> bool:
        path = self.store.path(video.id)
        if not path.exists():
            return False
        made = self.store.attributes(video.id)
        refuse_mixture(path, made["fingerprint"], self.fingerprint, f"preset {self.fingerprint['preset']} makes it now")
        source, mine = Path(made["source"]), video.path.resolve()
        if source != mine and source.exists() and not (mine.exists() and source.samefile(mine)):
            raise UserError(video.path, f"has the id of {source}, whose features are here", "use another --work")
        if made.get("source_size") != size_of(video.path):
            return False
        stamp = _stamp(video.path)
        if "source_digest" not in made or made["source_stamp"] == stamp:
            return True
        try:
            if digest_of(video.path) != made["source_digest"]:
                return False
        except OSError:
            return False
        self.store.amend(video.id, source_stamp=stamp)
        return True

    def _case(self, video: Video) -> tuple[str, ...]:
        """What a failure depends on: with another decoder or more time, or when the file has changed, it is tried again."""
        return video.id, _stamp(video.path), self.settings.decoder, str(self.settings.time_limit)

    def _read_quarantine(self) -> dict[tuple[str, ...], str]:
        path = self.store.root / QUARANTINE
        if not path.exists():
            return {}
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {tuple(row[name] for name in CASE): row["reason"] for row in rows if row.get("stamp")}


def _stamp(path: Path) -> str:
    try:
        return stamp_of(path)
    except OSError:
        return "not there"


def shard_of(videos: list[Video], shard: str) -> list[Video]:
    """The videos of shard "i/n", i from 1 to n: every n-th. All, if it is empty.

    Raises:
        UserError: not of this form.
    """
    if not shard:
        return videos
    i, _, n = shard.partition("/")
    if not (i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise UserError("--shard", f"{shard!r} is not i/n", "give for example 1/4, with i from 1 to n")
    return videos[int(i) - 1 :: int(n)]
