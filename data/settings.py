"""One definition of a setting serves its flag, help text, default, the settings file and the record kept with a run."""

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stavad.data.errors import UserError
from stavad.data.files import written


def setting(
    default,
    help: str,
    choices: tuple = (),
    low: float = -math.inf,
    high: float = math.inf,
    shown: str = "",
    was: tuple[str, ...] = (),
    names: Callable[[], Iterable[str]] | None = None,
):
    """A dataclass field that is also a command-line flag.

    Args:
        low, high: a number below or above is refused.
        shown: what stands for its value in the help; for numbers N by default.
        was: names that it had in earlier versions, under which old files are still read.
        names: gives those that a shell completes; asked only then, as they may take long to find.
    """
    known = {"help": help, "choices": choices, "low": low, "high": high, "shown": shown, "was": was, "names": names}
    return dataclasses.field(default=default, metadata=known)


def add_flags(parser: argparse._ActionsContainer, group: type) -> None:
    """One flag per setting of the dataclass `group`: `--name VALUE`, or `--name / --no-name` for true or false."""
    for field in dataclasses.fields(group):
        flag = "--" + field.name.replace("_", "-")
        help = field.metadata["help"] + ("" if field.default == "" else f" (default: {field.default})")
        if isinstance(field.default, bool):
            kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        else:
            kind = {"type": type(field.default), "choices": field.metadata["choices"] or None}
            if not kind["choices"]:
                kind["metavar"] = field.metadata["shown"] or "N"
        made = parser.add_argument(flag, help=help, default=argparse.SUPPRESS, **kind)
        if names := field.metadata["names"]:
            made.completer = lambda names=names, **shell: names()  # type: ignore[attr-defined]  # argcomplete's


def build(group: type, *layers: dict):
    """The dataclass `group` with the values of `layers`, a later layer over an earlier one; foreign names are left out.

    Raises:
        UserError: a number is too low, too high, or none.
    """
    fields = {field.name: field for field in dataclasses.fields(group)}
    values = {name: value for layer in layers for name, value in layer.items() if name in fields}
    for name, value in values.items():
        low, high = (fields[name].metadata[side] for side in ("low", "high"))
        flag = "--" + name.replace("_", "-")
        if not isinstance(value, int | float):
            continue
        if math.isnan(value):
            raise UserError(flag, "is not a number", "give one")
        if value < low:
            raise UserError(flag, f"{value} is too low", f"give at least {low}")
        if value > high:
            raise UserError(flag, f"{value} is too high", f"give at most {high}")
    return group(**values)


def read_settings(path: Path, groups: tuple[type, ...]) -> dict:
    """Settings from a JSON file, such as the `settings.json` of a run.

    Raises:
        UserError: unreadable, an unknown setting, or a value of another type than the default's.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        raise UserError(path, f"is not a settings file ({error})", "give a JSON object of settings") from None
    values = under_present_names(values, *groups)
    known = {field.name: field for group in groups for field in dataclasses.fields(group)}
    for name, value in values.items():
        if name not in known:
            raise UserError(path, f"has an unknown setting {name!r}", f"known are: {', '.join(sorted(known))}")
        kind, choices = type(known[name].default), known[name].metadata["choices"]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise UserError(path, f"setting {name!r} is {value!r}", f"give a {kind.__name__}")
        if choices and value not in choices:
            raise UserError(path, f"setting {name!r} is {value!r}", f"give one of {', '.join(map(str, choices))}")
    return values


def under_present_names(values: dict, *groups: type) -> dict:
    """Settings that an earlier version wrote, by the names that they have now."""
    now = {old: field.name for group in groups for field in dataclasses.fields(group) for old in field.metadata["was"]}
    return {now.get(name, name): value for name, value in values.items()}


def record(path: Path, *groups) -> None:
    """Write settings, dataclasses or dicts, as one JSON file that `read_settings` reads.

    Raises:
        UserError: it cannot be written.
    """
    values: dict = {}
    for group in groups:
        values |= group if isinstance(group, dict) else dataclasses.asdict(group)
    with written(Path(path)) as file:
        file.write(json.dumps(values, indent=2) + "\n")
