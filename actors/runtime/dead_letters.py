"""Copies of ops that could not be decoded or decided, for people to look at: `wedsync.dead.<reason>` (design D1, INV6).

A copy is evidence, not state: the fold goes on at once, copies wait here until the stream has taken them, and beyond a bound the
oldest are dropped and counted. Two hosts that meet the same op leave two copies. Called by the reader and by partitions.
"""

import asyncio
import base64
from collections import deque
from typing import Final, Literal

import msgspec
import structlog

from actors.contract.subjects import dead_subject
from actors.runtime.counters import Counters
from actors.runtime.ports import Log
from store.errors import StoreError

MAX_WAITING: Final = 1000
RETRY_SECONDS: Final = 1.0
_encode: Final = msgspec.json.Encoder().encode
log = structlog.get_logger()


class DeadLetter(msgspec.Struct, frozen=True):
    """What lies in DEAD: where the op stood, why it is here, and its bytes as text, or in base64 when they are none."""

    subject: str
    position: int
    reason: str
    op: str
    base64: bool = False


class DeadLetters:
    """The copies of one host on their way to the stream."""

    def __init__(self, log: Log, counters: Counters) -> None:
        self._log = log
        self._counters = counters
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._arrived = asyncio.Event()

    def put(
        self, kind: Literal["undecodable", "internal", "poison"], subject: str, position: int, reason: str, op: bytes
    ) -> None:
        """Keep a copy; never waits."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._counters.dead_letters_dropped += 1
        try:
            letter = DeadLetter(subject, position, reason, op.decode())
        except UnicodeDecodeError:
            letter = DeadLetter(subject, position, reason, base64.b64encode(op).decode(), base64=True)
        self._waiting.append((dead_subject(kind), _encode(letter)))
        self._arrived.set()

    async def run(self) -> None:
        """Send the copies, each until the stream has it."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                letter = self._waiting[0]
                try:
                    await self._log.append([letter])
                except StoreError as error:
                    log.warning("dead_letter_waits", error=str(error), waiting=len(self._waiting))
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if self._waiting and self._waiting[0] is letter:
                    self._waiting.popleft()
