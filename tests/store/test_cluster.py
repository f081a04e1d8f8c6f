"""A log kept by three servers: the death of the leader of everything loses nothing and stops nobody (design D3, D5)."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from actors.contract.subjects import INTAKE_STREAM
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from store import intake, streams
from store.bus import Bus
from store.errors import AppendUnknown, BusDown, StoreError
from store.intake import IntakeConsumer, IntakeMessage
from store.log_writer import LogWriter
from store.postgres import Database
from tests.store.conftest import OpenBus
from tests.store.reading import Read, Reader, op
from tests.support.cluster import NatsCluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]
#: The servers take 4 to 9 s to choose a leader.
ELECTED_SECONDS = 60.0


@pytest.fixture
async def cluster(tmp_path: Path, open_bus: OpenBus, database: Database, settings: Settings) -> AsyncIterator[NatsCluster]:
    """Three servers with every stream on all of them."""
    running = NatsCluster(DataFolder(tmp_path / ".wedsync"))
    running.start()
    bus = await open_bus(running)
    copied = settings.model_copy(update={"log_replicas": 3})

    async def provisioned() -> bool:
        try:
            await streams.provision(bus, database, copied)
        except StoreError:
            return False
        return True

    await eventually(provisioned, "the streams are made", within_seconds=ELECTED_SECONDS)
    yield running
    running.stop()


class Load:
    """Appends one op after the other; what has no acknowledgement is sent again."""

    def __init__(self, writer: LogWriter) -> None:
        self.positions: dict[int, int] = {}
        self._writer = writer

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            self.positions[number] = await self.append(number)

    async def append(self, number: int) -> int:
        """Append one, again and again; returns its position."""
        while True:
            try:
                return await self._writer.append([op(1, b"%d" % number)], timeout_seconds=1)
            except (AppendUnknown, BusDown):
                await asyncio.sleep(0)


async def taken_by_one(bus: Bus) -> list[bytes]:
    """Begin to drain the intake; the list grows."""
    taken: list[bytes] = []

    async def take(message: IntakeMessage) -> None:
        taken.append(message.data)
        await message.ack()

    await IntakeConsumer(bus, take).start()
    return taken


async def put(bus: Bus, payload: bytes) -> bool:
    """Publish to the intake as an integrator would; False where nobody takes it at the moment."""
    try:
        answer = await bus.request("wedding.w1.op.operator", payload, timeout_seconds=1)
    except StoreError:
        return False
    return b"error" not in answer


async def leader_of(bus: Bus, info: str) -> str:
    """Which server leads; "" between two leaders, when nobody answers."""
    with suppress(StoreError):
        return str((await bus.js_request(info, timeout_seconds=1))["cluster"].get("leader"))
    return ""


async def let_lead(bus: Bus, name: str, kind: str, subject: str) -> None:
    """Make a server the leader of a stream or consumer."""

    async def leads() -> bool:
        return await leader_of(bus, f"{kind}.INFO.{subject}") == name

    if not await leads():
        await bus.js_request(f"{kind}.LEADER.STEPDOWN.{subject}", {"placement": {"preferred": name}})
        await eventually(leads, f"{name} leads {subject}", within_seconds=ELECTED_SECONDS)


async def lead_everything(bus: Bus, reader_consumer: str) -> str:
    """Let the server that leads the reader's consumer lead log and intake too; returns its name."""

    name = await leader_of(bus, f"CONSUMER.INFO.LOG_0.{reader_consumer}")
    for kind, subject in (("STREAM", "LOG_0"), ("CONSUMER", f"{INTAKE_STREAM}.{intake.DURABLE}")):
        await let_lead(bus, name, kind, subject)
    return name


async def test_d3_the_death_of_a_leader_loses_nothing_and_reading_goes_on(
    cluster: NatsCluster, open_bus: OpenBus, read: Read
) -> None:
    """The server that leads log, reader and intake is killed under load: every acknowledged op is read once, at its position."""
    bus, operator = await open_bus(cluster), await open_bus(cluster, "operator")
    reader = Reader(await open_bus(cluster))
    consumer = await reader.start(read, ["log.*.1.>"])
    load = Load(await LogWriter.open(bus, secrets.token_hex(16)))
    loading = asyncio.create_task(load.run())
    taken = await taken_by_one(await open_bus(cluster, "gateway"))
    assert await put(operator, b"before")
    await eventually(lambda: taken == [b"before"] and len(load.positions) > 100)
    cluster.servers[await lead_everything(bus, consumer._consumer)].kill()
    before = len(load.positions)
    await eventually(lambda: len(load.positions) > before + 100, "ops are stored again", within_seconds=ELECTED_SECONDS)
    loading.cancel()
    last = max(load.positions.values())
    await eventually(lambda: consumer.position >= last, "the reader is there", within_seconds=ELECTED_SECONDS)
    at = {position: int(data) for position, (_, data) in zip(read.positions, read.messages, strict=True)}
    assert read.positions == list(range(1, len(read.positions) + 1))
    assert {number: at[position] for number, position in load.positions.items()} == {number: number for number in load.positions}
    assert read.broken == []
    await eventually(lambda: put(operator, b"after"), "the intake takes ops again", within_seconds=ELECTED_SECONDS)
    await eventually(lambda: b"after" in taken, "a gateway takes them", within_seconds=ELECTED_SECONDS)
    await consumer.stop()


async def test_d3_a_copy_that_lags_behind_makes_nobody_pass_over_an_op(
    cluster: NatsCluster, open_bus: OpenBus, read: Read
) -> None:
    """The server that leads the reader's consumer can store nothing more and calls nothing pending: what others store is read."""
    bus = await open_bus(cluster)
    consumer = await Reader(await open_bus(cluster)).start(read, ["log.*.1.>"])
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    load = Load(writer)
    await load.append(1)
    await eventually(lambda: len(read.messages) == 1, "the first op is read", within_seconds=ELECTED_SECONDS)
    lagging = await leader_of(bus, f"CONSUMER.INFO.LOG_0.{consumer._consumer}")
    await let_lead(bus, next(name for name in sorted(cluster.servers) if name != lagging), "STREAM", "LOG_0")
    cluster.servers[lagging].let_write_nothing()
    for number in range(2, 12):
        load.positions[number] = await load.append(number)
    last = max(load.positions.values())
    await eventually(lambda: consumer.position >= last, "the reader is there", within_seconds=ELECTED_SECONDS)
    assert [int(data) for _, data in read.messages] == list(range(1, 12))
    await consumer.stop()


async def test_d3_a_host_with_fewer_copies_in_its_settings_takes_none_away(
    cluster: NatsCluster, open_bus: OpenBus, database: Database, settings: Settings
) -> None:
    """Who starts without WEDSYNC_LOG_REPLICAS=3 in the same cluster is told so, and every stream keeps its three copies."""
    bus = await open_bus(cluster)
    with capture_logs() as events:
        await streams.provision(bus, database, settings)
    names = ("LOG_0", "INTAKE", "TIMERS", "DEAD")
    assert {name: (await bus.js_request(f"STREAM.INFO.{name}"))["config"]["num_replicas"] for name in names} == dict.fromkeys(
        names, 3
    )
    told = [each["stream"] for each in events if each.get("setting") == "WEDSYNC_LOG_REPLICAS"]
    assert sorted(told) == sorted(names)
