"""The gateway as a process: READY, a shared port, SIGTERM; and what clients see of an end and of a beginning (design D8)."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from config.supervision.data_folder import DataFolder
from config.supervision.ports import free_port
from gateway.process import serving
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import JWT_SECRET, RunningGateway, Talker, gateway_settings, running_gateway
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually


@asynccontextmanager
async def gateway_process(nats_server: NatsServer, database_url: str, number: int, port: int) -> AsyncIterator[Process]:
    """A real gateway process that has said READY; killed at the end if it still runs."""
    process = await start_process(nats_server, database_url, number, port)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = await process.stdout.readline()
        assert ready == f"READY gateway gateway-{number} {port}\n".encode(), (await process.stderr.read()).decode()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def start_process(nats_server: NatsServer, database_url: str, number: int, port: int) -> Process:
    """A gateway process that begins."""
    environment = {
        "NATS_URL": nats_server.url,
        "WEDSYNC_NATS_USER": "gateway",
        "WEDSYNC_NATS_PASSWORD": nats_server.password_of("gateway"),
        "DATABASE_URL": database_url,
        "WEDSYNC_JWT_SECRET": JWT_SECRET,
        "WEDSYNC_GATEWAY_ID": f"gateway-{number}",
        "WEDSYNC_PORT": str(port),
        "WEDSYNC_SHARE_PORT": "true",
    }
    command = (sys.executable, "-P", "-m", "config.cli.role", "gateway")
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env={**os.environ, **environment})


@pytest.mark.processes
async def test_d8_gateways_share_a_port_and_a_terminated_one_sends_its_clients_on(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """SIGTERM: exit 0, sockets closed with 1012 after what they sent was saved; at the same port they resume by events."""
    await found("w1")
    port = free_port()
    stack.url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as running:
        first = await running.enter_async_context(gateway_process(jetstream, database_url, 1, port))
        ana = await stack.join("w1", "ana")
        await ana.event_of(await ana.insert_task("cake"))
        await running.enter_async_context(gateway_process(jetstream, database_url, 2, port))
        first.send_signal(signal.SIGTERM)
        assert await ana.closed_with() == 1012
        assert await first.wait() == 0
        seen = {"generation": 1, "channels": ana.welcome["channels"]}
        back = await stack.join("w1", "ana", ana.client, resume=seen)
        assert back.welcome["lastOp"] == 1
        # The channel of the tasks came into being after the first hello: it is not named, hence whole.
        assert {name: frame["mode"] for name, [frame] in back.syncs.items()} == {
            "wedding.everyone": "events",
            "people.everyone": "events",
            "tasks.team": "snapshot",
        }


async def test_d5_a_draining_gateway_finishes_what_it_took(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """An op whose frame was read is in the log when the gateway has ended, and a newcomer is sent elsewhere meanwhile."""
    await found("w1")
    async with AsyncExitStack() as running:
        gateway, port = await running.enter_async_context(
            serving(gateway_settings(jetstream, database_url, gateway_id="gateway-2"))
        )
        other = RunningGateway(gateway, port)
        running.push_async_callback(other.close)
        ana = await other.join("w1", "ana")
        ops = [ana.next_op("task_completion", "insert", "tasks", f"t{n}", title="x", done=False) for n in range(50)]
        await ana.send({"type": "data_sync", "ops": ops})
        await eventually(lambda: gateway.counts.ops_accepted == 50, "the frame is read")
        gateway.ready = False
        with pytest.raises(Exception, match="503"):
            await other.connect()
        async with other._session.get(f"{other.url}/startupz") as answer:
            assert answer.headers["Connection"] == "close"
    tom = await stack.join("w1", "tom")
    assert tom.welcome["channels"]["tasks.team"] == 50


async def test_d2_a_wedding_without_an_owner_is_waking(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers for the wedding: error `waking` and 1013, and nothing hangs."""
    monkeypatch.setattr("gateway.rooms.owner.PATIENCE_SECONDS", 0.2)
    async with running_gateway(gateway_settings(jetstream, database_url, region="elsewhere")) as alone:
        ana = await alone.connect()
        await ana.hello("w1", "ana")
        await ana.expect("error", code="waking")
        assert await ana.closed_with() == 1013


async def test_no_hello_in_time_closes_with_4401(jetstream: NatsServer, database_url: str, stack: RunningGateway) -> None:
    """Who says nothing is told so and closed."""
    async with running_gateway(
        gateway_settings(jetstream, database_url, gateway_id="gateway-2", hello_timeout_seconds=0.1)
    ) as alone:
        silent = await alone.connect()
        await silent.expect("error", code="bad_token")
        assert await silent.closed_with() == 4401


async def test_a_client_that_never_answers_a_ping_is_gone(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """Pings come without being asked for; two without any sign of life end the connection, an answering client stays."""
    await found("w1")
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", websocket_ping_seconds=0.5)
    async with running_gateway(settings) as other:
        dead = Talker(await other._session.ws_connect(f"{other.url}/ws", autoping=False))
        await dead.hello("w1", "tom")
        alive = await other.join("w1", "ana")
        answering = asyncio.create_task(alive.connection.receive())
        kinds: list[Any] = []
        async with asyncio.timeout(10):
            while not dead.connection.closed:
                kinds.append((await dead.connection.receive()).type.name)
        assert kinds.count("PING") == 2
        assert dead.connection.close_code == 1001
        assert not alive.connection.closed
        answering.cancel()


async def test_a_page_of_another_origin_is_refused_before_the_upgrade(
    jetstream: NatsServer, database_url: str, stack: RunningGateway
) -> None:
    """The list is exact: another host, a longer name, another scheme and `null` get 403; a listed page and programs connect."""
    origins = "https://wedding.example, https://app.wedding.example"
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", allowed_origins=origins)
    async with running_gateway(settings) as strict:
        for origin in ("https://evil.example", "https://wedding.example.evil.example", "http://wedding.example", "null", ""):
            with pytest.raises(WSServerHandshakeError) as refused:
                await strict.connect(origin=origin)
            assert refused.value.status == 403, origin
        await strict.connect(origin="https://app.wedding.example")
        await strict.connect()


@pytest.mark.processes
async def test_d8_a_gateway_that_waits_for_nats_ends_when_it_is_told_to(tmp_path: Path, database_url: str) -> None:
    """SIGTERM while it waits for a server that is away ends it in good order; it has said what it waits for."""
    nats_server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    nats_server.server.kill()
    process = await start_process(nats_server, database_url, 1, free_port())
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"waits_for_its_servers" not in await process.stderr.readline():
            pass
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
