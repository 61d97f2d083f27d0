"""What is there of a data set, what is missing, and whether its annotation is the one that is known."""

from collections import Counter
from pathlib import Path

import av

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.layouts import LAYOUTS, is_listed, label
from stavad.data.search import find_videos, pictures_of


def verify(root: Path) -> tuple[list[str], bool]:
    """Lines to read, and whether nothing is missing or otherwise than known.

    Raises:
        UserError: no videos, or an annotation that cannot be read.
    """
    lists = [
        (layout, entries) for layout in LAYOUTS if is_listed(layout) and (entries := layout.entries(root)) is not None
    ]
    try:
        found = find_videos(root)
    except UserError:
        if not any(entries for _, entries in lists):
            raise
        found = []
    videos, source = label(found, root)
    lines, complete = [f"{root}: {len(videos)} videos, {source}"], True
    for part in ("train", "test", None):
        labels = Counter(video.label for video in videos if video.split == part)
        if labels:
            kinds = [f"{labels[kind]} {name}" for kind, name in ((0, "normal"), (1, "abnormal"), (None, "without label")) if labels[kind]]  # fmt: skip
            lines.append(f"  {part or 'no part'}: {', '.join(kinds)}")
    frames = {video.id: count_frames(video.path) for video in videos}
    for video in videos:
        number = frames[video.id]
        wrong = video.frames is not None and video.frames != number
        if wrong or not number or any(start > number for start, _ in video.intervals or ()):
            complete = False
            lines.append(
                f"  {video.path}: "
                + (f"{number} frames; its labels speak of {_spoken(video)}" if number else "it is not a video")
            )
    lines.append(f"  {sum(frames.values())} frames (packets of the files; `extract` counts what decodes), {positives(videos)} positive")  # fmt: skip

    for layout, entries in lists:
        known_of = getattr(layout, "KNOWN", {})
        here = {Path(video.id).name for video in videos}
        missing = [name for entry in entries if (name := Path(entry.id).name) not in here]
        if missing:
            complete = False
            lines.append(f"  missing {len(missing)} of {len(entries)} listed videos: {', '.join(missing[:5])}{', ..' * (len(missing) > 5)}")  # fmt: skip
        lines.append(f"annotation of {layout.NAME}:")
        for what, number in totals(entries).items():
            known = known_of.get(what, number)
            complete &= number == known
            lines.append(f"  {number} {what}" + ("" if number == known else f", but {known} are known"))
        tested = [video for video in videos if video.split == "test"]
        known = getattr(layout, "TEST_FRAMES", None)
        if known and len(tested) == known_of.get("test videos"):
            number = sum(frames[video.id] for video in tested)
            complete &= number == known
            lines.append(f"  {number} test frames" + ("" if number == known else f", but {known} are known"))
    return lines, complete


def totals(entries: list[Video]) -> dict[str, int]:
    """What a layout's `KNOWN` speaks of, from an annotation; overlapping intervals count twice."""
    test = [entry for entry in entries if entry.split == "test"]
    return {
        "training videos": len(entries) - len(test),
        "test videos": len(test),
        "abnormal test videos": sum(entry.label == 1 for entry in test),
        "test videos with two intervals": sum(len(entry.intervals or ()) == 2 for entry in test),
        "positive test frames": positives(test),
    }


def positives(videos: list[Video]) -> int:
    """Frames in the intervals of the videos, both ends included."""
    return sum(end - start + 1 for video in videos for start, end in video.intervals or ())


def count_frames(path: Path) -> int:
    """Images of a folder, or video packets of a file; 0 if it is no video."""
    if path.is_dir():
        return len(pictures_of(path))
    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))
    except (av.FFmpegError, IndexError):
        return 0


def _spoken(video: Video) -> str:
    return f"{video.frames} frames" if video.frames is not None else f"intervals {video.intervals or ()}"
