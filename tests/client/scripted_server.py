"""A server that says exactly what a test tells it to: one `Peer` per connection, frames in and out under the test's control."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from actors.contract.digest import channel_digest
from gateway.client import Client

#: What `meet_with_flowers` shows.
FLOWERS = {"tasks": {"flowers": {"title": "Order flowers", "done": False}}}
CLIENT = "20270619-abcd1234"
_encode = msgspec.json.Encoder().encode


def event(
    channel: str, sequence: int, change: Mapping[str, Any], *, op: str = "20270101-zzzz:1", user: str = "bo"
) -> dict[str, Any]:
    """An event with one change, as the server would send it."""
    return {
        "id": op,
        "type": "task_completion",
        "weddingId": "w1",
        "userId": user,
        "timestamp": "2027-06-19T12:00:00.000Z",
        "channel": channel,
        "sequence": sequence,
        "data": {"changes": [change]},
        "vectorClock": {},
        "causality": {"relation": "after", "with": []},
        "metadata": {},
    }


class Peer:
    """The server's end of one connection."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.ended = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The client's next frame."""
        async with asyncio.timeout(10):
            return msgspec.json.decode(await self.socket.receive_str(), type=dict[str, Any])

    async def receive_op(self) -> dict[str, Any]:
        """The op in the client's next frame."""
        frame = await self.receive()
        assert frame["type"] == "collaboration_event", frame
        op: dict[str, Any] = frame["op"]
        return op

    async def send(self, *frames: Mapping[str, Any]) -> None:
        """Send frames in order."""
        for frame in frames:
            await self.socket.send_str(_encode(frame).decode())

    async def welcome(
        self, channels: Mapping[str, int] | None = None, *, client: str = CLIENT, last_op: int = 0, generation: int = 1
    ) -> dict[str, Any]:
        """Take the hello, answer it, and give the hello back."""
        hello = await self.receive()
        await self.send({
            "type": "welcome", "session": "s1", "client": client, "user": "ana", "role": "planner", "generation": generation,
            "lastOp": last_op, "channels": dict(channels or {}), "limits": {},
        })  # fmt: skip
        return hello

    async def snapshot(
        self,
        channel: str,
        sequence: int,
        state: Mapping[str, Any],
        *,
        reason: str = "join",
        digest: str | None = None,
        more: bool = False,
    ) -> None:
        """Send a channel whole, or a chunk of it."""
        digest = channel_digest(state) if digest is None else digest
        await self.send({
            "type": "data_sync", "channel": channel, "mode": "snapshot", "reason": reason, "sequence": sequence, "digest": digest,
            "state": state, "more": more,
        })  # fmt: skip

    async def synced(self) -> None:
        """End the sync."""
        await self.send({"type": "synced"})

    async def let_in(self, **known: Any) -> dict[str, Any]:
        """Welcome somebody who may read nothing yet."""
        hello = await self.welcome(**known)
        await self.synced()
        return hello

    async def reject(self, op: str, code: str, following: int, **more: Any) -> None:
        """Refuse an op."""
        await self.send({"type": "rejected", "op": op, "code": code, "message": "m", "remedy": "r", "next": following, **more})

    async def edited(self, channel: str, sequence: int, op: Mapping[str, Any]) -> None:
        """Send the event of an edit, as its author asked for it."""
        target = op["target"]
        change = {"collection": target["collection"], "id": target["id"], "edit": {target["field"]: op["data"]["delta"]}}
        event = {
            "id": op["id"], "type": op["type"], "weddingId": "w1", "userId": "ana", "timestamp": "2027-06-19T10:00:00.000Z",
            "channel": channel, "sequence": sequence, "data": {"changes": [change]}, "vectorClock": {},
            "causality": {"relation": "after", "with": []}, "metadata": {},
        }  # fmt: skip
        await self.send({"type": "collaboration_event", "events": [event]})

    async def close(self, code: int = 1012) -> None:
        """End the connection."""
        await self.socket.close(code=code)
        self.ended.set()


class ScriptedServer:
    """Listens on a free port; `accept` gives the connections in the order in which they come."""

    def __init__(self) -> None:
        self.url = ""
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._open: list[Peer] = []

    async def accept(self) -> Peer:
        """The next connection."""
        async with asyncio.timeout(10):
            return await self._peers.get()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one connection open until the test ends it."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(socket)
        self._open.append(peer)
        self._peers.put_nowait(peer)
        await peer.ended.wait()
        return socket

    def end(self) -> None:
        """Let every connection go."""
        for peer in self._open:
            peer.ended.set()


def closed_door() -> tuple[socket.socket, str]:
    """A port of ours at which nobody listens before `scripted_server` does, and its address."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door, f"http://127.0.0.1:{door.getsockname()[1]}"


@asynccontextmanager
async def scripted_server(door: socket.socket | None = None) -> AsyncIterator[ScriptedServer]:
    """Run a scripted server, on a free port unless it has one."""
    server = ScriptedServer()
    application = web.Application()
    application.router.add_get("/ws", server.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.SockSite(runner, door or closed_door()[0])
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        server.end()
        await runner.cleanup()


async def meet(server: ScriptedServer, client: Client, /, **known: Any) -> Peer:
    """Let a client in and wait until it is synced."""
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.let_in(**known)
    await connecting
    return peer


async def meet_with_flowers(server: ScriptedServer, client: Client) -> Peer:
    """Let a client in that reads one channel, `tasks.team` at sequence 3, and wait until it is synced."""
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.welcome({"tasks.team": 3})
    await peer.snapshot("tasks.team", 3, FLOWERS)
    await peer.synced()
    await connecting
    return peer
