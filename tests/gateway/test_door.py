"""Slow senders (slowloris): neither a header nor a body is waited for longer than its limit."""

import asyncio
import logging
import socket
import struct

import pytest

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, token_of
from tests.support.servers import NatsServer

WITHIN_SECONDS = 10.0


async def answer_to(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), WITHIN_SECONDS)
    finally:
        writer.close()


async def test_a_slow_sender_is_turned_away(jetstream: NatsServer, database_url: str, stack: object, found: FoundWedding) -> None:
    """Silence, half a header and half a body end the connection; whoever sends everything is served on the same port."""
    del stack
    await found("w1")
    limits = {"http_header_timeout_seconds": 0.3, "http_body_timeout_seconds": 0.3}
    async with running_gateway(gateway_settings(jetstream, database_url, **limits)) as gateway:
        assert await answer_to(gateway.port) == b""
        assert (await answer_to(gateway.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n")).startswith(b"HTTP/1.1 408 ")
        whole = await answer_to(gateway.port, b"GET /healthz HTTP/1.1\r\nHo", b"st: x\r\nConnection: close\r\n\r\n")
        assert whole.startswith(b"HTTP/1.1 200 ")
        head = (
            "POST /api/collaboration/sync/w1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n"
            f"Authorization: Bearer {token_of('ana', 'w1')}\r\n\r\n"
        )
        slow = await answer_to(gateway.port, head.encode(), b'{"ops":')
        assert slow.startswith(b"HTTP/1.1 408 ")
        assert b"problem+json" in slow


async def test_a_gateway_that_ends_leaves_nobody_at_its_door(jetstream: NatsServer, database_url: str, stack: object) -> None:
    """A spare connection of a browser, and one that has sent half a header, are closed with the others."""
    del stack
    async with running_gateway(gateway_settings(jetstream, database_url, http_header_timeout_seconds=60.0)) as gateway:
        silent = asyncio.create_task(answer_to(gateway.port))
        half = asyncio.create_task(answer_to(gateway.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n"))
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await answer_to(gateway.port, whole)).startswith(b"HTTP/1.1 200 "), "who came behind them was let in"
    assert await silent == b""
    assert (await half).startswith(b"HTTP/1.1 408 ")


async def test_who_goes_while_a_socket_is_opened_is_no_fault(stack: RunningGateway, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is torn down right behind its request for a WebSocket leaves no error in the log."""
    request = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for _ in range(30):
        _reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        torn = writer.get_extra_info("socket")
        torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(request)
        writer.transport.abort()
    assert (await answer_to(stack.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).startswith(
        b"HTTP/1.1 200 "
    )
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
