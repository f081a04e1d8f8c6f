"""A log that goes back under a running system is neither folded nor answered with `saved`, whatever it holds afterwards (D12)."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.host import Host
from config.supervision.data_folder import DataFolder
from config.supervision.embedded_nats import nats_child
from config.supervision.ports import free_port
from gateway.errors import LogRefused, LogUnusable
from gateway.ops.group_commit import GroupCommit
from store import alarms, log_fence, log_range
from store.bus import Bus
from store.errors import LogMismatch, LogWentBack
from store.log_writer import LogWriter
from store.postgres import Database
from store.reseed import reseed
from tests.recovery.conftest import MakeSettings, write_and_store, write_only
from tests.support import damage
from tests.support.hosts import running_bus, running_host
from tests.support.servers import EmbeddedServer, NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
SUBJECT = "log.r0.7.w.w1.ana"


def lose_half(own_nats: NatsServer, folder: Path) -> None:
    """Kill the server and take the second half of its log away; it is not started again."""
    own_nats.server.kill()
    damage.flip_bit(folder)
    damage.remove_index(folder)


@contextmanager
def elsewhere(folder: Path) -> Iterator[NatsServer]:
    """Run the same server on other ports, where nobody of this test is connected."""
    data = DataFolder(folder)
    ports = {"nats": free_port(), "nats_monitor": free_port()}
    server = EmbeddedServer(lambda: nats_child(data, data.keys(), ports), folder / "elsewhere.log")
    server.start()
    try:
        yield NatsServer(data.keys(), ports["nats"], ports["nats_monitor"], server)
    finally:
        server.stop()


class Lagging:
    """A bus to a cluster in which the first consumers read a copy whose server has not taken in the newest messages."""

    def __init__(self, bus: Bus, consumers: int) -> None:
        self._bus = bus
        self._left = consumers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def js_request(self, subject: str, body: Any = None) -> dict[str, Any]:
        if subject.startswith("CONSUMER.CREATE") and self._left:
            self._left -= 1
            body["config"]["opt_start_seq"] += 1000
        answer = await self._bus.js_request(subject, body)
        if subject.startswith("STREAM.INFO"):
            answer["config"]["num_replicas"] = 3
        return answer


async def test_d12_a_copy_that_lags_behind_is_no_loss(own_nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just after the death of a leader the log is not called lost because one server has not caught up: it is asked again."""
    monkeypatch.setattr(log_range, "COPY_SECONDS", 0.0)
    async with running_bus(own_nats, "host") as bus:
        await bus.js_request("STREAM.CREATE.LOG_0", {"name": "LOG_0", "subjects": ["log.>"]})
        for _ in range(3):
            await bus.js_publish(SUBJECT, b"{}", {})
        lagging: Any = Lagging(bus, 3)
        assert [hole async for hole in log_range.holes(lagging, "LOG_0", 0, 3)] == []
        # What no copy has is missing.
        assert [hole async for hole in log_range.holes(lagging, "LOG_0", 0, 5)] == [(4, 5)]


@pytest.mark.parametrize("grown", [False, True], ids=["shorter", "grown again"])
async def test_d12_a_log_that_goes_back_ends_a_running_host(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path, grown: bool
) -> None:
    """A host that has read further, or something else at the same position, folds nothing more and ends."""
    await write_and_store(own_nats, database, settings_of(), 20)
    host = await Host.start(settings_of())
    try:
        lose_half(own_nats, folder)
        if grown:
            with elsewhere(folder) as regrown:
                await write_only(regrown, 40, first=100, known=100)
        own_nats.server.start()
        with pytest.raises(LogMismatch, match=r"LOG_0 .* `wedsync reseed`"):
            await asyncio.wait_for(asyncio.shield(host.failure), 20)
    finally:
        await host.close()


async def test_d12_a_log_that_grew_again_is_refused_at_the_start(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """Positions that were used twice are noticed by the op that is stored at one of them."""
    await write_and_store(own_nats, database, settings_of(), 20)
    lose_half(own_nats, folder)
    own_nats.server.start()
    await write_only(own_nats, 40, first=100, known=100)
    with pytest.raises(LogMismatch, match="has gone back and used positions again"):
        async with running_host(settings_of()):
            pass


async def test_d12_a_log_with_a_hole_above_the_checkpoints_is_not_folded(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """One message that cannot be read, in a stream that says it is whole, keeps every op behind it from being decided."""
    last = await write_and_store(own_nats, database, settings_of(), 1)
    await write_only(own_nats, 30, first=1, known=2)
    own_nats.server.stop()
    damage.flip_bit(folder)
    own_nats.server.start()
    with pytest.raises(LogMismatch, match=r"position \d+ cannot be read, and nothing is stored of it"):
        async with running_host(settings_of()):
            pass
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT max(last_position) FROM changes") == last
    async with running_bus(own_nats, "host") as bus:
        [only] = (await reseed(bus, database, settings_of())).streams
        [(first, end)] = only.lost
    assert (first, only.carried) == (end, 29)


async def test_d12_what_is_stored_and_trimmed_during_the_look_is_not_lost(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """Checkpoints that were read before others stored and trimmed prove no loss: neither of the beginning, nor of a hole."""
    last = await write_and_store(own_nats, database, settings_of(), 20)
    before = dict.fromkeys(range(64), 0)
    async with running_bus(own_nats, "host") as bus:
        await bus.js_request("STREAM.PURGE.LOG_0", {"seq": last})
        assert await log_fence.fault_of(bus, database, 0, before) is None
        assert [run async for run in log_fence.lost(bus, database, 0, before, last)] == []
        # What goes above the checkpoints is lost.
        (position, *_) = await write_only(own_nats, 3, first=100, known=21)
        await bus.js_request("STREAM.PURGE.LOG_0", {"seq": position + 2})
        assert f"begins at {position + 2}" in str(await log_fence.fault_of(bus, database, 0, before))
        assert [run async for run in log_fence.lost(bus, database, 0, before, position + 2)] == [(position, position + 1)]


async def test_d12_a_hole_in_what_is_stored_harms_nobody(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """What PostgreSQL has is not read from the log again: hosts serve, and raise the alarm for what nats-server admits."""
    await write_and_store(own_nats, database, settings_of(), 20)
    own_nats.server.stop()
    damage.truncate(folder)
    own_nats.server.start()
    async with running_host(settings_of()) as host:
        assert host.stats()["alarms"] == ["log_damaged"]
        [alarm] = await alarms.standing(database)
        assert (alarm.name, alarm.source) == ("log_damaged", "host-1")


async def test_d12_nothing_is_saved_in_a_log_that_went_back(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """A gateway that has seen more refuses, a fresh one too; after the re-seeding both save again without a restart."""
    last = await write_and_store(own_nats, database, settings_of(), 20)
    async with running_bus(own_nats, "gateway") as bus:
        writer = await LogWriter.open(bus, secrets.token_hex(16), database)
        commit = GroupCommit(writer, batch_ops=50, publishes_in_flight=1, timeout_seconds=1.0, waiting_bytes_limit=100_000)
        assert await commit.submit(("ana", "c"), SUBJECT, b"{}") == last + 1
        lose_half(own_nats, folder)
        await eventually(lambda: not bus.connected, "the gateway has noticed")
        own_nats.server.start()
        await eventually(lambda: bus.connected, "the gateway is connected again")
        with pytest.raises((LogRefused, LogUnusable)):
            await commit.submit(("ana", "c"), SUBJECT, b"{}")
        with pytest.raises(LogUnusable):
            await commit.submit(("ana", "c"), SUBJECT, b"{}")
        fresh = await LogWriter.open(bus, secrets.token_hex(16), database)
        with pytest.raises(LogWentBack):
            await fresh.append([(SUBJECT, b"{}")])
        async with running_bus(own_nats, "host") as host_bus:
            [only] = (await reseed(host_bus, database, settings_of())).streams
        await writer.guard.look()
        assert await commit.submit(("ana", "c"), SUBJECT, b"{}") == only.first_position
        await fresh.append([(SUBJECT, b"{}")])
        await commit.close()


async def test_d12_an_acknowledgement_below_what_was_seen_is_not_believed(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """The position itself is the second fence: nothing is `saved` under one that somebody has seen before."""
    await write_and_store(own_nats, database, settings_of(), 3)
    async with running_bus(own_nats, "gateway") as bus, running_bus(own_nats, "host") as host_bus:
        writer = await LogWriter.open(bus, secrets.token_hex(16))
        await writer.append([(SUBJECT, b"{}")] * 5)
        await host_bus.js_request("STREAM.DELETE.LOG_0")
        await host_bus.js_request("STREAM.CREATE.LOG_0", {"name": "LOG_0", "subjects": ["log.*.>"], "storage": "memory"})
        commit = GroupCommit(writer, batch_ops=50, publishes_in_flight=1, timeout_seconds=1.0, waiting_bytes_limit=100_000)
        waiting = commit.submit(("ana", "c"), SUBJECT, b"{}")
        await eventually(lambda: commit.publishes_repeated, "the gateway does not believe it")
        assert not waiting.done() or waiting.exception() is not None
        await commit.close()


async def test_d12_what_is_acknowledged_during_a_look_is_not_missed_in_its_answer(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's answer is older than an acknowledgement that overtook it, so it proves no loss."""
    await write_and_store(own_nats, database, settings_of(), 3)
    async with running_bus(own_nats, "gateway") as bus:
        writer = await LogWriter.open(bus, secrets.token_hex(16))
        await writer.append([(SUBJECT, b"{}")])
        ask = log_range.bounds

        async def overtaken(bus: Bus, stream: str) -> log_range.Bounds | None:
            found = await ask(bus, stream)
            await writer.append([(SUBJECT, b"{}")])
            return found

        monkeypatch.setattr(log_range, "bounds", overtaken)
        await writer.guard.look()
        assert writer.guard.fault == ""
