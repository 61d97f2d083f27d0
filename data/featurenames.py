"""What the names of published feature files tell besides the video: its crop, its stream, an ending that all of them have."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from itertools import chain

from stavad.data.archives import NUMBERINGS

CROP = re.compile(r"(.+)__(\d+)")  # name__0 .. name__9
NAMED_CROP = re.compile(r"(?i)(.+)[-_.]crop[-_]?(\d+)")  # name_crop0
CROP_FOLDER = re.compile(r"(?i)crops?[-_]?(\d+)")  # crop0/name
LAST_NUMBER = re.compile(r"(.*[^_])_(\d{1,2})")  # name_0 .. name_9, where most videos have them
STREAM = re.compile(r"(?i)(?:(?P<before>.*)[-_])?(?P<stream>rgb|flow)(?P<part>test|train)?(?:[-_](?P<after>.*))?")
ENDING = re.compile(r"(?i)(.+?)(_(?:i3d|c3d|x3d|clip|vit|swin|videoswin|features?))")  # after the video's name


def crops_marked(names: Collection[str], length: Callable[[str], int | None], named: Collection[str]) -> dict[str, str]:
    """Each name -> the same with its crop told as `NAME__0`, in whatever other way it tells it.

    Args:
        length: rows of the array of a name, None where they are not known; asked only where it takes them to tell.
        named: last parts of the names in the labels, which are of videos and tell nothing.
    """
    marked = {name: _crop_marked(name, last_of(name) in named) for name in names}
    if all(new == name for name, new in marked.items()):
        marked |= _by_last_number([name for name in names if last_of(name) not in named], length)
    return marked


def last_of(name: str) -> str:
    return name.rpartition("/")[2]


def _crop_marked(name: str, is_video: bool) -> str:
    *folders, last = name.split("/")
    if not is_video and (match := NAMED_CROP.fullmatch(last)):
        return "/".join([*folders, f"{match[1]}__{match[2]}"])
    for place, folder in enumerate(folders):
        if match := CROP_FOLDER.fullmatch(folder):
            return "/".join([*folders[:place], *folders[place + 1 :], f"{last}__{match[1]}"])
    return name


def _by_last_number(names: list[str], length: Callable[[str], int | None]) -> dict[str, str]:
    """NAME_0 .. NAME_9 are crops if most of the NAMEs have them, each of one length, and not all of the same: ten videos of a class differ in length."""
    found = {name: match for name in names if (match := LAST_NUMBER.fullmatch(name))}
    numbers, rows = defaultdict(set), defaultdict(set)
    for match in found.values():
        numbers[match[1]].add(int(match[2]))
    whole = sum(tuple(sorted(of_video)) in NUMBERINGS for of_video in numbers.values())
    if 2 * whole <= len(numbers) or 2 * len(found) <= len(names):
        return {}
    for name, match in found.items():
        rows[match[1]].update({length(name)} - {None})
    alike = sum(len(of_video) == 1 for of_video in rows.values())
    if 2 * alike <= len(numbers) or len(set(chain(*rows.values()))) < 2:
        return {}
    return {name: f"{match[1]}__{int(match[2])}" for name, match in found.items()}


def without_ending(names: Collection[str], named: Collection[str]) -> tuple[str, dict[str, str]]:
    """What all names end in, such as `_i3d`, unless the labels name them with it, and each name without it."""
    endings: Counter[str] = Counter()
    for name in names:
        crop = CROP.fullmatch(name)
        match = ENDING.fullmatch(crop[1] if crop else name)
        endings[match[2] if match and last_of(name) not in named else ""] += 1
    ending, number = endings.most_common(1)[0]
    if not ending or number < len(names):
        return "", {name: name for name in names}
    return ending, {name: re.sub(re.escape(ending) + r"(__\d+)?$", r"\1", name) for name in names}


def streams_of(names: Collection[str], named: Collection[str]) -> dict[str, tuple[str, str]]:
    """Stream, and name without it, of the names that tell one: by a folder, or at their end where most tell both, or all the same one."""
    by_folder, by_name = {}, {}
    for name in names:
        *folders, last = name.split("/")
        for place, folder in enumerate(folders):
            if match := STREAM.fullmatch(folder):
                by_folder[name] = match["stream"].lower(), "/".join(filter(None, [*folders[:place], _rest(match), *folders[place + 1 :], last]))  # fmt: skip
                break
        crop = CROP.fullmatch(last)
        stem, number = (crop[1], last[len(crop[1]) :]) if crop else (last, "")
        match = STREAM.fullmatch(stem)
        if match and match["before"] and name not in by_folder and last not in named:
            by_name[name] = match["stream"].lower(), "/".join([*folders, _rest(match) + number])
    kinds = {stream for stream, _ in by_folder.values()}
    if len(kinds) == 2 or (kinds and len(by_folder) == len(names)):
        return by_folder
    streams = defaultdict(set)
    for stream, plain in by_name.values():
        streams[plain].add(stream)
    both = sum(len(of_video) == 2 for of_video in streams.values())
    same = len({stream for stream, _ in by_name.values()}) == 1 and len(by_name) == len(names)
    return by_name if 2 * both > len(streams) or same else {}


def _rest(match: re.Match) -> str:
    return "-".join(filter(None, (match["before"], match["part"], match["after"])))
