"""The bad network of the soak: frames come late or twice, connections end in the middle, a good one leaves all alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.soak.frame_proxy import CUT, LATE, REPEATED, TORN, FrameProxy, Mischief

WITHIN = aiohttp.ClientTimeout(total=10)
GOOD = Mischief(life_seconds=3600.0, repeated=0.0, delayed=0.0, jitter_seconds=0.0)


class Listener:
    """A server that keeps what it is told and says it back."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            self.heard.append(str(message.data))
            await socket.send_str(str(message.data))
        return socket


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


@asynccontextmanager
async def behind(
    mischief: Mischief, listener: Listener, seed: int = 1
) -> AsyncIterator[tuple[FrameProxy, aiohttp.ClientWebSocketResponse]]:
    """A socket to the listener through a proxy of this mischief."""
    app = web.Application()
    app.router.add_get("/ws", listener.serve)
    app.router.add_post("/echo", echo)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        proxy = FrameProxy(int(server.port or 0), seed, mischief)
        await proxy.open()
        try:
            yield proxy, await session.ws_connect(f"http://127.0.0.1:{proxy.port}/ws")
        finally:
            await proxy.close()


async def test_a_good_network_leaves_frames_alone() -> None:
    """Short, long and very long frames arrive once, in order and whole."""
    texts = ["a", "b" * 126, "c" * 70_000]
    async with behind(GOOD, Listener()) as (_, socket):
        for text in texts:
            await socket.send_str(text)
        assert [await socket.receive_str(timeout=30) for _ in texts] == texts


async def test_a_plain_request_is_answered_through_the_proxy() -> None:
    """An undo is asked over HTTP: its body is no frame, whatever its bytes."""
    async with behind(GOOD._replace(repeated=1.0), Listener()) as (proxy, _), aiohttp.ClientSession() as session:
        body = b"\x81\x7e" + b"x" * 70_000
        async with session.post(f"http://127.0.0.1:{proxy.port}/echo", data=body, timeout=WITHIN) as answer:
            assert await answer.read() == body


async def test_frames_come_twice_until_the_network_is_good() -> None:
    """A repeated frame is the same message once more, in both directions; afterwards each comes once."""
    listener = Listener()
    async with behind(GOOD._replace(repeated=1.0), listener) as (proxy, socket):
        await socket.send_str("one")
        assert [await socket.receive_str(timeout=30) for _ in range(4)] == ["one"] * 4
        assert (listener.heard, proxy.counts[REPEATED]) == (["one", "one"], 3)
        proxy.calm()
        await socket.send_str("two")
        assert await socket.receive_str(timeout=30) == "two"
        assert listener.heard == ["one", "one", "two"]


async def test_connections_end_in_every_way() -> None:
    """Over some of them each kind of cut has happened, and the client always sees a connection that broke."""
    seen: set[str] = set()
    for seed in range(200):
        with suppress(aiohttp.ClientError):  # the cut may come before the connection is open
            async with behind(GOOD._replace(life_seconds=0.02, late_seconds=0.02), Listener(), seed) as (proxy, socket):
                assert await until_closed(socket) == 1006
                seen |= set(proxy.counts) & {CUT, TORN, LATE}
        if seen == {CUT, TORN, LATE}:
            return
    raise AssertionError(seen)


async def until_closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Talk until the connection ends; returns the close code."""
    while not socket.closed:
        with suppress(aiohttp.ClientError):
            await socket.send_str("x")
        async with asyncio.timeout(30):
            await socket.receive()
    return socket.close_code
