"""Gateways in the test's own loop, with real NATS, PostgreSQL and hosts behind them, and a bare client that talks in frames.

`running_gateway` serves until the block ends; `Talker` sends and expects single frames over a raw WebSocket, so that a test reads
like the conversation of the protocol. `running_stack` starts a host and a gateway together.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from config.settings import Settings
from gateway.access.tokens import make_token
from gateway.app import Gateway
from gateway.process import serving
from tests.support.hosts import host_settings, running_host
from tests.support.servers import NatsServer

JWT_SECRET = "the secret of the tests, 32 bytes or more"
WITHIN_SECONDS = 30.0


def gateway_settings(nats_server: NatsServer, database_url: str, **overrides: Any) -> Settings:
    """Settings of a gateway on these servers, on a free port."""
    values: dict[str, Any] = {
        "nats_url": nats_server.url,
        "nats_user": "gateway",
        "nats_password": nats_server.password_of("gateway"),
        "database_url": database_url,
        "jwt_secret": JWT_SECRET,
        "port": 0,
        "drain_seconds": 2.0,
        # Tests run beside others on a busy machine, where a decision may take long.
        "http_answer_timeout_seconds": 10.0,
    }
    return Settings(**(values | overrides))


def token_of(principal: str, wedding: str, **overrides: Any) -> str:
    """A client's token, valid for an hour unless overridden."""
    values: dict[str, Any] = {"use": "client", "lifetime_seconds": 3600, "now": time.time()}
    return make_token(JWT_SECRET, principal, wedding, **(values | overrides))


class RunningGateway:
    """A serving gateway and where it is reached."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._session = aiohttp.ClientSession()
        self._talkers: list[Talker] = []

    async def connect(self, **options: Any) -> "Talker":
        """A bare connection that has said nothing yet."""
        talker = Talker(await self._session.ws_connect(f"{self.url}/ws", max_msg_size=0, **options))
        self._talkers.append(talker)
        return talker

    async def join(self, wedding: str, principal: str, client: str | None = None, **hello: Any) -> "Talker":
        """A connection that is synced; `hello` may carry `resume`."""
        talker = await self.connect()
        await talker.hello(wedding, principal, client, **hello)
        await talker.until_synced()
        return talker

    async def close(self) -> None:
        for talker in self._talkers:
            await talker.close()
        await self._session.close()


class Talker:
    """A client that knows frames only. `welcome`, `syncs` and `before_synced` hold what came up to `synced`."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.connection = connection
        self.client = ""
        self.welcome: dict[str, Any] = {}
        self.syncs: dict[str, list[dict[str, Any]]] = {}
        self.before_synced: list[dict[str, Any]] = []
        self._number = 0

    async def send(self, frame: Any) -> None:
        """A frame as JSON, or text as it stands."""
        await self.connection.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def hello(self, wedding: str, principal: str, client: str | None = None, **hello: Any) -> None:
        frame = {"type": "hello", "version": 1, "wedding": wedding, "token": token_of(principal, wedding)}
        await self.send(frame | ({} if client is None else {"client": client}) | hello)

    async def receive(self) -> dict[str, Any]:
        """The next frame; fails when the connection closes instead."""
        async with asyncio.timeout(WITHIN_SECONDS):
            message = await self.connection.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, f"{message.type} {message.data} {self.connection.close_code}"
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def expect(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next frame of a type, others before it (presence, saved) left out; its members must be as given."""
        while True:
            frame = await self.receive()
            if frame["type"] == kind:
                break
            assert frame["type"] in {"saved", "presence_update"} - {kind}, frame
        assert {name: frame.get(name) for name in members} == members, frame
        return frame

    async def until_synced(self) -> Self:
        self.welcome = await self.expect("welcome")
        self.client = self.welcome["client"]
        while (frame := await self.receive())["type"] != "synced":
            self.before_synced.append(frame)
            if frame["type"] == "data_sync":
                self.syncs.setdefault(frame["channel"], []).append(frame)
        return self

    async def closed_with(self) -> int | None:
        """Read until the connection is closed; returns the close code."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not self.connection.closed:
                await self.connection.receive()
        return self.connection.close_code

    def next_op(self, kind: str, action: str, collection: str, identifier: str, **data: Any) -> dict[str, Any]:
        """The next op of this client in order."""
        self._number += 1
        target = {"collection": collection, "id": identifier}
        return {"id": f"{self.client}:{self._number}", "type": kind, "action": action, "target": target, "data": data}

    async def submit(self, op: dict[str, Any]) -> str:
        """Send one op; returns its id."""
        await self.send({"type": "collaboration_event", "op": op})
        identifier: str = op["id"]
        return identifier

    async def insert_task(self, identifier: str, title: str = "a task") -> str:
        return await self.submit(self.next_op("task_completion", "insert", "tasks", identifier, title=title, done=False))

    async def rename_task(self, identifier: str, title: str) -> str:
        return await self.submit(self.next_op("task_completion", "update", "tasks", identifier, title=title))

    async def event_of(self, op: str) -> dict[str, Any]:
        """Wait for the live events of one op."""
        frame = await self.expect("collaboration_event")
        assert {event["id"] for event in frame["events"]} == {op}, frame
        return frame

    async def close(self) -> None:
        await self.connection.close()


@asynccontextmanager
async def running_gateway(settings: Settings) -> AsyncIterator[RunningGateway]:
    """A gateway that serves; drained at the end."""
    async with serving(settings) as (gateway, port):
        running = RunningGateway(gateway, port)
        try:
            yield running
        finally:
            await running.close()


@asynccontextmanager
async def running_stack(nats_server: NatsServer, database_url: str, **overrides: Any) -> AsyncIterator[RunningGateway]:
    """A host and a gateway; `overrides` are settings of the gateway."""
    async with (
        running_host(host_settings(nats_server, database_url)),
        running_gateway(gateway_settings(nats_server, database_url, **overrides)) as gateway,
    ):
        yield gateway
