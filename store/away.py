"""Waiting at the start of a process for servers that are away, instead of dying and being started again and again.

What does not pass by itself (another log, an edited migration, a refused statement) is raised at once. Called by the host's and
the gateway's process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from store.errors import AWAY, StoreError

PAUSE_SECONDS: Final = 1.0
#: The same reason is logged again after so many attempts.
_ATTEMPTS_PER_LINE: Final = 10

Started = TypeVar("Started")
log = structlog.get_logger()


async def when_there(start: Callable[[], Awaitable[Started]]) -> Started:
    """Call `start` until no server that it needs is away, and return what it gives; raises what lasts."""
    attempts = 0
    reason = ""
    while True:
        try:
            return await start()
        except AWAY as error:
            _tell(error, reason, attempts)
            attempts = attempts + 1 if error.code == reason else 1
            reason = error.code
        await asyncio.sleep(PAUSE_SECONDS)


def _tell(error: StoreError, reason: str, attempts: int) -> None:
    if error.code != reason or attempts % _ATTEMPTS_PER_LINE == 0:
        log.warning("waits_for_its_servers", code=error.code, error=error.message)
