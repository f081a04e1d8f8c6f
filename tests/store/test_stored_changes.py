"""Reading a long history: over many days, whatever the clock does, and never by looking at all of it (design D7)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.contract.decisions import Decision
from store import changes, stored_changes
from store.changes import Row
from store.postgres import Database
from tests.store.decisions import CLIENT, START_MS, decision, decisions

pytestmark = pytest.mark.servers
GENERATION = 1
PARTITION = 1
#: Every table that knows the day of a block.
TABLES = ("changes", "change_marks", "checkpoints")


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with a checkpoint at 0 for every partition."""
    await changes.checkpoints(database, GENERATION, 8)
    return database


async def write(store: Database, *blocks: list[Decision]) -> None:
    """Flush each block of w1 by itself, one after the other."""
    stored = (await changes.checkpoints(store, GENERATION, 8))[PARTITION]
    for block in blocks:
        moves = {PARTITION: (stored, block[-1].position)}
        assert await changes.flush(store, GENERATION, moves, [Row(PARTITION, "w", "w1", block)]) == {}
        stored = block[-1].position


async def write_over_days(store: Database, *blocks: list[Decision]) -> None:
    """Flush each block a day after the one before it, the last one today, into day partitions of their own."""
    async with store.connection() as connection:
        for age in range(1, len(blocks)):
            day = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date - $1::int", age)
            await connection.execute(
                f"CREATE TABLE changes_past_{age} PARTITION OF changes FOR VALUES FROM ('{day}') TO ('{day}'::date + 1)"
            )
    for block in blocks:
        await move_days(store, -1)
        await write(store, block)


async def move_days(store: Database, days: int) -> None:
    """Let everything that is stored have been stored on another day."""
    async with store.transaction() as connection:
        for table in TABLES:
            await connection.execute(f"UPDATE {table} SET day = day + $1::int WHERE day > 'epoch'", days)


async def test_d7_a_history_over_many_days_reads_as_one(store: Database) -> None:
    """From every place and in every direction nothing is missing and nothing comes twice."""
    await write_over_days(store, *([decision(rev), decision(rev + 1)] for rev in range(1, 80, 2)))
    for rev in (0, 1, 2, 39, 40, 78, 79, 80):
        assert await stored_changes.read_after(store, "w", "w1", rev, limit_decisions=1000) == decisions(rev + 1, 80)
        assert await stored_changes.read_before(store, "w", "w1", rev, limit_decisions=1000) == decisions(1, rev)
        since_ms = START_MS + rev * 1000
        assert await stored_changes.read_since(store, "w", "w1", since_ms, limit_decisions=1000) == decisions(max(rev, 1), 80)
    assert await stored_changes.find(store, "w", "w1", "ann", f"{CLIENT}:3") == decision(3)
    assert await stored_changes.find(store, "w", "w1", "ann", f"{CLIENT}:81") is None


async def test_d7_decisions_of_one_millisecond_are_all_read(store: Database) -> None:
    """A history from an instant on begins with the first decision of that millisecond, also across a mark."""
    same = [decision(rev, now_ms=START_MS) for rev in range(1, 1201)]
    await write(store, same[:998], same[998:999], same[999:1000], same[1000:])
    assert await stored_changes.read_since(store, "w", "w1", START_MS, limit_decisions=2000) == same


async def test_d7_a_clock_that_goes_back_hides_no_block(store: Database) -> None:
    """Blocks are stored under days that never go back, so that what is younger is never looked for among the older."""
    await write(store, decisions(1, 10))
    await move_days(store, 3)
    await write(store, decisions(11, 20))
    for rev in (5, 10, 15):
        assert await stored_changes.read_after(store, "w", "w1", rev, limit_decisions=100) == decisions(rev + 1, 20)


class Plans:
    """What PostgreSQL did for the statements of a reading: the days and the rows of the table `changes` that it visited."""

    def __init__(self) -> None:
        self.days: set[str] = set()
        self.rows = 0

    def forget(self) -> None:
        """Begin anew."""
        self.days.clear()
        self.rows = 0

    def add(self, node: dict[str, Any]) -> None:
        """Take note of a plan and of those below it."""
        if node.get("Relation Name", "").startswith("changes") and node["Actual Loops"]:
            self.days.add(node["Relation Name"])
            self.rows += int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * int(node["Actual Loops"])
        for child in node.get("Plans", []):
            self.add(child)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    """The plans of everything that is read in this test from here on."""
    found = Plans()
    fetch = stored_changes._fetch

    async def explained(database: Database, statement: str, *arguments: Any) -> list[Any]:
        lines = await fetch(database, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
        found.add(json.loads(lines[0][0])[0]["Plan"])
        return await fetch(database, statement, *arguments)

    monkeypatch.setattr(stored_changes, "_fetch", explained)
    return found


async def test_d7_the_head_of_a_long_history_is_read_without_the_rest(store: Database, plans: Plans) -> None:
    """After, before, since, one op: of 20 days and 12,000 ops only the day and blocks are visited that can hold the answer."""
    await write_over_days(store, *(decisions(first, first + 99) for first in range(1, 2001, 100)))
    rows = [Row(PARTITION, "w", "w1", [decision(rev)]) for rev in range(2001, 12_001)]
    assert await changes.flush(store, GENERATION, {PARTITION: (2000, 12_000)}, rows) == {}
    async with store.connection() as connection:
        await connection.execute("ANALYZE changes, change_marks")
    readings: tuple[Callable[[], Awaitable[list[Decision]]], ...] = (
        lambda: stored_changes.read_after(store, "w", "w1", 11_990, limit_decisions=1000),
        lambda: stored_changes.read_since(store, "w", "w1", START_MS + 11_990_000, limit_decisions=1000),
        lambda: stored_changes.read_before(store, "w", "w1", 12_000, limit_decisions=10),
    )
    for read in readings:
        plans.forget()
        assert len(await read()) >= 10
        assert len(plans.days) == 1, plans.days
        assert plans.rows <= 1100
    plans.forget()
    assert await stored_changes.find(store, "w", "w1", "ann", f"{CLIENT}:3777") == decision(3777)
    assert plans.rows <= 300


async def test_d7_marks_are_few_and_plans_are_made_for_their_days(store: Database) -> None:
    """A flush of many blocks leaves one mark a day and one per 1,000 revs, and no reading falls back to a plan for all days."""
    await write_over_days(store, *(decisions(first, first + 99) for first in range(1, 501, 100)))
    rows = [Row(PARTITION, "w", "w2", [decision(rev)]) for rev in range(1, 3001)]
    assert await changes.flush(store, GENERATION, {PARTITION: (500, 3500)}, rows) == {}
    for _ in range(10):
        assert len(await stored_changes.read_after(store, "w", "w2", 2990, limit_decisions=1000)) == 10
    async with store.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM change_marks WHERE id = 'w2'") == 1 + 3
        planned = "SELECT sum(generic_plans) FROM pg_prepared_statements WHERE cardinality(parameter_types) > 0"
        assert await connection.fetchval(planned) == 0
