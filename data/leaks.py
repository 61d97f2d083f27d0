"""What makes a number too good: copies of a recording in both parts, and classes that differ without a look at the picture."""

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stavad.data.catalogue import Video
from stavad.data.errors import few
from stavad.data.store import Stored

STRETCHES = 8  # of a video, that are compared one by one
ALIKE = 0.98  # cosine of two videos' centred stretches, from which on they are taken for copies
TELLING = 0.8  # AUC of the attributes alone from which on a line says so
NAMES = {
    "fps": "frame rate",
    "seconds": "length",
    "width": "width",
    "height": "height",
    "codec": "codec",
    "recorder": "recorder",
}


def copies(videos: list[Video], stored: Mapping[str, Stored], segments: int = 32) -> list[tuple[str, str]]:
    """Pairs of videos with the same features, or nearly so: each with the one before it that it is most like.

    Two are nearly the same where the cosine of their stretches, less the mean of all videos, is above `ALIKE`: re-encoded, shortened by a
    little, or of another name.

    Args:
        videos: any.
        stored: their features.
        segments: of the bags that training takes, so that these are read once.
    """
    digests: dict[str, str] = {}
    found, rows = [], []
    for video in videos:
        bag = stored[video.id].bag(segments)
        if before := digests.get(bag.digest):
            found.append((before, video.id))
        digests.setdefault(bag.digest, video.id)
        rows.append(np.stack([part.mean((0, 1)) for part in np.array_split(bag.segments, min(STRETCHES, segments))]))
    if not rows:
        return []
    maps = np.stack(rows)
    maps -= maps.mean((0, 1))
    maps = maps.reshape(len(maps), -1)
    maps /= np.maximum(np.linalg.norm(maps, axis=1, keepdims=True), 1e-12)
    known = {id for pair in found for id in pair[1:]}
    alike = np.tril(maps @ maps.T, -1)  # of each with those before it
    for video, like in zip(videos, alike):
        best = int(like.argmax())
        if like[best] > ALIKE and video.id not in known:
            found.append((videos[best].id, video.id))
    return found


def tell_copies(pairs: list[tuple[str, str]], videos: list[Video], note: Callable[[str], None]) -> None:
    """Names the copies that are in different parts of the split."""
    split = {video.id: video.split for video in videos}
    across = [f"{a} and {b}" for a, b in pairs if {split.get(a), split.get(b)} == {"train", "test"}]
    if across:
        note(f"note: nearly the same features in both parts, {len(across)} times: {few(across)}; what is measured on them is too good")  # fmt: skip


def attributes(videos: list[Video], stored: Mapping[str, Stored]) -> dict | None:
    """How well the classes are told apart by frame rate, size, codec, length and recorder alone.

    Returns:
        `auc` of a logistic regression in cross-validation over videos, its 95 % interval `low` and `high` (Hanley and McNeil, 1982), and
        `differ`: what differs most, in words. None where nothing differs, or for fewer than 3 videos of a class.
    """
    known = [video for video in videos if video.label is not None]
    labels = np.array([video.label for video in known])
    least = min((labels == label).sum() for label in (0, 1)) if len(known) else 0
    if least < 3:
        return None
    columns = _columns([stored[video.id] for video in known])
    if not columns:
        return None
    table = np.stack([values for _, values in columns], 1)
    folds = StratifiedKFold(min(5, least), shuffle=True, random_state=0)
    told = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_predict(told, table, labels, cv=folds, method="decision_function")
    auc = float(roc_auc_score(labels, scores))
    width = 1.96 * _deviation(auc, int((labels == 1).sum()), int((labels == 0).sum()))
    single: dict[str, float] = {}
    for name, values in columns:
        alone = roc_auc_score(labels, values)
        single[name] = max(single.get(name, 0), alone, 1 - alone)
    differ = [f"{NAMES[name]}{_medians(name, known, stored)}" for name in sorted(single, key=single.get, reverse=True) if single[name] >= TELLING]  # fmt: skip
    return {"auc": auc, "low": max(0.0, auc - width), "high": min(1.0, auc + width), "differ": ", ".join(differ[:2])}


def tell_attributes(found: dict | None, note: Callable[[str], None]) -> None:
    """A line where the attributes alone tell the classes apart."""
    if found and found["auc"] >= TELLING and found["low"] > 0.5:
        what = f"differ in {found['differ']}" if found["differ"] else "differ in frame rate, size, codec, length and recorder taken together"  # fmt: skip
        note(
            f"note: the classes {what}: without a look at the picture a model may tell them apart, "
            f"AUC {found['auc']:.3f} [{found['low']:.3f}, {found['high']:.3f}] in cross-validation"
        )


def _value(video: Stored, name: str):
    return video.seconds or video.frames if name == "seconds" else video.made.get(name, "")


def _columns(stored: list[Stored]) -> list[tuple[str, np.ndarray]]:
    """Attribute and values (videos,) of each column that is not the same everywhere; of words one for each."""
    found = []
    for name in NAMES:
        values = [_value(video, name) for video in stored]
        if all(isinstance(value, int | float) for value in values):
            numbers = np.log1p(np.array(values, float))
            if np.ptp(numbers) > 1e-6:
                found.append((name, numbers))
        elif 1 < len(words := sorted(set(map(str, values)))) <= 20:
            found += [(name, np.array([float(str(value) == word) for value in values])) for word in words]
    return found


def _medians(name: str, videos: list[Video], stored: Mapping[str, Stored]) -> str:
    sides = [[_value(stored[v.id], name) for v in videos if v.label == label] for label in (0, 1)]
    if not all(isinstance(value, int | float) for side in sides for value in side):
        return ""
    return " ({:.4g} against {:.4g})".format(*map(np.median, sides))


def _deviation(auc: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    return float(np.sqrt(max(0.0, variance) / (positives * negatives)))
