"""A WebSocket in bytes over a bare TCP connection: no client library stands between a test and the frames."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.gateways import RunningGateway, token_of

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x12\x34\x56\x78"
PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
WITHIN_SECONDS = 10.0
PING_TEXT = b'{"type":"ping"}'


def frame(first: int, payload: bytes = b"", *, masked: bool = True, length: bytes | None = None) -> bytes:
    """One client frame; `length` writes another length than the payload's."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if length is not None:
        head = bytes((first, bit | length[0])) + length[1:]
    elif size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


class Heard(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        return struct.unpack("!H", self.payload[:2])[0] if self.opcode == CLOSE and len(self.payload) >= 2 else 0


class Wire:
    """A WebSocket in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Write each piece by itself."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def receive(self) -> Heard:
        """The next frame; frames of the server are never masked."""
        async with asyncio.timeout(WITHIN_SECONDS):
            first, second = await self._reader.readexactly(2)
            assert not second & 0x80, "RFC 6455, 5.1: a server does not mask"
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            return Heard(first & 0x0F, await self._reader.readexactly(size))

    async def until(self, opcode: int, wanted: bytes = b"") -> Heard:
        """The next frame of this kind that holds these bytes."""
        while True:
            heard = await self.receive()
            if heard.opcode == opcode and wanted in heard.payload:
                return heard
            assert heard.opcode != CLOSE or opcode == CLOSE, f"closed with {heard.close_code}"

    def abort(self) -> None:
        """Reset the connection: what was not read yet is gone."""
        self._writer.transport.abort()

    async def until_closed(self) -> int:
        """The code with which the server closes; 0 when it only cuts the connection."""
        try:
            return (await self.until(CLOSE)).close_code
        except asyncio.IncompleteReadError:
            return 0


@asynccontextmanager
async def connected(gateway: RunningGateway, *, with_request: bytes = b"") -> AsyncIterator[Wire]:
    """A connection after its upgrade; `with_request` goes in the same segment as the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    key = base64.b64encode(b"0123456789abcdef").decode()
    request = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    try:
        writer.write(request.encode() + with_request)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_SECONDS)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield Wire(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def joined(gateway: RunningGateway) -> AsyncIterator[Wire]:
    """A connection that is synced."""
    async with connected(gateway) as wire:
        await wire.send(frame(FIN | TEXT, hello()))
        await wire.until(TEXT, b'"synced"')
        yield wire


def hello(**members: object) -> bytes:
    return json.dumps({"type": "hello", "version": 1, "wedding": "w1", "token": token_of("ana", "w1")} | members).encode()
