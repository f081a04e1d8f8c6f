"""Sending what the fold wants other actors' logs to hold, after it was stored, until the log has it (design D6).

A new owner first sends what is left. Rows leave in the order in which they were written; a row that was sent and not struck off
is sent again, which its id makes harmless. Nudged by flusher and ownership.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from store.errors import StoreError

RETRY_SECONDS: Final = 1.0
log = structlog.get_logger()


class OutboxSender:
    """The outbox of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions
        self._due = asyncio.Event()

    def nudge(self) -> None:
        """Say that there may be something to send."""
        self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._send_all()
            except StoreError as error:
                log.warning("outbox_waits", error=str(error))
                self._due.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _send_all(self) -> None:
        for row in await self._resources.store.pending_outbox(list(self._partitions)):
            await self._resources.log.append([(row.subject, row.payload)])
            await self._resources.store.strike_outbox([row.id])
