"""What clients asked and what they were told, in the order in which it happened, one JSON line each.

A `mark` is a text that only one op carries, so that an op can be found again whatever number it got. Times are in seconds of one
monotonic clock. Written by `load`, read by `checks`.
"""

import time
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["invoke", "queued", "saved", "applied", "rejected", "unknown", "sync", "event"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. `saved` promises a place in the log, `queued` (an integrator's) only a decision.

    `holds` maps channels to the sequence at which the client stood when an op was answered. A `sync` sets where a channel
    stands; an `event` must be the next one there.
    """

    time: float
    wedding: str
    client: str
    kind: Kind
    mark: str = ""
    op: str = ""
    code: str = ""
    channel: str = ""
    sequence: int = 0
    holds: dict[str, int] = {}


class Stored(msgspec.Struct, frozen=True):
    """One stored decision, as far as the checks need it; `sequences` are those of its parts, `marks` the texts it wrote."""

    wedding: str
    position: int
    op: str
    principal: str
    applied: bool
    sequences: dict[str, int] = {}
    marks: tuple[str, ...] = ()


class Heads(msgspec.Struct, frozen=True):
    """Where somebody's copy of a wedding stands: channel to sequence and digest."""

    wedding: str
    client: str
    channels: dict[str, tuple[int, str]]


class History:
    """The entries of one run, in memory and, line by line, in a file."""

    def __init__(self, path: Path) -> None:
        self.entries: list[Entry] = []
        self._began = time.monotonic()
        self._encode = msgspec.json.Encoder().encode
        self._file = path.open("ab")

    def note(self, wedding: str, client: str, kind: Kind, *, mark: str = "", op: str = "", code: str = "") -> None:
        """Note what became of an op."""
        self.add(Entry(self.now(), wedding, client, kind, mark, op, code))

    def add(self, entry: Entry) -> None:
        """Note anything."""
        self.entries.append(entry)
        self._file.write(self._encode(entry) + b"\n")

    def now(self) -> float:
        """Seconds since the history began."""
        return time.monotonic() - self._began

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()
