"""Conflicts: what one costs in the fold, and how soon both sides know under 2,000 ops/s of which one in ten is a conflict.

The fold is measured by itself, in processor time; then pairs of members write one field in the same moment among the ladder's
edits. Time runs from the second op being sent until every member, both sides included, has its outcome with record and notices.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final

from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry
from actors.domain.decide import Meta, decide
from actors.domain.evolve import evolve
from bench.generator import percentiles
from bench.installation import Installation, Site
from bench.ladder import loaded_weddings, run_step
from bench.report import step_line
from config.supervision.roles import role_settings
from store.postgres import Database
from tests.support.disputes import seen_by_all
from tests.support.folding import Fold, op_of, wedding_with_members

RATE: Final = 2_000.0
CONFLICTING: Final = 0.1
LONGEST_SETTLED_P99_MS: Final = 200.0
LONGEST_DECISION_P99_MS: Final = 1.0
_DISPUTES: Final = 5_000
_STORED_WITHIN_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5
#: One field for each strategy of the table.
_FIELDS: Final[tuple[tuple[str, dict[str, Any], str, Any, Any], ...]] = (
    ("tasks", {"title": "t"}, "title", "a", "b"),
    ("tables", {"name": "t", "capacity": 8}, "capacity", 9, 10),
    ("guests", {"firstName": "z", "needs": ["ramp"]}, "needs", ["ramp", "ear"], ["sign"]),
    ("tasks", {"title": "t"}, "assignee", "petra", "bloom"),
    ("budget", {"item": "b", "deposit": 1}, "deposit", 2, 3),
)


async def run_conflicts(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure both and say whether they keep their bounds."""
    decisions = decision_times()
    print(f"decision and evolution of {_DISPUTES} conflicting ops: {decisions} ms")
    async with Installation(folder, environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation:
        load = loaded_weddings(installation, folder, weddings=options.weddings, members=options.members or 5, seed=options.seed)
        async with load as generator:
            await generator.joined()
            result = await run_step(generator, options.rate or RATE, seconds=options.seconds, conflicting=CONFLICTING)
        recorded = await _recorded(installation.site, result["disputes"])
    print(step_line(result))
    print(f"{result['disputes']} disputes, {recorded} records stored; settled for all within {result['settled_ms']} ms")
    clean = not (result["lost"] or result["duplicated"] or result["disturbances"])
    soon = bool(result["settled_ms"]) and result["settled_ms"]["p99"] <= LONGEST_SETTLED_P99_MS
    passed = clean and soon and decisions["p99"] <= LONGEST_DECISION_P99_MS and recorded >= result["disputes"] // 2
    return {"decision_ms": decisions, "load": result, "recorded": recorded, "passed": passed}


def decision_times() -> dict[str, float]:
    """Decide conflicting ops of every strategy in a wedding that fills with records; percentiles in milliseconds."""
    fold = wedding_with_members()
    for number, (collection, item, *_) in enumerate(_FIELDS):
        fold.act("amara", collection, "insert", f"x{number}", item)
    times: list[float] = []
    for dispute in range(_DISPUTES):
        number = dispute % len(_FIELDS)
        collection, _, field, one, other = _FIELDS[number]
        fold.now_ms += 60_000
        base = seen_by_all(fold)
        fold.act("petra", collection, "update", f"x{number}", {field: one}, base=base)
        times.append(_decided(fold, dispute + 1, collection, f"x{number}", {field: other}, base))
    return percentiles(times)


def _decided(fold: Fold, number: int, collection: str, item: str, data: dict[str, Any], base: dict[str, int]) -> float:
    """Let the couple's second client meet what was just written; returns the seconds of decide and evolve."""
    op = op_of(f"20270619-benchpad:{number}", collection, "update", item, data, base)
    entry, meta = LogEntry(op, "websocket", "bench/1"), Meta(fold.state.id, "amara", len(fold.log) + 1, fold.now_ms, fold.rules)
    began = thread_time()
    decision = decide(fold.state, entry, meta)
    assert isinstance(decision, Decision)
    evolve(fold.state, decision)
    spent = thread_time() - began
    fold.log.append((entry, meta))
    return spent


async def _recorded(site: Site, wanted: int) -> int:
    """Count the records in the table, once it has as many as there were disputes, or stays where it is."""
    database = await Database.open(role_settings(site.data, "host").database_url.get_secret_value(), max_size=1)
    try:
        ends, found = perf_counter() + _STORED_WITHIN_SECONDS, -1
        while found < wanted and perf_counter() < ends:
            await asyncio.sleep(_LOOK_SECONDS)
            async with database.connection() as connection:
                found = int(await connection.fetchval("SELECT count(*) FROM conflicts"))
        return found
    finally:
        await database.close()
