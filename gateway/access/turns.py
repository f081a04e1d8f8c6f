"""Turns at what takes long: so many requests of one person at once, some more in line behind them, and no more.

Whoever asks again and again, as a page does whose slider goes through the past, waits a little; a flood is refused. Owned by
gateway.access.limiter.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from gateway.counts import Counts
from gateway.errors import LimitMet, SlowDown

#: When the line may have become shorter.
_RETRY_MS = 1_000


class _Line:
    __slots__ = ("inside", "places")

    def __init__(self, at_once: int) -> None:
        self.places = asyncio.Semaphore(at_once)
        #: Those who have a turn and those who wait for one.
        self.inside = 0


class Turns:
    """At most `at_once` per key, and at most `in_line` behind them."""

    def __init__(self, at_once: int, in_line: int, counts: Counts) -> None:
        self._at_once = at_once
        self._in_line = in_line
        self._counts = counts
        self._lines: dict[Hashable, _Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a turn and have it until the block ends; raises SlowDown at once where the line is full."""
        line = self._lines.get(key) or _Line(self._at_once)
        if line.inside >= self._at_once + self._in_line:
            raise self._refused()
        self._lines[key] = line
        line.inside += 1
        try:
            async with line.places:
                yield
        finally:
            line.inside -= 1
            if not line.inside:
                del self._lines[key]

    def _refused(self) -> SlowDown:
        limit = "slowRequestsInLinePerPerson"
        self._counts.limits_met_by_limit[limit] += 1
        return SlowDown(
            message=f"{self._at_once} of your requests that take long are in hand, and {self._in_line} more wait ({limit}).",
            remedy="Ask for less at once; wait for answers.",
            met=LimitMet(limit, self._in_line, _RETRY_MS),
        )
