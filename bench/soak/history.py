"""What clients asked and what they were told, in the order in which it happened, one JSON line each.

A `mark` is a text that only one op carries, so that an op can be found again whatever number it got. Times are in seconds of one
monotonic clock. Written by `load`, read by `checks`.
"""

import re
import time
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

Kind = Literal["invoke", "queued", "saved", "applied", "rejected", "unknown", "sync", "event", "seen", "away", "back"]
#: The form of a mark, anywhere in a text.
MARK: Final = re.compile(r"\bs\d+-[a-z0-9-]*\d+\b")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. `saved` promises a place in the log, `queued` (an integrator's) only a decision.

    `holds` maps channels to the sequence at which the client stood when an op was answered. A `sync` sets where a channel
    stands; an `event` must be the next one there. `seen` lists the marks in the bytes of a frame. A client is `away` from the
    loss of its connection until it is `back`: up to date again. Who watches the wire says as which `person`, and of an event
    inside a sync where that sync ended. `asks` is what an op wanted beside writing its mark (see `deeds`).
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
    person: str = ""
    sync_end: int = 0
    marks: tuple[str, ...] = ()
    asks: dict[str, Any] = {}


class Stored(msgspec.Struct, frozen=True):
    """One stored decision, as far as the checks need it.

    `sequences` are those of its parts, `marks` maps the texts that it wrote to their channels, `roles` people to what they
    became (None: nobody any more), `timers` those that it armed to when they are due (Unix ms; None: cancelled). `fired` is
    the timer whose firing it is. `quoted` are texts of other ops that it holds, in records, reminders and what is brought back.
    An op that `waits` for others is not decided yet: another line of it follows.
    """

    wedding: str
    position: int
    op: str
    principal: str
    applied: bool
    sequences: dict[str, int] = {}
    marks: dict[str, tuple[str, ...]] = {}
    roles: dict[str, str | None] = {}
    timers: dict[str, int | None] = {}
    fired: str = ""
    quoted: dict[str, tuple[str, ...]] = {}
    waits: bool = False


class Heads(msgspec.Struct, frozen=True):
    """Where somebody's copy of a wedding stands: channel to sequence and digest."""

    wedding: str
    client: str
    channels: dict[str, tuple[int, str]]


class History:
    """The entries of one run, in memory and, line by line, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
