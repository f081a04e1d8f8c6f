"""Work that may lag: the events table that people query (design D7).

Neither ever holds the fold up; a store that does not answer is tried again later. Started by the host's duty.
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

    async def run(self) -> None:
        while True:
            try:
                projected = await self._resources.store.project_events(list(self._partitions))
            except GenerationChanged:
                raise
            except StoreError as error:
                log.warning("housekeeping_put_off", error=str(error))
                projected = 0
            await asyncio.sleep(PAUSE_SECONDS if projected else PROJECT_EVERY_SECONDS)
