"""Which videos belong together, as parts or copies of one recording, and draws that do not tear them apart."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from stavad.data.catalogue import Video
from stavad.data.errors import few

WORDS = "part|pt|clip|seg|segment|chunk|split|cut|teil"
PART = re.compile(
    rf"(.+?)(?:[-_ .]+|(?<=\d)|(?<=[a-z])(?=[A-Z]))(?i:{WORDS})[-_ .]*(\d+)(?:of\d+)?"
)  # cam1_part3, LobbyPart3
MANY = 6  # numbered videos of a class
DATE = re.compile(r"(?:.*\D)?(?:19|20)\d\d[-_.]?\d\d")  # before a day
FILM = re.compile(r"(.+)__#.+_label_[A-Z].*")  # of XD-Violence: FILM__#00-01-00_00-02-00_label_A
NUMBER = re.compile(r"(.*\d[^\d]*?)(?:[-_](\d{1,2})| \((\d{1,2})\))")  # Abuse001_2, cam1 (2)


def by_name(ids: Iterable[str]) -> dict[str, str]:
    """id -> the recording that it is plainly a numbered part of; ids that are no parts are left out.

    Parts are `NAME_part3` and the like, or `NAME_2` where NAME holds a number itself; of one NAME there are several, numbered from 0 or 1
    without a gap. So are XD-Violence's stretches of one film. The folder of a class makes no difference.
    """
    members: dict[str, dict[str, int]] = defaultdict(dict)
    for id in ids:
        name = id.partition("/")[2] or id
        if film := FILM.fullmatch(name.rpartition("/")[2]):
            members[film[1]][id] = len(members[film[1]])
            continue
        found = PART.fullmatch(name) or NUMBER.fullmatch(name)
        if found and not DATE.fullmatch(found[1]):
            members[found[1]][id] = int(found[2] or found[found.lastindex])
    return {
        id: recording
        for recording, parts in members.items()
        if len(parts) > 1 and set(parts.values()) in (set(range(len(set(parts.values())))), set(range(1, 1 + len(set(parts.values())))))
        for id in parts
    }  # fmt: skip


def too_wide(parts: Mapping[str, str], videos: list[Video]) -> set[str]:
    """Names of `by_name` that are none of recordings: those of more than half of a class, and of at least `MANY` of its videos, but no film's."""
    of_class = Counter(video.label for video in videos)
    count = Counter((parts[video.id], video.label) for video in videos if video.id in parts)
    films = {found[1] for id in parts if (found := FILM.fullmatch(id.rpartition("/")[2]))}
    return {name for (name, label), number in count.items() if number >= MANY and 2 * number > of_class[label]} - films


def groups_of(videos: list[Video], names: bool = True, copies: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """id -> group, of every video: its column `group`, else its recording by name, joined by `copies`; alone, its own id.

    Args:
        names: whether `by_name` counts.
        copies: pairs of ids that hold the same.
    """
    parts = by_name(video.id for video in videos) if names else {}
    wide = too_wide(parts, videos)
    parts = {id: name for id, name in parts.items() if name not in wide}
    group = {v.id: f"group {v.group}" if v.group else f"recording {parts[v.id]}" if v.id in parts else v.id for v in videos}  # fmt: skip
    for one, other in copies:
        kept, lost = group[one], group[other]
        if kept != lost:
            group = {id: kept if name == lost else name for id, name in group.items()}
    return group


def tell_groups(videos: list[Video], drawn: bool, names: bool, note: Callable[[str], None]) -> None:
    """How many videos belong together, and for what; `names` as in `groups_of`."""
    if drawn and names and (wide := too_wide(by_name(video.id for video in videos), videos)):
        note(f"note: numbers after {few(sorted(wide))} are not taken for those of parts, as more than half of a class has them; a column 'group' says which belong together")  # fmt: skip
    members = defaultdict(list)
    for video in videos:
        if video.group:
            members[video.group].append(video.id)
    if members and drawn:
        shown = few([f"{len(ids)} of {name}" for name, ids in sorted(members.items())])
        note(f"note: videos of one recording stay in one part of the split: {shown} (--no-group-names leaves names out of account)")  # fmt: skip
    torn = [name for name, ids in members.items() if len({v.split for v in videos if v.group == name and v.split}) > 1]
    if torn and not drawn:
        note(f"note: the split given has parts of one recording on both sides: {few(sorted(torn))}; what is measured on them is too good")  # fmt: skip


def draw(videos: list[Video], numbers: Mapping[int, int], groups: Mapping[str, str], rng) -> set[str]:
    """Ids of a random draw of `numbers[label]` videos of each label, or as few more as whole groups need."""
    of_group = defaultdict(list)
    for video in videos:
        of_group[groups[video.id]].append(video.id)
    drawn: set[str] = set()
    for label in (0, 1):
        members = [video.id for video in videos if video.label == label]
        order: np.ndarray = rng.permutation(members)
        for id in order:
            if sum(member in drawn for member in members) >= numbers[label]:
                break
            drawn.update(of_group[groups[str(id)]])
    return drawn


def cut(videos: list[Video], groups: Mapping[str, str], number: int, seed: int) -> list[list[int]] | None:
    """Places of the videos of each of `number` folds, alike in the share of either class, none of `groups` torn apart.

    Returns:
        None where a fold would hold fewer than two recordings of a class.
    """
    labels = np.array([video.label for video in videos])
    names = np.array([groups.get(video.id, video.id) for video in videos])
    if number < 2 or any(len(set(names[labels == label])) < 2 * number for label in (0, 1)):
        return None
    made = StratifiedGroupKFold(number, shuffle=True, random_state=seed).split(names, labels, names)
    folds = [outside.tolist() for _, outside in made]
    enough = all(len(set(names[fold][labels[fold] == label])) >= 2 for fold in folds for label in (0, 1))
    return folds if enough else None
