"""Trimming the log below the checkpoints, in a task of its own: nothing else may keep room from writers waiting (design D11).

By age now and then; by fill as soon as it is seen, since a log can fill within a minute. The owner of the lowest partition does
it for all. Started by the host's duty.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from store.errors import GenerationChanged, StoreError

#: Between two looks at how full the log is.
LOOK_SECONDS: Final = 1.0
log = structlog.get_logger()


class Trimmer:
    """The trimming of one host."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions
        self._by_age_at = resources.now() + resources.settings.log_trim_interval_seconds

    async def run(self) -> None:
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self._resources.settings.log_trim_interval_seconds))
            if 0 not in self._partitions:
                continue
            try:
                await self._trim()
            except GenerationChanged:
                raise
            except StoreError as error:
                log.warning("trimming_put_off", error=str(error))

    async def _trim(self) -> None:
        resources = self._resources
        by_age = resources.now() >= self._by_age_at
        if by_age:
            self._by_age_at = resources.now() + resources.settings.log_trim_interval_seconds
        await resources.log.trim(by_age=by_age)
