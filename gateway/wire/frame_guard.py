"""RFC 6455, section 5.1: a server closes when a client's frame is not masked. aiohttp takes such frames, so this looks first.

`GuardedWebSocket` is aiohttp's response with a guard before its parser that walks the frames' headers and copies nothing, and our
inbox behind it. It uses private names of aiohttp; `tests/gateway/test_rfc6455.py` fails when one changes. Used by
gateway.sessions.websocket.
"""

import asyncio
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.http import WebSocketError, WebSocketReader, WSCloseCode

from gateway.wire.inbox import Inbox

_MASK_BIT: Final = 0x80
_LENGTH_BITS: Final = 0x7F
#: Two bytes and the mask; lengths above 125 stand in 2 or 8 further bytes.
_SHORT_HEADER: Final = 6
_LENGTH_BYTES: Final = {126: 2, 127: 8}


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...

    def feed_eof(self) -> None: ...


class GuardedWebSocket(web.WebSocketResponse):
    """A WebSocket that fails with 1002 at the first unmasked frame. `inbox` is there once it is prepared.

    Messages are bytes and not compressed. aiohttp has no hook for any of this; see the module.
    """

    inbox: Inbox

    def __init__(self, *, max_msg_size: int, **options: Any) -> None:
        super().__init__(max_msg_size=max_msg_size, compress=False, decode_text=False, **options)
        self._most_bytes = max_msg_size

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        connection: Any = request.protocol
        early: bytes = connection._message_tail  # noqa: SLF001  # frames that came with the request
        connection._message_tail = b""  # noqa: SLF001  # our parser gets them, and not the one that is made here
        super()._post_start(request, protocol, writer)
        self.inbox = self._reader = Inbox(connection, asyncio.get_running_loop())
        self._parser = WebSocketReader(self.inbox, self._most_bytes, compress=False, decode_text=False)
        guard = connection._payload_parser = FrameGuard(self._parser, self.inbox)  # noqa: SLF001  # as above
        if early:
            guard.feed_data(early)


class FrameGuard:
    """Stands before a parser of frames; `queue` is where the parser tells of errors."""

    __slots__ = ("_header", "_parser", "_queue", "_unread_payload")

    def __init__(self, parser: _Parser, queue: Any) -> None:
        self._parser = parser
        self._queue = queue
        self._header = b""
        self._unread_payload = 0

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Hand the bytes on while every frame is masked; returns what aiohttp's parser returns: (at the end?, rest)."""
        if self.is_masked(data):
            return self._parser.feed_data(data)
        self.fail()
        return True, b""

    def feed_eof(self) -> None:
        self._parser.feed_eof()

    def fail(self) -> None:
        """Let the reader of the connection close it."""
        self._queue.set_exception(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "A client's frames are masked (RFC 6455, 5.1)"))

    def is_masked(self, data: bytes) -> bool:
        """Walk over the headers in the bytes; False at the first frame without a mask."""
        if self._header:
            data, self._header = self._header + data, b""
        at, size = self._unread_payload, len(data)
        while at + 2 <= size:
            second = data[at + 1]
            if not second & _MASK_BIT:
                return False
            length = second & _LENGTH_BITS
            more = _LENGTH_BYTES.get(length, 0)
            if at + _SHORT_HEADER + more > size:
                break
            if more:
                length = int.from_bytes(data[at + 2 : at + 2 + more], "big")
            at += _SHORT_HEADER + more + length
        self._unread_payload = max(0, at - size)
        self._header = data[at:]
        return True
