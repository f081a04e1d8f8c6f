"""Pings to one client, so that a dead connection is noticed by both ends: anything that comes from it counts as life, also while
its session is busy and reads nothing.

aiohttp has the same, but keeps account of every received chunk; this looks once per ping. Started by gateway.sessions.websocket.
"""

import asyncio
import random
from typing import Final

from gateway.wire.close_codes import GONE
from gateway.wire.frames import PING
from gateway.wire.inbox import Inbox
from gateway.wire.socket import Socket

#: Pings without any sign of life after which a client counts as gone.
_MOST_MISSES: Final = 2


class Heartbeat:
    """Pings every `interval_seconds`, give or take a tenth: clients that came together do not stay in step."""

    def __init__(self, socket: Socket, inbox: Inbox, interval_seconds: float) -> None:
        self._socket = socket
        self._inbox = inbox
        self._interval_seconds = interval_seconds * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, guards nothing
        self._misses = 0
        self._timer = asyncio.get_running_loop().call_later(self._interval_seconds, self._beat)

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        self._misses = 0 if self._inbox.is_heard else self._misses + 1
        if self._misses >= _MOST_MISSES:
            self._socket.close(GONE)
            return
        self._inbox.is_heard = False
        self._socket.write(PING)
        self._timer = asyncio.get_running_loop().call_later(self._interval_seconds, self._beat)
