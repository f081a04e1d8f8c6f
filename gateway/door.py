"""The port's door: a connection becomes aiohttp's once the header of its first request is there, within a time and a size.

aiohttp waits for ever for the rest of a header; this does not (slowloris). Later requests of a connection fall under aiohttp's
keep-alive time-out. Opened by gateway.process.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

_END_OF_HEADER: Final = b"\r\n\r\n"
#: A header of this size goes to aiohttp, complete or not: it refuses what is too large in its own way.
_MOST_HEADER_BYTES: Final = 16 * 1024
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Door(asyncio.Protocol):
    """One connection until its first header is complete; `waiting` are those that stand here."""

    def __init__(self, inside: Callable[[], asyncio.Protocol], header_timeout_seconds: float, waiting: "set[Door]") -> None:
        self._inside = inside
        self._waiting = waiting
        self._timeout_seconds = header_timeout_seconds
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._timeout_seconds, self.turn_away)
        self._waiting.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leave()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if _END_OF_HEADER not in self._received and len(self._received) < _MOST_HEADER_BYTES:
            return
        self._leave()
        transport, inside = self._transport, self._inside()
        assert transport is not None  # noqa: S101  # data comes after connection_made
        transport.set_protocol(inside)
        inside.connection_made(transport)
        inside.data_received(bytes(self._received))

    def turn_away(self) -> None:
        """Close the connection: its header did not come in time, or the gateway ends."""
        if self._transport is not None:
            self._transport.write(_TOO_SLOW if self._received else b"")
            self._transport.close()

    def _leave(self) -> None:
        self._waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
