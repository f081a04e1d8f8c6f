"""Those who listen: one socket of a person, in JSON or MessagePack, that keeps every byte it gets and when it got it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

JSON: Final = "wedsync.v1.json"
PACKED: Final = "wedsync.v1.msgpack"


class Evidence(NamedTuple):
    """What somebody got: `after` sentinels had come to them before."""

    person: str
    after: int
    what: str
    text: str


class Listener:
    """One socket. `sequences` is where it stands per channel; `seen` counts the sentinels that came."""

    def __init__(self, person: str, protocol: str, keep: Callable[[Evidence], None], sentinels: dict[str, int]) -> None:
        self.person = person
        self.client = ""
        self.closed = False
        self.generation = 0
        self.sequences: dict[str, int] = {}
        self.seen = len(sentinels)
        self.synced = asyncio.Event()
        #: Whether the last op has its place in the log or its refusal: only then is the next number known.
        self._heard = asyncio.Event()
        self._may_ask = asyncio.Event()
        self._may_ask.set()
        self._protocol = protocol
        self._keep = keep
        self._sentinels = sentinels
        self._number = 0
        self._connection: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, session: aiohttp.ClientSession, url: str, hello: dict[str, Any]) -> None:
        """Connect and say hello; returns when it is synced or closed."""
        self._connection = await session.ws_connect(f"{url}/ws", protocols=(self._protocol,), max_msg_size=0)
        await self.send({"type": "hello", "version": 1, **hello})
        self._reading = asyncio.create_task(self._read(self._connection))
        await self.synced.wait()

    async def send(self, frame: dict[str, Any]) -> None:
        """Send unless it is closed."""
        assert self._connection is not None
        with suppress(ConnectionError, aiohttp.ClientError):
            if self._protocol == PACKED:
                await self._connection.send_bytes(msgspec.msgpack.encode(frame))
            else:
                await self._connection.send_str(msgspec.json.encode(frame).decode())

    async def next_id(self) -> str:
        """The id of this client's next op, once the last one has left no doubt about it; empty when it is closed."""
        await self._may_ask.wait()
        if self.closed:
            return ""
        self._may_ask.clear()
        self._number += 1
        return f"{self.client}:{self._number}"

    async def has_seen(self, sentinel: int) -> None:
        """Return when this sentinel has come, or nothing will."""
        while not self.closed and self.seen <= sentinel:
            await self._heard.wait()
            self._heard.clear()

    def resume(self) -> dict[str, Any]:
        """Where it stands."""
        return {"generation": self.generation, "channels": dict(self.sequences)}

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._reading is not None:
            await self._reading

    async def _read(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        async for message in connection:
            packed = message.type is aiohttp.WSMsgType.BINARY
            frame = msgspec.msgpack.decode(message.data) if packed else msgspec.json.decode(message.data)
            text = msgspec.json.encode(frame).decode()
            self._keep(Evidence(self.person, self.seen, f"{self._protocol} {frame['type']}", text))
            self._follow(frame)
            self._heard.set()
        self.closed = True
        self.synced.set()
        self._may_ask.set()
        self._heard.set()

    def _follow(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "welcome":
                self.client, self.generation = frame["client"], frame["generation"]
                self._number = frame["lastOp"]
            case "synced":
                self.synced.set()
            case "data_sync":
                self.sequences[frame["channel"]] = frame["sequence"]
            case "withdrawn":
                self.sequences.pop(frame["channel"], None)
            case "saved":
                self._may_ask.set()
            case "rejected" if frame["op"] == f"{self.client}:{self._number}":
                self._number = frame["next"] - 1
                self._may_ask.set()
            case "collaboration_event":
                for event in frame["events"]:
                    self.sequences[event["channel"]] = event["sequence"]
                    self.seen = max(self.seen, self._sentinels.get(event["id"], -1) + 1)
            case _:
                pass
