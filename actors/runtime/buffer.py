"""How much of a host waits in memory: decisions for Postgres, and ops for weddings that are waking (design D7, INV7).

Counts only; what is counted lives in the actors. The flush buffer, when full, has everything thrown away at once (a silent fold
writes it later); the mailbox, when full, pauses the log readers. Written by partitions, read by flusher and readers.
"""

import asyncio
from collections.abc import Callable


class FlushBuffer:
    """The decisions that are not stored yet, over all partitions of a host."""

    def __init__(self, limit_bytes: int, flush_ops: int) -> None:
        self._limit_bytes = limit_bytes
        self._flush_ops = flush_ops
        self.count = 0
        self.bytes = 0
        #: Set when a flush shall not wait for its interval.
        self.due = asyncio.Event()
        #: Called when the limit is passed; empties every actor's unflushed decisions.
        self.on_overflow: Callable[[], None] = lambda: None

    def add(self, size: int) -> None:
        self.count += 1
        self.bytes += size
        if self.count >= self._flush_ops:
            self.due.set()
        if self.bytes > self._limit_bytes:
            self.on_overflow()

    def remove(self, count: int, size: int) -> None:
        self.count -= count
        self.bytes -= size


class Mailbox:
    """The ops that wait behind activations, over all partitions of a host."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_full(self) -> bool:
        return not self._room.is_set()

    def add(self, size: int) -> None:
        self.bytes += size
        if self.bytes >= self._limit_bytes:
            self._room.clear()

    def remove(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < self._limit_bytes:
            self._room.set()

    async def wait_for_room(self) -> None:
        await self._room.wait()
