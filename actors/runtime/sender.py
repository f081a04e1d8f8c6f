"""The rhythm of what leaves after a flush: when somebody says that there is something, now and then anyway, soon again if not all
could go. Outbox and timers are sent in it; the duty starts them, flusher and duty nudge.
"""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

import structlog

from store.errors import StoreError

RETRY_SECONDS: Final = 1.0
log = structlog.get_logger()


class Sender(ABC):
    """`sweep_seconds` passes at most between two looks for what a former owner has stored and not sent."""

    def __init__(self, sweep_seconds: float) -> None:
        self._sweep_seconds = sweep_seconds
        self._due = asyncio.Event()

    def nudge(self) -> None:
        """Say that there may be something to send."""
        self._due.set()

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._sweep_seconds)
            self._due.clear()
            try:
                if await self.send():
                    continue
            except StoreError as error:
                log.warning("sending_waits", sender=type(self).__name__, error=str(error))
                await self.meet(error)
            self._due.set()
            await asyncio.sleep(RETRY_SECONDS)

    @abstractmethod
    async def send(self) -> bool:
        """Send everything that can go now; False when something must be tried again soon. Raises StoreError."""

    async def meet(self, error: StoreError) -> None:
        """Do what helps against an error before the next try."""
        del error
