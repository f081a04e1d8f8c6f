"""`make bench ARGS="documents"`: a document after 1,000,000 edits: how long it takes to open, and what it needs beside its text.

Two people type and delete, each edit folded by the rules; then the state is written as a snapshot and opened as a host does it:
read, and the ops since the last snapshot followed. Also what one keystroke costs by the length of the text. Pure calculation.
"""

import argparse
import random
import time
import tracemalloc
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry, Op, Target
from actors.contract.text_ot import Delta
from actors.domain import snapshot_form
from actors.domain.decide import Meta, decide
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import ActorState, new_state

_WEDDING: Final = "documents-bench"
_START_MS: Final = 1_813_363_200_000
_CHANNEL: Final = "documents.team"
#: About two pages: when the text is longer, more is deleted than typed.
_LENGTH: Final = 5_000
#: Two edits write at most ten letters, and a third deletes four.
_UNSEEN: Final = 14
#: More ops than a host leaves between two snapshots.
_SINCE_SNAPSHOT: Final = 500
_OPENINGS: Final = 20
_MOST_MILLISECONDS: Final = 100.0
_LENGTHS: Final = (1_000, 10_000, 100_000, 190_000)
_TARGET: Final = Target("documents", "vows", "text")


class Writing:
    """One document and two people at it; `recent` are the decisions since the last snapshot."""

    def __init__(self, seed: int) -> None:
        self.state: ActorState = new_state(_WEDDING)
        self.recent: deque[Decision] = deque(maxlen=_SINCE_SNAPSHOT)
        self._random = random.Random(seed)
        self._numbers = {"amara": 0, "petra": 0}
        wedding: dict[str, object] = {"title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF"}
        self._ask("amara", Op("timeline_update", "insert", Target("wedding", _WEDDING), data={**wedding, "role": "couple"}))
        person: dict[str, object] = {"name": "Petra", "role": "planner"}
        self._ask("amara", Op("permission_update", "insert", Target("people", "petra"), data=person))
        self._ask("amara", Op("document_edit", "insert", Target("documents", "vows"), data={"title": "Vows", "text": ""}))

    @property
    def text(self) -> str:
        """The text as it is."""
        text: str = self.state.items["documents"]["vows"].fields["text"]
        return text

    def keystroke(self, number: int) -> None:
        """Let one of them type or delete a few letters, not having seen the other's last edit."""
        person = "amara" if number % 2 else "petra"
        base = max(self.state.channels[_CHANNEL].sequence - number % 3, 1)
        # Where the text reached in any case before the two edits that its writer may not have seen.
        length = max(len(self.text) - _UNSEEN, 0)
        place = self._random.randint(0, length)
        delta: Delta = [{"retain": place}] if place else []
        if length > 16 and self._random.random() < (0.6 if length > _LENGTH else 0.3):
            delta.append({"delete": self._random.randint(1, 4)})
        else:
            delta.append({"insert": "love "[: self._random.randint(1, 5)]})
        self._ask(person, Op("document_edit", "edit", _TARGET, data={"delta": delta}, base={_CHANNEL: base}))

    def grow(self, length: int) -> None:
        """Make the text at least so long."""
        while len(self.text) < length:
            self._ask("amara", Op("document_edit", "edit", _TARGET, data={"delta": [{"insert": "I take you. " * 2_000}]}))

    def _ask(self, person: str, op: Op) -> None:
        self._numbers[person] += 1
        named = Op(op.type, op.action, op.target, f"20270619-{person}0000:{self._numbers[person]}", op.data, op.base)
        meta = Meta(_WEDDING, person, sum(self._numbers.values()), _START_MS, NEWEST)
        decision = decide(self.state, LogEntry(named, "websocket", "bench/1"), meta)
        assert isinstance(decision, Decision)
        assert decision.refusal is None, decision.refusal
        evolve(self.state, decision)
        self.recent.append(decision)


async def run_documents(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Type `options.ops` edits and measure; needs no folder."""
    del folder
    writing = Writing(options.seed)
    began = time.perf_counter()
    for number in range(options.ops - _SINCE_SNAPSHOT):
        writing.keystroke(number)
    snapshot = snapshot_form.encode(writing.state)
    for number in range(_SINCE_SNAPSHOT):
        writing.keystroke(number)
    seconds = time.perf_counter() - began
    opened = sorted(_opening_milliseconds(snapshot, writing.recent) for _ in range(_OPENINGS))
    tracemalloc.start()
    kept = snapshot_form.decode(snapshot)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept.items["documents"]["vows"].fields["title"] == "Vows"
    report = {
        "edits": options.ops,
        "edits_per_second": round(options.ops / seconds),
        "text_bytes": len(writing.text.encode()),
        "snapshot_bytes": len(snapshot),
        "memory_bytes": memory,
        "opening_milliseconds": {"median": round(median(opened), 1), "worst": round(opened[-1], 1)},
        "keystroke_microseconds": {str(length): round(_keystroke_microseconds(length, options.seed)) for length in _LENGTHS},
        "passed": opened[-1] < _MOST_MILLISECONDS,
    }
    for name, value in report.items():
        print(f"{name:<24} {value}")
    return report


def _opening_milliseconds(snapshot: bytes, since: Iterable[Decision]) -> float:
    began = time.perf_counter()
    state = snapshot_form.decode(snapshot)
    for decision in since:
        evolve(state, decision)
    return (time.perf_counter() - began) * 1e3


def _keystroke_microseconds(length: int, seed: int) -> float:
    writing = Writing(seed)
    writing.grow(length)
    spent = []
    for number in range(200):
        began = time.perf_counter()
        writing.keystroke(number)
        spent.append((time.perf_counter() - began) * 1e6)
    return median(spent)
