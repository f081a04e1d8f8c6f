"""Slow senders (slowloris): neither a header nor a body is waited for longer than its limit."""

import asyncio

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import gateway_settings, running_gateway, token_of
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
