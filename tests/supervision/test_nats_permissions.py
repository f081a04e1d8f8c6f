"""Who may publish and read what, asked of the real server (design D10)."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from tests.support.servers import NatsServer

pytestmark = pytest.mark.servers

USERS = ("host", "gateway", "operator", "auth")

PUBLISHERS = {
    "log.r0.44.w.w77.maria": "host gateway",
    "log.r0.44.m.activate._rules": "host",
    "wedding.w77.op.operator": "operator",
    "wedding.w77.op.import": "operator",
    "wedding.w77.op.maria": "",
    "wedding.w77.outcome.maria": "host gateway",
    "wedding.w77.feed.maria.timeline.team": "host",
    "fan.r0.44.w.w77": "host",
    "heads.r0.44": "host",
    "members.r0": "host",
    "presence.r0.w77": "gateway",
    "actors.r0.44.w.w77.state": "host gateway operator",
    "timer.r0.w77": "host",
    "due.0.r0.44.w.w77": "host",
    "log.r0.44.w.w77._timer": "host",
    "wedding.w77.op._timer": "",
    "wedsync.dead.bad_frame": "host gateway",
    "$SRV.PING": "host gateway operator",
    "$JS.API.STREAM.CREATE.LOG_0": "host",
    "$JS.API.STREAM.UPDATE.LOG_0": "host",
    "$JS.API.STREAM.DELETE.LOG_0": "host",
    "$JS.API.STREAM.PURGE.LOG_0": "host",
    "$JS.API.STREAM.MSG.DELETE.LOG_0": "host",
    "$JS.API.STREAM.INFO.LOG_0": "host gateway operator",
    "$JS.API.STREAM.MSG.GET.LOG_0": "host operator",
    "$JS.API.CONSUMER.CREATE.LOG_0.reader": "host operator",
    "$JS.API.CONSUMER.CREATE.INTAKE.intake": "host gateway",
    "$JS.API.CONSUMER.MSG.NEXT.INTAKE.intake": "host gateway",
    "$JS.API.CONSUMER.RESET.INTAKE.intake": "host gateway",
    "$JS.API.CONSUMER.RESET.LOG_0.reader": "host",
    "$JS.API.CONSUMER.DELETE.INTAKE.intake": "host",
    "$JS.ACK.INTAKE.intake.1.1.1.1.0": "host gateway",
    "$JS.ACK.LOG_0.reader.1.1.1.1.0": "host",
    "_INBOX_host.x": "host",
    "_INBOX_gateway.x": "host gateway",
    "_INBOX_operator.x": "host gateway",
    "_INBOX_maria.x": "",
    "anything": "",
}

READERS = {
    ">": "",
    "log.>": "",
    "timer.>": "",
    "$JS.API.>": "",
    "fan.r0.>": "gateway",
    "heads.r0.*": "host gateway",
    "members.r0": "host",
    "presence.r0.>": "gateway",
    "actors.r0.44.>": "host",
    "wedding.*.op.*": "operator",
    "wedding.w77.outcome.operator": "operator",
    "wedding.w77.feed.>": "operator",
    "wedsync.dead.>": "operator",
    "$SRV.PING": "host gateway",
    "$SYS.REQ.USER.AUTH": "auth",
    "_INBOX.>": "",
    "_INBOX_host.>": "host",
    "_INBOX_gateway.>": "gateway",
    "_INBOX_operator.>": "operator",
    "_INBOX_auth.>": "auth",
}


class Probe:
    """A client of one internal user that remembers what the server forbade it."""

    def __init__(self) -> None:
        self.forbidden: list[str] = []
        self.client = Client()

    async def connect(self, server: NatsServer, user: str) -> None:
        self.client = await server.connect(user, error_cb=self._remember)

    async def may_publish(self, subject: str) -> bool:
        await self.client.publish(subject, b"")
        return await self._was_allowed()

    async def may_subscribe(self, subject: str) -> bool:
        await self.client.subscribe(subject)
        return await self._was_allowed()

    async def _was_allowed(self) -> bool:
        # The client's flush may overtake what it should follow: two of them are a barrier.
        await self.client.flush()
        await self.client.flush()
        allowed = not self.forbidden
        self.forbidden.clear()
        return allowed

    async def _remember(self, error: Exception) -> None:
        self.forbidden.append(str(error))


@pytest.fixture
async def probes(jetstream: NatsServer) -> AsyncIterator[dict[str, Probe]]:
    """A connected probe of every internal user, on a server without streams."""
    found = {user: Probe() for user in USERS}
    for user, probe in found.items():
        await probe.connect(jetstream, user)
    yield found
    for probe in found.values():
        await probe.client.close()


@pytest.mark.parametrize(("subject", "publishers"), PUBLISHERS.items())
async def test_d10_publishers(probes: dict[str, Probe], subject: str, publishers: str) -> None:
    """Exactly the named users may publish to the subject."""
    allowed = {user for user, probe in probes.items() if await probe.may_publish(subject)}
    assert allowed == set(publishers.split())


@pytest.mark.parametrize(("subject", "readers"), READERS.items())
async def test_d10_readers(probes: dict[str, Probe], subject: str, readers: str) -> None:
    """Exactly the named users may subscribe to the subject."""
    allowed = {user for user, probe in probes.items() if await probe.may_subscribe(subject)}
    assert allowed == set(readers.split())


async def test_d10_unknown_user_is_asked_of_the_auth_callout(nats_server: NatsServer) -> None:
    """Who is no internal user is decided by whoever serves the callout as user auth, and by nobody else."""
    callout = await nats_server.connect("auth")
    asked = asyncio.get_running_loop().create_future()

    async def refuse(message: object) -> None:
        asked.set_result(message)

    await callout.subscribe("$SYS.REQ.USER.AUTH", cb=refuse)
    await callout.flush()
    await callout.flush()
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    await reader.readline()
    options = {"user": "florist", "pass": "token", "verbose": False, "pedantic": False}
    writer.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
    request = await asyncio.wait_for(asked, 5)
    await callout.publish(request.reply, b"no")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    await callout.close()
    assert b"Authorization Violation" in answer
