"""Keeping TIMERS what the fold has armed and cancelled, after it was stored (design D6).

A new owner first sends what is left. What falls due soon, or is overdue and has not fired, is sent again now and then, so that
nothing depends on TIMERS keeping what it has taken; repeats are ignored by the fold. Nudged by flusher and ownership.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from store.errors import JetStreamError, NoResponder, StoreError

RETRY_SECONDS: Final = 1.0
log = structlog.get_logger()


class TimerSender:
    """The timers of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions
        self._due = asyncio.Event()

    def nudge(self) -> None:
        """Say that there may be something to send."""
        self._due.set()

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._resources.settings.timer_sweep_seconds)
            self._due.clear()
            try:
                while await self._send_some():
                    pass
            except StoreError as error:
                log.warning("timers_wait", error=str(error))
                await self._look_after(error)
                self._due.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _send_some(self) -> int:
        """Send one page; returns how many timers it held."""
        store = self._resources.store
        rows = await store.timers_to_send(list(self._partitions), self._resources.settings.timer_ahead_seconds)
        if rows:
            await self._resources.log.put_timers(rows)
            await store.strike_timers(rows)
            self._resources.counters.timers_sent += len(rows)
        return len(rows)

    async def _look_after(self, error: StoreError) -> None:
        """Make TIMERS again when it is gone."""
        if isinstance(error, NoResponder | JetStreamError):
            with suppress(StoreError):
                await self._resources.log.look_after()
