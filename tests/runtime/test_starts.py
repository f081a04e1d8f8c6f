"""Processes that start while their servers are away: they wait, say why, and serve when they are there (design D7)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.host import Host
from config.exit_codes import NEEDS_OPERATOR
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from store.errors import LogMismatch
from tests.support.gateways import gateway_settings
from tests.support.host_process import HostProcess
from tests.support.hosts import host_settings
from tests.support.servers import NatsServer, PostgresServer, start_embedded_nats, start_embedded_postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[tuple[NatsServer, PostgresServer]]:
    """Servers of this test."""
    folder = DataFolder(tmp_path / ".wedsync")
    servers = start_embedded_nats(folder), start_embedded_postgres(folder)
    yield servers
    for server in servers:
        server.server.stop()


async def test_d7_hosts_and_gateways_wait_for_servers_that_are_away(
    own_servers: tuple[NatsServer, PostgresServer], tmp_path: Path
) -> None:
    """Started without NATS and PostgreSQL they name first the one and then the other, and serve as soon as both are there."""
    nats_server, postgres = own_servers
    url = postgres.url_of(await postgres.create_database())
    await (await Host.start(host_settings(nats_server, url))).stop()
    nats_server.server.kill()
    postgres.server.kill()
    logs = tmp_path / "host.log", tmp_path / "gateway.log"
    processes = (
        HostProcess(host_settings(nats_server, url), logs[0], ready_within_seconds=50),
        HostProcess(gateway_settings(nats_server, url), logs[1], role="gateway", ready_within_seconds=50),
    )
    starting = [asyncio.create_task(process.start()) for process in processes]
    await eventually(lambda: all(say(logs, "bus_down")), "they say that NATS is away", within_seconds=30)
    await asyncio.to_thread(nats_server.server.start)
    await eventually(lambda: all(say(logs, "store_unavailable")), "they say that PostgreSQL is away", within_seconds=30)
    await asyncio.to_thread(postgres.server.start)
    await asyncio.gather(*starting)
    assert await asyncio.gather(*(process.stop() for process in processes)) == [0, 0]


async def test_a_host_says_that_its_start_gets_on(own_servers: tuple[NatsServer, PostgresServer], tmp_path: Path) -> None:
    """Until it serves it says STARTING now and then, so that whoever supervises it knows."""
    nats_server, postgres = own_servers
    url = postgres.url_of(await postgres.create_database())
    postgres.server.kill()
    host = HostProcess(host_settings(nats_server, url), tmp_path / "host.log", ready_within_seconds=50)
    starting = asyncio.create_task(host.start())
    await eventually(lambda: host.said_starting >= 2, "it says STARTING, and says it again")
    await asyncio.to_thread(postgres.server.start)
    await starting
    assert await host.stop() == 0


def say(logs: tuple[Path, ...], code: str) -> list[bool]:
    """Which of the processes have said that they wait because of this."""
    lines = [log.read_text().splitlines() if log.exists() else [] for log in logs]
    return [any("waits_for_its_servers" in line and code in line for line in each) for each in lines]


async def test_d12_a_host_does_not_wait_for_what_does_not_pass(
    own_servers: tuple[NatsServer, PostgresServer], tmp_path: Path
) -> None:
    """A log that belongs to another database is no outage: the process ends and says so."""
    nats_server, postgres = own_servers
    settings: Settings = host_settings(nats_server, postgres.url_of(await postgres.create_database()))
    await (await Host.start(settings)).stop()
    other = settings.model_copy(update={"partitions": 32})
    with pytest.raises(LogMismatch):
        await Host.start(other)
    host = HostProcess(other, tmp_path / "host.log")
    assert await host.ends() == NEEDS_OPERATOR
    assert "host_cannot_start" in (tmp_path / "host.log").read_text()
