"""The annotated conversation of docs/protocol.md as data: turns of frames, and the matching of words that differ."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
_BLOCK = re.compile(r"```conversation\n(.*?)```", re.DOTALL)
_PLACEHOLDER = re.compile(r"<[a-z0-9-]+>\Z")

Frame = dict[str, Any]


class Turn(NamedTuple):
    """What the client says, and what the server then says before the client speaks again.

    `after_break` says that the connection broke before it; `lost` frames were sent by the server and never arrived.
    """

    said: Frame
    answers: list[Frame]
    lost: list[Frame]
    after_break: bool


def read_conversation() -> list[Turn]:
    """Read the turns from the document."""
    found = _BLOCK.search(PROTOCOL.read_text(encoding="utf-8"))
    assert found is not None, "docs/protocol.md has no conversation"
    turns: list[Turn] = []
    broken = False
    for line in _joined(found[1]):
        if line.startswith("---"):
            broken = True
        elif line.startswith("> "):
            turns.append(Turn(_frame(line[2:]), [], [], broken))
            broken = False
        elif line.startswith("< "):
            turns[-1].answers.append(_frame(line[2:]))
        else:
            turns[-1].lost.append(_frame(line.removeprefix("(lost) ")))
    return turns


def matches(pattern: object, value: object, words: dict[str, object]) -> bool:
    """Whether a value is what the document says; a placeholder takes any value at first and the same one from then on."""
    if isinstance(pattern, str) and _PLACEHOLDER.match(pattern):
        if pattern in words:
            return words[pattern] == value
        words[pattern] = value
        return True
    if isinstance(pattern, dict) and isinstance(value, dict):
        shown = {words.get(name, name): inner for name, inner in pattern.items()}
        said = {name: inner for name, inner in value.items() if inner is not None or name in shown}
        return shown.keys() == said.keys() and all(matches(shown[name], said[name], words) for name in shown)
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(matches(*pair, words) for pair in zip(pattern, value, strict=True))
    return pattern == value and type(pattern) is type(value)


def filled(pattern: object, words: dict[str, object]) -> Any:
    """The pattern with the words that are known in place of its placeholders."""
    if isinstance(pattern, str):
        return words.get(pattern, pattern)
    if isinstance(pattern, dict):
        return {words.get(name, name): filled(inner, words) for name, inner in pattern.items()}
    if isinstance(pattern, list):
        return [filled(inner, words) for inner in pattern]
    return pattern


def _joined(block: str) -> list[str]:
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith("   "):
            lines[-1] += line.strip()
        elif line and not line.startswith("#"):
            lines.append(line)
    return lines


def _frame(text: str) -> Frame:
    return msgspec.json.decode(text, type=Frame)
