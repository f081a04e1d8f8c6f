"""Work that may lag: the events table that people query, and trimming the log below the checkpoints (design D7, D11).

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
        self._trim_at = resources.now() + resources.settings.log_trim_interval_seconds

    async def run(self) -> None:
        while True:
            try:
                projected = await self._resources.store.project_events(list(self._partitions))
                await self._trim_when_due()
            except GenerationChanged:
                raise
            except StoreError as error:
                log.warning("housekeeping_put_off", error=str(error))
                projected = 0
            await asyncio.sleep(PAUSE_SECONDS if projected else PROJECT_EVERY_SECONDS)

    async def _trim_when_due(self) -> None:
        """Trim at most once per interval; the owner of the lowest partition does it for all."""
        if self._resources.now() < self._trim_at or 0 not in self._partitions:
            return
        resources = self._resources
        self._trim_at = resources.now() + resources.settings.log_trim_interval_seconds
        trimmed = await resources.log.trim()
        if trimmed:
            log.info("log_trimmed", messages=trimmed)
