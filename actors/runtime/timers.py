"""Keeping TIMERS what the fold has armed and cancelled, after it was stored (design D6).

A new owner first sends what is left. What falls due soon, or is overdue and has not fired, is sent again now and then, so that
nothing depends on TIMERS keeping what it has taken; repeats are ignored by the fold. Nudged by flusher and ownership.
"""

from collections.abc import Mapping
from contextlib import suppress

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from actors.runtime.sender import Sender
from store.errors import JetStreamError, NoResponder, StoreError


class TimerSender(Sender):
    """The timers of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        super().__init__(resources.settings.timer_sweep_seconds)
        self._resources = resources
        self._partitions = partitions

    async def send(self) -> bool:
        """Send page by page; raises StoreError."""
        while await self._send_some():
            pass
        return True

    async def _send_some(self) -> int:
        """Send one page; returns how many timers it held."""
        store = self._resources.store
        rows = await store.timers_to_send(list(self._partitions), self._resources.settings.timer_ahead_seconds)
        if rows:
            await self._resources.log.put_timers(rows)
            await store.strike_timers(rows)
            self._resources.counters.timers_sent += len(rows)
        return len(rows)

    async def meet(self, error: StoreError) -> None:
        """Make TIMERS again when it is gone."""
        if isinstance(error, NoResponder | JetStreamError):
            with suppress(StoreError):
                await self._resources.log.look_after()
