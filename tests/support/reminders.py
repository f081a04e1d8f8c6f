"""A task that reminds, over real servers: armed by an op, seen at every step of its way, and counted at the end (design D6).

`Reminder` speaks of one wedding with one task; `stopped_at` lets hosts in the test's own loop wait for ever at a named step,
so that a test can kill them there.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actors.contract.decisions import Decision
from actors.contract.events import instant_of
from actors.contract.ids import TIMER_PRINCIPAL, partition_of
from actors.contract.ops import Op, Target
from actors.contract.subjects import TIMERS_STREAM, log_subject
from store import stored_changes
from store.bus import Bus
from store.postgres import Database
from tests.support.hosts import LogAuthor
from tests.support.refold import require_stored_equals_log
from tests.support.waiting import eventually

TASK = "band"


class Reminder:
    """One wedding of `ana` with one task; the assignee is `ana`."""

    def __init__(self, author: LogAuthor, host_bus: Bus, database: Database, wedding: str = "w1") -> None:
        self.author = author
        self.wedding = wedding
        self._bus = host_bus
        self._database = database
        self._log_subject = log_subject("r0", "w", wedding, TIMER_PRINCIPAL)

    async def arm(self, after_seconds: float = 0.0) -> int:
        """Create the wedding and the task, due so many seconds from now; returns the position."""
        await self.author.create_wedding(self.wedding)
        data: dict[str, Any] = {"title": "Book the band", "assignee": "ana", "remindAt": _in(after_seconds)}
        op = Op("task_completion", "insert", Target("tasks", TASK), self.author.next_id("ana"), data)
        return await self.author.write(self.wedding, "ana", op)

    async def change(self, **data: Any) -> int:
        """Update the task; returns the position."""
        op = Op("task_completion", "update", Target("tasks", TASK), self.author.next_id("ana"), data)
        return await self.author.write(self.wedding, "ana", op)

    async def is_stored(self) -> bool:
        """Tell whether PostgreSQL has an armed timer of the wedding."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM timers WHERE id = $1", self.wedding))

    async def is_sent(self) -> bool:
        """Tell whether it is struck off: TIMERS has acknowledged it."""
        async with self._database.connection() as connection:
            statement = "SELECT count(*) FROM timers WHERE id = $1 AND sent_at IS NOT NULL"
            return bool(await connection.fetchval(statement, self.wedding))

    async def is_scheduled(self) -> bool:
        """Tell whether TIMERS has a schedule that has not fired."""
        return bool(await self._subjects(TIMERS_STREAM, f"timer.r0.{partition_of(self.wedding)}.w.{self.wedding}.>"))

    async def is_due(self) -> bool:
        """Tell whether TIMERS has a firing for the log."""
        return bool(await self._subjects(TIMERS_STREAM, f"due.*.r0.*.w.{self.wedding}"))

    async def firings(self) -> int:
        """Count the firings that the log has taken in."""
        return (await self._subjects("LOG_0", self._log_subject)).get(self._log_subject, 0)

    async def _subjects(self, stream: str, subjects: str) -> dict[str, int]:
        info = await self._bus.js_request(f"STREAM.INFO.{stream}", {"subjects_filter": subjects})
        return info["state"].get("subjects") or {}

    async def decided(self) -> list[Decision]:
        """The firings that are decided and stored."""
        found = await stored_changes.read_after(self._database, "w", self.wedding, 0, limit_decisions=1000)
        return [each for each in found if each.principal == TIMER_PRINCIPAL]

    async def require_once(self) -> None:
        """Wait until nothing is under way any more; then the assignee has one reminder, and store and log agree about it."""
        await eventually(self.decided, "a firing is decided", within_seconds=20)

        async def is_over() -> bool:
            return not await self.is_stored() and not await self.is_scheduled()

        await eventually(is_over, "nothing is armed any more", within_seconds=20)
        await self.author.insert_task(self.wedding, "last")
        fold = await require_stored_equals_log(self._bus, self._database)
        inbox = fold.states["w", self.wedding].items["inbox"]
        assert [item.fields["text"] for item in inbox.values()] == ["Reminder: Book the band"]
        assert len(await self.decided()) == 1


@contextmanager
def stopped_at(monkeypatch: pytest.MonkeyPatch, module: Any, function: str) -> Iterator[asyncio.Event]:
    """Whoever calls the function of the store waits there for ever; the event tells that somebody does."""
    reached = asyncio.Event()

    async def wait_for_ever(*_arguments: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(module, function, wait_for_ever)
        yield reached


def _in(seconds: float) -> str:
    return instant_of(int((time.time() + seconds) * 1000))
