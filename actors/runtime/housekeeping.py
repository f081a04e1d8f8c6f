"""Work that may lag: the events table that people query (design D7).

It never holds the fold up nor ends the host: a store that does not answer is tried again later, a partition with something in it
that cannot be projected is passed over. Started by the host's duty.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from store.errors import GenerationChanged, StoreError

#: Between two looks for blocks to project, and between two steps while there are some.
PROJECT_EVERY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.02
log = structlog.get_logger()


class Housekeeping:
    """The background work of one host."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions
        #: Partitions in which something cannot be projected; tried again by the next life of the host, or by another owner.
        self._passed_over: set[int] = set()

    async def run(self) -> None:
        while True:
            try:
                projected = await self._project()
            except GenerationChanged:
                raise
            except StoreError as error:
                log.warning("housekeeping_put_off", error=str(error))
                projected = 0
            await asyncio.sleep(PAUSE_SECONDS if projected else PROJECT_EVERY_SECONDS)

    async def _project(self) -> int:
        """Project some blocks of all partitions, or find those in which that fails; returns how many."""
        numbers = [number for number in self._partitions if number not in self._passed_over]
        try:
            return await self._resources.store.project_events(numbers)
        except StoreError:
            raise
        except Exception:
            return sum([await self._project_one(number) for number in numbers])

    async def _project_one(self, number: int) -> int:
        try:
            return await self._resources.store.project_events([number])
        except StoreError:
            raise
        except Exception:
            log.exception("partition_not_projected", partition=number)
            self._passed_over.add(number)
            return 0
