"""Timers in a soak: wait until none is armed, then every one that was armed must have fired or be cancelled (design D6).

That none fired twice is seen by the check of all ops: a firing has its arming in its id. Called by `run`, the check by tests too.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

from bench.installation import Site
from bench.soak.history import Stored
from config.supervision.roles import role_settings
from store.errors import StoreError
from store.postgres import Database

_LOOK_SECONDS: Final = 0.5


def now_ms() -> int:
    """The time by this clock, in Unix milliseconds."""
    return time.time_ns() // 10**6


async def until_nothing_is_armed(site: Site, within_seconds: float) -> list[str]:
    """Wait until every timer that is due has fired; what stays armed is an offence."""
    ends = asyncio.get_running_loop().time() + within_seconds
    while armed := await _armed(site):
        if asyncio.get_running_loop().time() > ends:
            return [f"silent: {armed} timers are armed after {within_seconds:g} s"]
        await asyncio.sleep(_LOOK_SECONDS)
    return []


async def _armed(site: Site) -> int:
    """Count those that are due; one while nobody can tell. An open conflict waits for days."""
    try:
        database = await Database.open(role_settings(site.data, "host").database_url.get_secret_value(), max_size=1)
        try:
            async with database.connection() as connection:
                return int(
                    await connection.fetchval("SELECT count(*) FROM timers WHERE due_ms IS NULL OR due_ms <= $1", now_ms())
                )
        finally:
            await database.close()
    except StoreError:
        return 1


def silent(stored: Iterable[Stored], until_ms: int | None = None) -> list[str]:
    """Name every timer that was armed, not cancelled, and has not fired though it was due at `until_ms`, or now."""
    until_ms = now_ms() if until_ms is None else until_ms
    armed: dict[tuple[str, str], int] = {}
    for each in sorted(stored, key=lambda one: (one.wedding, one.position)):
        if each.fired:
            armed.pop((each.wedding, each.fired), None)
        for timer, due_ms in each.timers.items():
            armed.pop((each.wedding, timer), None)
            if due_ms is not None and due_ms <= until_ms:
                armed[each.wedding, timer] = each.position
    return [
        f"silent: {wedding} {timer}, armed at position {position}, has not fired" for (wedding, timer), position in armed.items()
    ]


def fired_in(stored: Sequence[Stored]) -> int:
    """Count the firings."""
    return sum(bool(each.fired) for each in stored)
