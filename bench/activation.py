"""`make bench ARGS="activation"`: how long opening a wedding takes after 1,000,000 past ops, against one with 1,000 (design D7).

Builds both histories in PostgreSQL with the host's own rules, flush and snapshots, over many days, then opens them in turn, as a
host does before it folds: newest snapshot, changes after it. Also looks old ops up and pages back. One process, no NATS.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import structlog

from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry, Op, Target
from actors.contract.subjects import WEDDING
from actors.domain import snapshot_form
from actors.domain.decide import Meta, decide
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import new_state
from actors.runtime.activation import load
from config.supervision.data_folder import DataFolder
from config.supervision.servers import running_servers
from store import changes, snapshots, stored_changes
from store.changes import Row
from store.host_store import HostStore
from store.migrate import migrate
from store.postgres import Database
from store.snapshots import SnapshotRow
from store.streams import LogIdentity

GENERATION: Final = 1
PARTITIONS: Final = 64
SHORT_OPS: Final = 1_000
OPS_PER_BLOCK: Final = 10
#: What has come since the newest snapshot: half of what the policy lets come.
OPS_SINCE_SNAPSHOT: Final = 250
ITEMS: Final = 300
ROUNDS: Final = 20
LONGEST_RATIO: Final = 1.5
DAY_MS: Final = 24 * 3600 * 1000
START_MS: Final = 1_813_363_200_000
CLIENT: Final = "20270619-bench0000"

_MOVES: Final = (
    "UPDATE changes SET day = day - $2::int WHERE id = $1 AND day = (now() AT TIME ZONE 'UTC')::date",
    "UPDATE change_marks SET day = day - $2::int WHERE id = $1 AND day = (now() AT TIME ZONE 'UTC')::date",
    "UPDATE snapshots SET taken_at = now() - make_interval(days => $2) WHERE id = $1 AND taken_at > now() - interval '1 h'",
)

Measure = Callable[[Database, str, int], Awaitable[object]]


class History:
    """One wedding being written: its state, and where it stands in its partition."""

    def __init__(self, wedding: str, partition: int) -> None:
        self.state = new_state(wedding)
        self.partition = partition

    def take(self, ops: int, now_ms: int) -> Iterator[list[Decision]]:
        """Decide so many ops and yield their blocks."""
        block: list[Decision] = []
        for _ in range(ops):
            number = self.state.rev + 1
            meta = Meta(self.state.id, "amara", number, now_ms, NEWEST)
            decision = decide(self.state, LogEntry(_op(self.state.id, number), "websocket", "bench/1"), meta)
            assert isinstance(decision, Decision)
            assert decision.refusal is None
            evolve(self.state, decision)
            block.append(decision)
            if len(block) == OPS_PER_BLOCK:
                yield block
                block = []
        if block:
            yield block

    def snapshot(self) -> SnapshotRow:
        """The state written down as it is now."""
        state = self.state
        form = snapshot_form.encode(state)
        return SnapshotRow(WEDDING, state.id, self.partition, state.rev, state.position, snapshot_form.FORMAT, form)


def _op(wedding: str, number: int) -> Op:
    op_id = f"{CLIENT}:{number}"
    if number == 1:
        data: dict[str, object] = {"title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF"}
        return Op("timeline_update", "insert", Target("wedding", wedding), op_id, data | {"role": "couple"})
    task = Target("tasks", f"task-{number % ITEMS}")
    if number < ITEMS + 2:
        return Op("task_completion", "insert", task, op_id, {"title": f"Task {number}", "done": False})
    return Op("task_completion", "update", task, op_id, {"title": f"Task {number}"})


async def _write(database: Database, history: History, ops: int, days: int) -> None:
    """Store a history whose last day is today: each day's share is flushed today and moved to its day then."""
    written, before_snapshot = 0, ops - OPS_SINCE_SNAPSHOT
    for age in range(days - 1, -1, -1):
        upto = max(1, before_snapshot * (days - age) // days)
        await _flush(database, history, upto - written, age)
        await snapshots.write(database, GENERATION, [history.snapshot()])
        written = upto
        if age:
            await _move_to_day(database, history.state.id, age)
    await _flush(database, history, OPS_SINCE_SNAPSHOT, 0)


async def _flush(database: Database, history: History, ops: int, age: int) -> None:
    old = history.state.position
    rows = [Row(history.partition, WEDDING, history.state.id, block) for block in history.take(ops, START_MS - age * DAY_MS)]
    if rows:
        refused = await changes.flush(database, GENERATION, {history.partition: (old, history.state.position)}, rows)
        assert not refused


async def _move_to_day(database: Database, wedding: str, age: int) -> None:
    async with database.transaction() as connection:
        for statement in _MOVES:
            await connection.execute(statement, wedding, age)


async def _make_days(database: Database, days: int) -> None:
    async with database.connection() as connection:
        for age in range(1, days):
            day = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date - $1::int", age)
            name = f"changes_{day:%Y%m%d}"
            await connection.execute(f"CREATE TABLE {name} PARTITION OF changes FOR VALUES FROM ('{day}') TO ('{day}'::date + 1)")


async def _open(database: Database, wedding: str, _ops: int) -> None:
    state, _ = await load(HostStore(database, LogIdentity("", GENERATION, PARTITIONS, 1)), WEDDING, wedding)
    assert state.rev == _ops


async def _look_up(database: Database, wedding: str, _ops: int) -> None:
    assert await stored_changes.find(database, WEDDING, wedding, "amara", f"{CLIENT}:{SHORT_OPS // 2}") is not None


async def _page_back(database: Database, wedding: str, ops: int) -> None:
    assert await stored_changes.read_before(database, WEDDING, wedding, ops // 2, limit_decisions=100)


async def _history(database: Database, wedding: str, _ops: int) -> None:
    assert await stored_changes.read_since(database, WEDDING, wedding, START_MS, limit_decisions=100)


MEASURES: Final[dict[str, Measure]] = {
    "open": _open,
    "look an old op up": _look_up,
    "page back from the middle": _page_back,
    "history since today": _history,
}


async def run_activation(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Build, measure in turn, and report medians in milliseconds and their ratios."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    lengths = {"short": SHORT_OPS, "long": options.ops}
    data = DataFolder(folder / "data")
    data.create()
    data.ensure_keys()
    async with running_servers(data) as settings:
        database = await Database.open(settings.database_url.get_secret_value(), timeout_seconds=120.0)
        try:
            await migrate(database)
            await changes.checkpoints(database, GENERATION, PARTITIONS)
            await _make_days(database, options.days)
            for partition, (wedding, ops) in enumerate(lengths.items()):
                began = time.monotonic()
                await _write(database, History(wedding, partition), ops, options.days)
                _tell(f"{wedding}: {ops} ops over {options.days} days written in {time.monotonic() - began:.0f} s")
            async with database.connection() as connection:
                await connection.execute("ANALYZE")
            measured = {name: await _in_turn(database, measure, lengths) for name, measure in MEASURES.items()}
        finally:
            await database.close()
    for name, found in measured.items():
        print(f"{name:<26} {found['short']:7.2f} ms  {found['long']:7.2f} ms  ratio {found['ratio']:.2f}")
    return {"ops": options.ops, "days": options.days, "measured": measured, "passed": measured["open"]["ratio"] <= LONGEST_RATIO}


async def _in_turn(database: Database, measure: Measure, lengths: dict[str, int]) -> dict[str, float]:
    """Measure both weddings alternately, after one round that fills the caches; medians in milliseconds."""
    taken: dict[str, list[float]] = {wedding: [] for wedding in lengths}
    for number in range(ROUNDS + 1):
        for wedding, ops in lengths.items():
            began = time.perf_counter()
            await measure(database, wedding, ops)
            if number:
                taken[wedding].append((time.perf_counter() - began) * 1000)
    medians = {wedding: median(each) for wedding, each in taken.items()}
    return medians | {"ratio": medians["long"] / medians["short"]}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
