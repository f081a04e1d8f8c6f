"""Messages of one WebSocket on their way to its conversation: what needs no waiting is handled in the turn in which it came.

aiohttp queues every message and wakes the task that reads them, which costs more than most messages do. While that task waits and
nothing is queued, a message is offered to `take_at_once` first. Filled by aiohttp's parser, read by gateway.sessions.websocket.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Final

from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol

#: Bytes that wait before the transport stops reading: as aiohttp has it.
_LIMIT_BYTES: Final = 2**16


class Inbox(WebSocketDataQueue):
    """aiohttp's queue with a way past it, which is open only while a reader waits and nothing is queued."""

    def __init__(self, protocol: BaseProtocol, loop: AbstractEventLoop) -> None:
        super().__init__(protocol, _LIMIT_BYTES, loop=loop)
        #: Returns False for what must be read from the queue; never raises, for nobody would hear it.
        self.take_at_once: Callable[[Any], bool] = lambda _: False
        self._is_open = False
        #: Set by whatever comes; `gateway.sessions.heartbeat` resets it.
        self.is_heard = True

    def feed_data(self, data: Any, size: int) -> None:
        """Hand a message over, or queue it, and then all that follow it until all are read and the reader waits again."""
        self.is_heard = True
        if self._is_open and self.take_at_once(data):
            return
        self._is_open = False
        super().feed_data(data, size)

    async def read(self) -> Any:
        """Return the next message of the queue; raises what aiohttp's queue raises."""
        # With something queued nothing is open: what comes while that is handled, and what the parser kept back, comes behind it.
        self._is_open = not self._buffer
        return await super().read()
