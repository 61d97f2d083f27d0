"""Labels from the way a known data set, or a plain folder, is laid out. Annotation files are the user's, none is shipped."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io

from data.catalogue import Names, Video, find_videos, read_labels, with_labels
from data.errors import UserError


def read_catalogue(root: Path, labels: Path | None = None) -> tuple[list[Video], str]:
    """The videos below `root` with their labels, and in words where the labels come from.

    The labels are those of `labels`, a CSV or a folder with a data set's annotation; else of the first layout below that `root`
    has; else unknown.

    Raises:
        UserError: no videos, no annotation in the folder `labels`, or one that does not fit the videos.
    """
    return label(find_videos(root), Path(root), labels)


def label(videos: list[Video], root: Path, labels: Path | None = None) -> tuple[list[Video], str]:
    """`read_catalogue` for videos that are known already."""
    if labels and not labels.is_dir():
        return with_labels(videos, read_labels(labels), labels), f"labels from {labels}"
    for name, listed in LISTED.items():
        entries = listed(labels or root)
        if entries is not None:
            return _known(videos, entries), f"laid out as {name}"
    for name, layout in LAYOUTS.items():
        labelled = layout(labels or root, videos)
        if labelled is not None:
            return labelled, f"laid out as {name}"
    if labels:
        raise UserError(labels, "has no annotation that is known", "give a CSV of labels, or the data set's folder")
    return videos, "no labels"


def ucf_crime(root: Path) -> list[Video] | None:
    """UCF-Crime: `Anomaly_Train.txt` names the training videos, `Temporal_Anomaly_Annotation*.txt` the test videos."""
    train, test = _beside(root, "Anomaly_Train.txt"), _beside(root, "Temporal_Anomaly_Annotation*.txt")
    if not train and not test:
        return None
    return (read_ucf_train(train) if train else []) + (read_ucf_test(test) if test else [])


def read_ucf_train(path: Path) -> list[Video]:
    """Lines such as `Abuse/Abuse001_x264.mp4` and `Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4`."""
    return [_ucf_video(Path(name).stem, "train", None, f"{path}, line {number}") for number, name in read_lines(path)]


def read_ucf_test(path: Path) -> list[Video]:
    """Lines `name class start1 end1 start2 end2`, frames, -1 where there is no (second) interval.

    Raises:
        UserError: a line of another form; with its number.
    """
    videos = []
    for number, line in read_lines(path):
        try:
            name, _, *frames = line.split()
            start1, end1, start2, end2 = map(int, frames)
        except ValueError:
            raise UserError(
                f"{path}, line {number}", f"reads {line!r}", "expected: name class start1 end1 start2 end2"
            ) from None
        pairs = [pair for pair in ((start1, end1), (start2, end2)) if pair != (-1, -1)]
        intervals = tuple(_interval(*pair, f"{path}, line {number}") for pair in pairs)
        videos.append(_ucf_video(Path(name).stem, "test", intervals, f"{path}, line {number}"))
    return videos


def _ucf_video(id: str, split: str, intervals, where: str) -> Video:
    if id.startswith("Normal"):
        return Video(id, None, 0, split, (), "")
    kind = re.match("[A-Za-z]+", id)
    if not kind:
        raise UserError(where, f"names {id!r}", "expected the class first, as in Abuse001_x264")
    return Video(id, None, 1, split, intervals, kind[0])


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers.

    Raises:
        UserError: unreadable, or not text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, f"cannot be read ({error})", "give the data set's own annotation file, a text") from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def ucsd(root: Path, videos: list[Video]) -> list[Video] | None:
    """UCSD Ped1 and Ped2: `TrainNNN` are normal, `TestNNN` have the intervals of `ped1.mat` or `ped2.mat`.

    The official training part has one class; the paper draws its own splits, so none is given here.
    """
    path = _beside(root, "ped[12].mat")
    if not path:
        return None
    intervals = read_ped_mat(path)
    labelled = []
    for video in videos:
        part = re.fullmatch(r"(Train|Test)(\d{3})", Path(video.id).name)
        if part and part[1] == "Train":
            video = replace(video, label=0, intervals=())
        elif part:
            number = int(part[2])
            if number > len(intervals):
                raise UserError(
                    path, f"has {len(intervals)} entries, none for {video.id}", "use the file of this data set"
                )
            video = replace(video, label=1, intervals=intervals[number - 1])
        labelled.append(video)
    return labelled


def read_ped_mat(path: Path) -> list[tuple[tuple[int, int], ...]]:
    """Abnormal intervals (1-based, inclusive) of Test001, Test002, ..: cell array `gt`, each 2 x intervals.

    Raises:
        UserError: not such a file.
    """
    try:
        cells = [cell.reshape(2, -1).T.astype(int).tolist() for cell in scipy.io.loadmat(path)["gt"].ravel()]
    except Exception as error:  # scipy raises its own classes, and TypeError and others for broken files
        raise UserError(path, f"is not a file of intervals ({error})", "expected a cell array 'gt'") from None
    return [tuple(_interval(*p, f"{path}, entry {n}") for p in pairs) for n, pairs in enumerate(cells, 1)]


def _interval(start: int, end: int, where: str) -> tuple[int, int]:
    """First and last abnormal frame, from 1; annotations that count from 0 have 0 as the first.

    Raises:
        UserError: reversed, or before the video.
    """
    if not 0 <= start <= end or end == 0:
        raise UserError(where, f"has an interval {start} to {end}", "correct it: first and last abnormal frame")
    return max(start, 1), end


def shanghaitech(root: Path) -> list[Video] | None:
    """ShanghaiTech with the weakly supervised split: `SH_Train.txt`, `SH_Test.txt`, and `test_frame_mask/<video>.npy`.

    The videos are files (`training/videos/01_001.avi`) or image folders (`testing/frames/01_0014/`). A video with a mask is abnormal;
    so is one whose second number has four digits, as all of the original test part.
    """
    lists = {part: _beside(root, f"SH_{part.capitalize()}.txt") for part in ("train", "test")}
    if not any(lists.values()):
        return None
    masks = _beside(root, "test_frame_mask") or next(root.glob("*/test_frame_mask"), None)
    labelled = []
    for part, path in lists.items():
        for number, line in read_lines(path) if path else ():
            id = line.split(",")[0].strip()
            if not re.fullmatch(r"\d\d_\d{3,4}", id):
                raise UserError(f"{path}, line {number}", f"reads {line!r}", "expected a name such as 01_0014")
            mask = masks / f"{id}.npy" if masks else None
            if mask and mask.exists():
                truth = read_mask(mask)
                labelled.append(Video(id, None, 1, part, intervals_of(truth), "", len(truth)))
            elif len(id) == len("01_0014"):
                labelled.append(Video(id, None, 1, part))
            else:
                labelled.append(Video(id, None, 0, part, ()))
    return labelled


def read_mask(path: Path) -> np.ndarray:
    """(frames,) bool from a `.npy` of one number per frame, 0 where nothing happens.

    Raises:
        UserError: unreadable, or of another form.
    """
    try:
        mask = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(path, f"cannot be read ({error})", "download the data set's masks again") from None
    if mask.ndim != 1 or mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise UserError(path, f"holds {mask.dtype} of shape {mask.shape}", "expected a 0 or 1 for each frame")
    return mask.astype(bool)


def intervals_of(truth: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(frames,) bool -> 1-based inclusive intervals."""
    edges = np.flatnonzero(np.diff(np.r_[False, truth, False]))
    return tuple((int(start) + 1, int(end)) for start, end in edges.reshape(-1, 2))


def avenue(root: Path, videos: list[Video]) -> list[Video] | None:
    """CUHK Avenue: `training_videos/` are normal, `testing_videos/01` .. have pixel masks `testing_label_mask/1_label.mat`.

    The official training part has one class, so no split is given here, as with UCSD Ped.
    """
    masks = _beside(root, "testing_label_mask")
    if not masks:
        return None
    labelled = []
    for video in videos:
        *folders, name = video.id.lower().split("/")
        if any(folder.startswith("training") for folder in folders):
            video = replace(video, label=0, intervals=())
        elif name.isdigit() and any(folder.startswith("testing") for folder in folders):
            truth = read_avenue_mask(masks / f"{int(name)}_label.mat")
            video = replace(video, label=1, intervals=intervals_of(truth), frames=len(truth))
        labelled.append(video)
    return labelled


def read_avenue_mask(path: Path) -> np.ndarray:
    """(frames,) bool: a frame is abnormal where any pixel of its mask in the cell array `volLabel` is.

    Raises:
        UserError: not such a file.
    """
    try:
        return np.array([bool(np.any(mask)) for mask in scipy.io.loadmat(path)["volLabel"].ravel()])
    except Exception as error:  # scipy raises its own classes, and TypeError and others for broken files
        raise UserError(path, f"is not a file of masks ({error})", "expected a cell array 'volLabel'") from None


def xd_violence(root: Path, videos: list[Video]) -> list[Video] | None:
    """XD-Violence: `annotations.txt` has a line `name start end start end ..` for each violent test video.

    A name ends in its classes: `.._label_A` is normal, `.._label_B1-0-0` and the like are not. Test videos lie in the folder of those
    that the annotation names.
    """
    path = _beside(root, "annotations.txt")
    if not path:
        return None
    found = [re.fullmatch(r"(.+)_label_([A-Z0-9]+(?:-[A-Z0-9]+)*)", Path(video.id).name) for video in videos]
    if not any(found):
        return None
    annotated = {video.id: video for video in read_xd_test(path)}
    tests = {Path(video.id).parent for video in videos if Path(video.id).name in annotated}
    labelled = []
    for video, name in zip(videos, found):
        if name:
            split, kind = ("test" if Path(video.id).parent in tests else "train"), name[2].split("-")[0]
            intervals = () if kind == "A" else getattr(annotated.get(name[0]), "intervals", None)
            video = replace(
                video, label=int(kind != "A"), split=split, intervals=intervals, kind="" if kind == "A" else kind
            )
        labelled.append(video)
    return labelled


def read_xd_test(path: Path) -> list[Video]:
    """The violent test videos with their intervals.

    Raises:
        UserError: a line of another form; with its number.
    """
    videos = []
    for number, line in read_lines(path):
        name, *frames = line.split()
        if not frames or len(frames) % 2 or not all(frame.isdigit() for frame in frames):
            raise UserError(f"{path}, line {number}", f"reads {line!r}", "expected: name start end start end ..")
        numbers = list(map(int, frames))
        intervals = tuple(_interval(*p, f"{path}, line {number}") for p in zip(numbers[::2], numbers[1::2]))
        videos.append(Video(name.removesuffix(".mp4"), None, 1, "test", intervals))
    return videos


def folders(root: Path, videos: list[Video]) -> list[Video] | None:
    """`normal/` beside one or more folders named for what happens in their videos (`abnormal/`, `fight/`, ..)."""
    if not any(video.id.lower().startswith("normal/") for video in videos):
        return None
    labelled = []
    for video in videos:
        folder, _, rest = video.id.partition("/")
        if rest and folder.lower() == "normal":
            video = replace(video, label=0, intervals=())
        elif rest:
            video = replace(video, label=1, kind=folder)
        labelled.append(video)
    return labelled


LISTED = {"UCF-Crime": ucf_crime, "ShanghaiTech": shanghaitech}  # their annotation names every video
LAYOUTS = {
    "UCSD Ped": ucsd,
    "CUHK Avenue": avenue,
    "XD-Violence": xd_violence,
    "normal/ and abnormal folders": folders,
}


def _beside(root: Path, pattern: str) -> Path | None:
    """The annotation in the folder of videos or in the one above it."""
    found = [*sorted(root.glob(pattern)), *sorted(root.resolve().parent.glob(pattern))]
    return found[0] if found else None


def _known(videos: list[Video], labelled: Iterable[Video]) -> list[Video]:
    """Labels for those videos that are there; an official list names many that are not."""
    names = Names(video.id for video in videos)
    found = {names.find(entry.id): entry for entry in labelled}
    return [replace(found[v.id], id=v.id, path=v.path) if v.id in found else v for v in videos]
