# PYTHON_ARGCOMPLETE_OK
"""The command line: finds the command, lays settings file, recipe and flags over each other, and tells errors in one line."""

import argparse
import difflib
import os
import sys
from pathlib import Path
from typing import NoReturn

import argcomplete

from stavad.data.errors import UserError
from stavad.data.registry import modules_of
from stavad.data.settings import add_flags, build, read_settings
from stavad.evaluate.settings import EvaluateSettings, ScoreSettings
from stavad.extract.settings import ExtractSettings
from stavad.pipeline.settings import CommonSettings
from stavad.train.recipes import RECIPES
from stavad.train.settings import TrainSettings

GROUPS = (CommonSettings, ExtractSettings, TrainSettings, EvaluateSettings, ScoreSettings)
COMMANDS = {module.NAME: module for module in modules_of("stavad.pipeline.commands")}
FIRST = ("try it", "your own videos")  # parts whose examples the general help shows


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a cause outside the code is told in one line. Returns the exit code."""
    open_closed_outputs()
    if arguments is None:
        speak_utf8()
        os.environ.setdefault(
            "OMP_WAIT_POLICY", "PASSIVE"
        )  # threads that spin while they wait halve the speed beside another program
    made = parser()
    argcomplete.autocomplete(made)
    parsed, rest = made.parse_known_args(arguments)
    if rest:
        made.error(unknown(parsed.command, rest[0], made))
    flags = vars(parsed)
    try:
        return run(flags.pop("command"), flags)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as by `pipeline train | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {cannot_use(error)}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):  # torch's for a CPU
            raise
        print("error: there is not enough memory; close other programs, or work on fewer or shorter videos", file=sys.stderr)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        print("stopped; what was complete is kept", file=sys.stderr)
        return 130


def unknown(command: str, flag: str, made: argparse.ArgumentParser) -> str:
    """What to tell of a flag that a command does not have."""
    (commands,) = (action for action in made._actions if isinstance(action, argparse._SubParsersAction))
    known = commands.choices[command]._option_string_actions
    near = difflib.get_close_matches(flag.partition("=")[0], known, 1)
    return f"{command} does not know {flag}{f', did you mean {near[0]}?' if near else ''}; `pipeline {command} --help` lists what it knows"


def open_closed_outputs() -> None:
    """Standard streams that a job runner left closed lead nowhere; else the next file opened would get their place, and what is printed."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def speak_utf8() -> None:
    """Where the locale has another encoding, such as plain C, begin again in Python's UTF-8 mode: names of files are UTF-8 nearly everywhere."""
    if sys.getfilesystemencoding().lower() != "utf-8" and not sys.flags.utf8_mode and os.name == "posix":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def cannot_use(error: OSError) -> str:
    """What an error of the system means, in a line that names the file where it is known."""
    said = error.strerror or str(error) or type(error).__name__
    return f"{error.filename or 'a file or pipe'}: {said}; see that it can be used, and that there is space"


def run(command: str, flags: dict) -> int:
    """Run `command` with the settings of a file, a recipe and flags, the later over the earlier."""
    file = flags.pop("settings", None)
    saved = read_settings(Path(file), GROUPS) if file else {}
    if "recipe" in flags:  # asked for now, so it goes over what a file says
        layers = saved, RECIPES[flags["recipe"]], flags
    else:
        layers = RECIPES[saved.get("recipe", "paper")], saved, flags
    for group in GROUPS:  # a wrong value is told of before anything is begun
        build(group, *layers)
    module = COMMANDS[command]
    return module.run(flags, *(build(group, *layers) for group in module.GROUPS))


class OneLine(argparse.ArgumentParser):
    """Tells of a wrong flag as of any wrong input, without the list of all flags before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; `{self.prog} --help` tells more\n")


def parser() -> argparse.ArgumentParser:
    """Of all commands, each with its flags under the heading of their group."""
    width = max(map(len, COMMANDS))
    parts = []
    for part in dict.fromkeys(module.PART for module in COMMANDS.values()):
        lines = [f"  {m.NAME:{width}}  {m.HELP}" for m in COMMANDS.values() if part == m.PART]
        parts.append("\n".join([f"{part}:", *lines]))
    examples = [module.EXAMPLES[0] for module in COMMANDS.values() if module.PART in FIRST]
    top = OneLine(
        prog="pipeline",
        usage="pipeline COMMAND ..",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Weakly supervised video anomaly detection: raw videos to scores per frame.\n\n"
        + "\n\n".join(parts),
        epilog=_examples(examples) + "\n\n`pipeline COMMAND --help` tells of each.",
    )
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS, prog="pipeline"
    )
    for name, module in COMMANDS.items():
        made = commands.add_parser(
            name,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=module.HELP,
            epilog=_examples(module.EXAMPLES),
        )
        if hasattr(module, "arguments"):
            module.arguments(made)
        if module.GROUPS:
            made.add_argument(
                "--settings", metavar="FILE", help="settings as JSON, such as settings.json of a run; flags go over it"
            )
        for group in module.GROUPS:
            add_flags(made.add_argument_group(group.TITLE), group)
    return top


def _examples(lines) -> str:
    return "\n".join(["examples:" if len(lines) > 1 else "example:", *(f"  {line}" for line in lines)])
