"""Armed timers in PostgreSQL: written with the changes they come from, sent until acknowledged (design D6)."""

import time

import pytest

from actors.contract.decisions import CancelTimer, Decision, Effect, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL, timer_op_id
from store import changes, timers
from store.changes import Row
from store.postgres import Database
from store.timers import TimerRow
from tests.store.decisions import decision

pytestmark = pytest.mark.servers
GENERATION = 1
TIMER = "tasks.band.remind"
#: Timers of the tests are due long after they run, unless they say otherwise.
LATER_MS = 4_000_000_000_000
AHEAD_SECONDS = 60.0


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with a checkpoint at 0 for every partition."""
    await changes.checkpoints(database, GENERATION, 8)
    return database


async def flush(store: Database, old: int, *decided: Decision, expect_refused: bool = False) -> None:
    """Store the decisions of the wedding w1, whose partition is at `old`."""
    new = decided[-1].position
    refused = await changes.flush(store, GENERATION, {1: (old, new)}, [Row(1, "w", "w1", decided)])
    assert bool(refused) is expect_refused


def arming(rev: int, number: int, due_ms: int = LATER_MS) -> Decision:
    return with_effects(rev, StartTimer(TIMER, due_ms, b"body %d" % number, number))


def with_effects(rev: int, *effects: Effect) -> Decision:
    return decision(rev, effects=effects)


def firing(rev: int, number: int) -> Decision:
    return decision(rev, op=timer_op_id(TIMER, number), principal=TIMER_PRINCIPAL, client="timer", number=0)


def row(number: int, due_ms: int | None = LATER_MS) -> TimerRow:
    return TimerRow(1, "w", "w1", TIMER, number, due_ms, b"" if due_ms is None else b"body %d" % number)


async def waiting(store: Database) -> list[TimerRow]:
    return await timers.to_send(store, [1], AHEAD_SECONDS)


async def test_d6_an_armed_timer_is_sent_until_it_is_acknowledged(store: Database) -> None:
    """It waits from the flush on, for its own partition's owner alone, until it is struck off."""
    await flush(store, 0, arming(1, 1))
    assert await waiting(store) == [row(1)]
    assert await timers.to_send(store, [0, 2, 3], AHEAD_SECONDS) == []
    await timers.strike(store, [row(1)])
    assert await waiting(store) == []


async def test_d6_a_refused_flush_arms_nothing(store: Database) -> None:
    """Timers are written with the changes they come from or not at all."""
    await flush(store, 5, arming(6, 1), expect_refused=True)
    assert await waiting(store) == []


async def test_d6_an_acknowledgement_of_an_earlier_arming_counts_for_nothing(store: Database) -> None:
    """A timer that was armed anew while it was being sent is sent again."""
    await flush(store, 0, arming(1, 1))
    await flush(store, 1, arming(2, 2, LATER_MS + 1))
    await timers.strike(store, [row(1)])
    assert await waiting(store) == [row(2, LATER_MS + 1)]


async def test_d6_a_cancelled_timer_is_taken_away_and_then_forgotten(store: Database) -> None:
    """Its row stays until its schedule is gone; armed anew meanwhile, it is kept."""
    await flush(store, 0, arming(1, 1))
    await timers.strike(store, [row(1)])
    await flush(store, 1, with_effects(2, CancelTimer(TIMER)))
    assert await waiting(store) == [row(1, None)]
    await flush(store, 2, arming(3, 2))
    await timers.strike(store, [row(1, None)])
    assert await waiting(store) == [row(2)]
    await flush(store, 3, with_effects(4, CancelTimer(TIMER)))
    await timers.strike(store, [row(2, None)])
    await timers.send_all_again(store)
    assert await waiting(store) == []


async def test_d6_what_fired_is_forgotten(store: Database) -> None:
    """A firing that was decided leaves nothing to send, and one that arms its timer anew leaves the new one."""
    await flush(store, 0, arming(1, 1))
    await flush(store, 1, firing(2, 1))
    assert await waiting(store) == []
    await flush(store, 2, arming(3, 2), firing(4, 2), arming(5, 3))
    assert await waiting(store) == [row(3)]


async def test_d6_a_timer_due_soon_or_overdue_is_sent_again(store: Database) -> None:
    """What was acknowledged is sent again when its time is near and the last sending is long ago, and when TIMERS was lost."""
    soon = int(time.time() * 1000) + 10_000
    await flush(store, 0, arming(1, 1, soon))
    await timers.strike(store, [row(1, soon)])
    assert await waiting(store) == []
    async with store.connection() as connection:
        await connection.execute("UPDATE timers SET sent_at = now() - interval '61 seconds'")
    assert await waiting(store) == [row(1, soon)]
    await timers.strike(store, [row(1, soon)])
    assert await waiting(store) == []
    await timers.send_all_again(store)
    assert await waiting(store) == [row(1, soon)]
