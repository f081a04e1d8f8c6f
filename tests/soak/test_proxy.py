"""The byte-level proxy of the soak carries bytes, and hurts them in each of its ways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bench.soak.proxy import IN, OUT, Link
from tests.support.waiting import eventually


class Echo:
    """A server that answers every piece with itself, and remembers what came."""

    def __init__(self) -> None:
        self.heard = b""
        self.tasks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        with suppress(OSError):
            while piece := await reader.read(1024):
                self.heard += piece
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Echo, Callable[[], int]]]:
    """An echo server behind a link."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link(lambda: port)
    await link.open()
    try:
        yield link, echo, lambda: link.port
    finally:
        await link.heal()
        await link.close()
        server.close()
        await asyncio.gather(*filter(None, echo.tasks))


async def test_bytes_pass_unchanged_in_both_directions() -> None:
    """An unhurt link is only a wire."""
    async with linked() as (link, _, _port):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(bytes(range(256)))
        assert await reader.readexactly(256) == bytes(range(256))
        writer.close()


@pytest.mark.parametrize("direction", [IN, OUT])
async def test_a_half_open_link_swallows_one_direction_and_ends_its_connections_when_healed(direction: str) -> None:
    """The other side hears, or does not hear; nobody goes on in a stream with a hole."""
    async with linked() as (link, echo, _port):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        link.swallowed = direction
        writer.write(b"hello")
        if direction == IN:
            await eventually(lambda: echo.heard == b"hello", "the server hears")
        await link.heal()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        assert echo.heard == (b"hello" if direction == IN else b"")
        writer.close()


async def test_a_silent_link_holds_bytes_back_and_brings_them_later() -> None:
    """As TCP does when the network comes back in time."""
    async with linked() as (link, echo, _port):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        link.hold()
        writer.write(b"late")
        await writer.drain()
        assert echo.heard == b""
        link.release()
        assert await reader.readexactly(4) == b"late"
        writer.close()


async def test_a_cut_link_refuses_until_it_is_healed() -> None:
    """Connections end, new ones are refused, and the port stays the same."""
    async with linked() as (link, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        before = port()
        await link.close()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", before)
        await link.heal()
        assert port() == before
        _, writer = await asyncio.open_connection("127.0.0.1", before)
        writer.close()


async def test_a_slow_link_is_slow_and_whole() -> None:
    """Delay changes no byte and no order."""
    async with linked() as (link, _, _port):
        link.delay_seconds = 0.01
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        for piece in (b"one", b"two", b"three"):
            writer.write(piece)
        assert await reader.readexactly(11) == b"onetwothree"
        writer.close()
