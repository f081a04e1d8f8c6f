"""What docs/guarantees.md promises and by what each sentence is checked, for a test that no command there leads nowhere."""

import re
import shlex
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import NamedTuple

from bench.__main__ import RUNS
from bench.soak.__main__ import CAMPAIGNS
from config.cli.app import app
from tests.support.requirements import ROOT

PAGE = ROOT / "docs" / "guarantees.md"
_NOT_PROMISED = "Not promised"


class Promise(NamedTuple):
    """One row of a table of the page."""

    sentence: str
    configuration: str
    commands: tuple[str, ...]


def promises(text: str) -> list[Promise]:
    """Every row of three cells but the heads."""
    lines = text.splitlines()
    rows = [_cells(line) for line, below in pairwise([*lines, ""]) if line.startswith("| ") and not below.startswith("|---")]
    return [Promise(row[0], row[1], tuple(re.findall(r"`([^`]+)`", row[2]))) for row in rows if len(row) == 3]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def violations(text: str) -> Iterator[str]:
    """Rows without a command, and commands that do not exist."""
    for promise in promises(text):
        if not promise.commands and not promise.sentence.startswith(_NOT_PROMISED):
            yield f"{promise.sentence}: nothing checks it"
        for command in promise.commands:
            if reason := _why_not(command):
                yield f"{promise.sentence}: `{command}` {reason}"


def _why_not(command: str) -> str:
    program, *arguments = shlex.split(command)
    if program.startswith("tests/"):
        return _why_no_test(program)
    match program:
        case "pytest":
            return "; ".join(filter(None, map(_why_no_test, (each for each in arguments if ".py" in each))))
        case "make":
            return _why_no_target(arguments)
        case "wedsync":
            return "" if arguments[:1] and arguments[0] in _commands() else "is no command"
        case _:
            return "is none of pytest, make and wedsync"


def _why_no_test(argument: str) -> str:
    path, _, name = argument.partition("::")
    file = ROOT / path
    if not file.is_file():
        return f"names {path}, which is not there"
    name = name.partition("[")[0]
    return "" if f"def {name}" in file.read_text(encoding="utf-8") else f"names {name}, which is not in {path}"


def _why_no_target(arguments: list[str]) -> str:
    target, *options = arguments
    word = next((each.removeprefix("ARGS=").split(" ")[0] for each in options if each.startswith("ARGS=")), "")
    campaigns: dict[str, Collection[str]] = {"bench": RUNS, "soak": CAMPAIGNS}
    known = campaigns.get(target)
    if known is None:
        return "" if target in {"test", "check", "run", "simulate"} else "is no target"
    return "" if word in known or word.startswith("--") or not word else f"has no campaign {word}"


def _commands() -> set[str | None]:
    return {each.name for each in app.registered_commands}
