"""Waiting for servers that are away, at the start of a process and in a reseed, instead of ending and being started again.

What does not pass by itself (another log, an edited migration, a refused statement) is raised at once. Called by the host's and
the gateway's process and by store.reseed.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from store.errors import AWAY, StoreError

PAUSE_SECONDS: Final = 1.0
#: The same reason is logged again after so many attempts.
_ATTEMPTS_PER_LINE: Final = 10

Started = TypeVar("Started")
log = structlog.get_logger()


async def when_there(start: Callable[[], Awaitable[Started]], *, at_most: float = math.inf) -> Started:
    """Call `start` until no server that it needs is away, and return what it gives; raises what lasts.

    That is also the same reason `at_most` times in a row.
    """
    attempts = 0
    reason = ""
    while True:
        try:
            return await start()
        except AWAY as error:
            _tell(error, reason, attempts)
            attempts = attempts + 1 if error.code == reason else 1
            reason = error.code
            if attempts >= at_most:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


def _tell(error: StoreError, reason: str, attempts: int) -> None:
    if error.code != reason or attempts % _ATTEMPTS_PER_LINE == 0:
        log.warning("waits_for_its_servers", code=error.code, error=error.message)
