"""Weddings whose stored form cannot be read: an alarm names them, and they are looked at until they can be read again.

Their partition stores nothing from their first undecided op on (`Partition.hold`) and is taken anew afterwards, which decides all
of it again from the checkpoint on; everybody else is decided and served meanwhile. Called by the waker and the silent fold.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from actors.runtime.activation import load
from actors.runtime.resources import Background, Resources

if TYPE_CHECKING:
    from actors.runtime.partition import Partition

LOOK_SECONDS: Final = 2.0
log = structlog.get_logger()


class Unreadable:
    """Those of one host."""

    def __init__(self, resources: Resources, background: Background) -> None:
        self._resources = resources
        self._background = background
        #: Kind and id by the partition that met them: taken anew it is another one, and may meet them again.
        self._watched: dict[tuple[Partition, str, str], None] = {}
        #: What is told last is what is so: two watchers that end together must not overtake each other.
        self._telling = asyncio.Lock()

    def watch(self, partition: "Partition", kind: str, identifier: str, error: Exception) -> None:
        """Raise the alarm, and have the partition taken anew when the wedding can be read."""
        if (partition, kind, identifier) not in self._watched:
            self._watched[partition, kind, identifier] = None
            log.error("wedding_unreadable", partition=partition.number, kind=kind, id=identifier, exc_info=error)
            self._background.start(self._watch(partition, kind, identifier), f"watch {identifier}")

    async def _watch(self, partition: "Partition", kind: str, identifier: str) -> None:
        await self.tell()
        while not partition.is_dropped and not partition.is_stale:
            await asyncio.sleep(LOOK_SECONDS)
            partition.is_stale = await self._can_be_read(kind, identifier) or partition.is_stale
        self._watched.pop((partition, kind, identifier), None)
        await self.tell()

    async def _can_be_read(self, kind: str, identifier: str) -> bool:
        try:
            async with self._resources.reading:
                await load(self._resources.store, kind, identifier)
        except Exception as error:
            log.debug("wedding_still_unreadable", kind=kind, id=identifier, error=str(error))
            return False
        return True

    async def tell(self) -> None:
        """Let the alarm name those that are watched now, or be withdrawn; returns when PostgreSQL has taken note."""
        while not await self._tell_once():  # noqa: ASYNC110  # no event says that PostgreSQL is back
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell_once(self) -> bool:
        async with self._telling:
            return await self._resources.log.report_unreadable(sorted({identifier for _, _, identifier in self._watched}))

    async def end(self) -> None:
        """Withdraw the alarm at an orderly end: whoever owns the partitions next tells what it meets itself."""
        self._watched.clear()
        await self._tell_once()
