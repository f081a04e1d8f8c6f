"""Hosts without Postgres or NATS for a while: the fold goes on, nothing is lost, memory stays bounded (design D7, INV7)."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from actors.contract import ops
from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry, Op, Target
from actors.contract.subjects import WEDDING
from actors.domain import members
from actors.runtime.dead_letters import DeadLetter
from actors.runtime.host import Host
from config.supervision.data_folder import DataFolder
from store import changes, stored_changes
from store.bus import Bus
from store.errors import LogMismatch
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, host_settings, running_bus, running_host
from tests.support.refold import Key, require_stored_equals_log
from tests.support.servers import PostgresServer, start_embedded_nats, start_embedded_postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
MIB = 1024 * 1024
#: A host that begins anew while PostgreSQL is away cannot come back before it: no moment of a machine that stands still is death.
PATIENT: Final[dict[str, Any]] = {"database_timeout_seconds": 3, "member_timeout_seconds": 20}


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of this test alone, to be killed and started again."""
    server = start_embedded_postgres(DataFolder(tmp_path / ".wedsync"))
    yield server
    server.server.stop()


@pytest.fixture
async def own_database_url(own_postgres: PostgresServer) -> str:
    return own_postgres.url_of(await own_postgres.create_database())


async def test_d7_awake_weddings_go_on_without_postgres(
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    own_postgres: PostgresServer,
    own_database_url: str,
) -> None:
    """Ops are decided and reads answered while Postgres is down, sleeping weddings say `waking`; later everything is stored."""
    async with running_host(settings_of(**PATIENT, database_url=own_database_url)):
        await author.create_wedding("asleep")
        await heard.at(await author.create_wedding("w1", "ben"))
    async with running_host(settings_of(**PATIENT, database_url=own_database_url)):
        await heard.at(await author.insert_task("w1", "t1", author="ben"))
        own_postgres.server.kill()
        position = await author.rename_task("w1", "t1", "Without Postgres", "ben")
        assert (await heard.at(position)).refusal is None
        assert (await author.ask("w1", "digest", position=position))[0].error == ""
        assert (await author.ask("asleep", "digest"))[0].error == "waking"
        waiting = await author.insert_task("asleep", "t1")
        await asyncio.to_thread(own_postgres.server.start)
        assert (await heard.at(waiting)).refusal is None
        await _require_stored(host_bus, own_database_url)


async def test_d7_a_full_buffer_is_thrown_away_and_written_by_a_silent_fold(
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    own_postgres: PostgresServer,
    own_database_url: str,
) -> None:
    """More decisions than fit while Postgres is down: memory stays bounded, no event is told twice, and all are stored."""
    async with running_host(settings_of(**PATIENT, database_url=own_database_url, flush_buffer_bytes=MIB)) as host:
        for wedding in ("w1", "w2"):
            await author.create_wedding(wedding, f"ana-{wedding}")
            await heard.at(await author.insert_task(wedding, "t", author=f"ana-{wedding}"))
        own_postgres.server.kill()
        while host.counters.buffer_overflows < 2:
            await _write_document(author, "w1")
            await heard.at(await _write_document(author, "w2"))
            assert host.stats()["unflushed_bytes"] <= MIB
        await asyncio.to_thread(own_postgres.server.start)
        await eventually(lambda: host.counters.silent_folds, "the silent fold begins")
        last = await author.rename_task("w1", "t", "Afterwards", "ana-w1")
        await heard.at(last)
        fold = await _require_stored(host_bus, own_database_url)
        for wedding in ("w1", "w2"):
            digests = await author.digests(wedding, last)
            assert digests["documents.team"][0] == len(fold["w", wedding]) - (3 if wedding == "w1" else 2)
    assert len({envelope.position for envelope in heard.all}) == len(heard.all)


async def _write_document(author: LogAuthor, wedding: str) -> int:
    """An op large enough to fill the buffer soon."""
    principal = f"ana-{wedding}"
    op_id = author.next_id(principal)
    data: dict[str, object] = {"title": "Speech", "text": "x" * 20_000}
    target = Target("documents", f"d{op_id.rpartition(':')[2]}")
    return await author.write(wedding, principal, Op("document_edit", "insert", target, op_id, data))


async def _require_stored(bus: Bus, url: str) -> dict[Key, list[Decision]]:
    database = await Database.open(url)
    try:
        return (await require_stored_equals_log(bus, database)).decisions
    finally:
        await database.close()


async def test_inv7_a_full_mailbox_pauses_the_reader_and_drops_nothing(
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    own_postgres: PostgresServer,
    own_database_url: str,
) -> None:
    """Ops for a wedding that cannot wake are bounded in memory and hold the checkpoint back; all are decided once it wakes."""
    kib_64 = 64 * 1024
    async with running_host(settings_of(**PATIENT, database_url=own_database_url)):
        await author.create_wedding("w1", "ana-w1")
    async with running_host(settings_of(**PATIENT, database_url=own_database_url, waking_queue_bytes=kib_64)) as host:
        own_postgres.server.kill()
        positions = [await _write_document(author, "w1") for _ in range(10)]
        await eventually(lambda: host.duty.mailbox.is_full, "the mailbox is full")
        assert host.duty.mailbox.bytes <= kib_64 + 30_000
        await asyncio.to_thread(own_postgres.server.start)
        assert (await heard.at(positions[-1])).refusal is None
        await _require_stored(host_bus, own_database_url)


async def test_inv6_a_message_that_is_no_op_goes_to_the_dead_letters(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database
) -> None:
    """What cannot be decoded consumes nothing, lies in DEAD with its subject, position and bytes, and the fold goes on."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = await author.write_bytes("w1", "ana", b"\xff no json")
        after = await author.insert_task("w1", "t1")
        assert (await heard.at(after)).rev == 2
        letter = await _dead_letter(host_bus, "wedsync.dead.undecodable")
        await require_stored_equals_log(host_bus, database)
    assert letter.position == position
    assert letter.subject.endswith(".w.w1.ana")


async def test_inv6_a_poison_op_harms_only_its_author(
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An op over which the rules stumble is decided `internal_error`, a copy lies in DEAD, and everybody else goes on."""
    _stumble_over(monkeypatch, "poison")
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = await author.insert_task("w1", "poison")
        after = await author.insert_task("w1", "t1")
        refused = (await heard.at(position)).refusal
        assert refused is not None
        assert refused.code == "internal_error"
        assert (await heard.at(after)).refusal is None
        letter = await _dead_letter(host_bus, "wedsync.dead.internal")
    assert msgspec.json.decode(letter.op, type=LogEntry).op.target.id == "poison"


def _stumble_over(monkeypatch: pytest.MonkeyPatch, identifier: str) -> None:
    """Give the rules a fault that one item brings out."""

    def faulty(op: Op, wedding: str) -> None:
        if op.target.id == identifier:
            raise ZeroDivisionError
        ops.check_op(op, wedding)

    monkeypatch.setattr(members, "check_op", faulty)


async def _dead_letter(bus: Bus, subject: str) -> DeadLetter:
    """The last message on a subject of DEAD."""

    async def count() -> int:
        info = await bus.js_request("STREAM.INFO.DEAD", {"subjects_filter": subject})
        return len(info["state"].get("subjects") or {})

    await eventually(count, "the copy has arrived")
    found = await bus.js_request("STREAM.MSG.GET.DEAD", {"last_by_subj": subject})
    return msgspec.json.decode(base64.b64decode(found["message"]["data"]), type=DeadLetter)


async def test_d2_a_host_without_nats_begins_anew_when_it_is_back(tmp_path: Path, database_url: str, database: Database) -> None:
    """A host that cannot hear itself drops what it has; when NATS is back it owns everything again and goes on."""
    nats = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    try:
        async with (
            running_bus(nats, "gateway") as bus,
            running_bus(nats, "host") as host_bus,
            running_host(host_settings(nats, database_url)) as host,
        ):
            author = await LogAuthor.open(bus)
            before = await author.digests("w1", await author.create_wedding("w1"))
            nats.server.kill()
            await eventually(lambda: host.counters.restarts_as_new, "the host has lost itself")
            await asyncio.to_thread(nats.server.start)
            await eventually(lambda: bus.connected and len(host.duty.ownership.partitions) == 64, "the host owns everything")
            assert await author.digests("w1") == before
            heard = await Envelopes.of(bus)
            assert (await heard.at(await author.insert_task("w1", "t1"))).rev == 2
            await require_stored_equals_log(host_bus, database)
    finally:
        nats.server.stop()


async def test_d10_a_stream_that_a_killed_server_lost_is_made_again(tmp_path: Path, database_url: str) -> None:
    """A server that comes back without INTAKE has it again as soon as a host is connected."""
    nats = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    try:
        async with running_bus(nats, "host") as bus, running_host(host_settings(nats, database_url)):
            await bus.js_request("STREAM.DELETE.INTAKE")
            nats.server.kill()
            await asyncio.to_thread(nats.server.start)
            await eventually(lambda: bus.connected, "the bus is back")
            async with asyncio.timeout(10):
                while "INTAKE" not in (await bus.js_request("STREAM.NAMES"))["streams"]:
                    await bus.barrier()
    finally:
        nats.server.stop()


async def test_d12_a_log_that_lost_what_was_stored_is_not_folded(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """A host refuses to serve when the log is shorter than a checkpoint, or begins with a hole above one."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        for number in range(10):
            await author.insert_task("w1", f"t{number}")
    await host_bus.js_request("STREAM.PURGE.LOG_0", {"seq": 5})
    async with running_host(settings_of()):
        assert (await author.digests("w1"))["tasks.team"][0] == 10
    async with database.connection() as connection:
        await connection.execute("UPDATE checkpoints SET position = 1 WHERE partition = 7")
    with pytest.raises(LogMismatch, match="begins at 5"):
        await Host.start(settings_of())
    async with database.connection() as connection:
        await connection.execute("UPDATE checkpoints SET position = 100 WHERE partition = 7")
    with pytest.raises(LogMismatch, match="ends at 11"):
        await Host.start(settings_of())


async def test_d3_several_log_streams_are_read_side_by_side(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """With more streams than one each partition has positions of its own stream, and everything is decided and stored."""
    async with running_host(settings_of(log_streams=3)):
        weddings = [f"w{number}" for number in range(9)]
        for wedding in weddings:
            await author.create_wedding(wedding, f"ana-{wedding}")
        digests = {wedding: await author.digests(wedding) for wedding in weddings}
        assert all(found["wedding.everyone"][0] == 1 for found in digests.values())
    async with running_host(settings_of(log_streams=3)):
        assert {wedding: await author.digests(wedding) for wedding in weddings} == digests
        for wedding in weddings:
            found = await stored_changes.read_after(database, WEDDING, wedding, 0, limit_decisions=10)
            assert [decision.rev for decision in found] == [1]


async def test_d7_idle_checkpoints_move(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """A partition without ops is checkpointed too, so that a new owner need not read far back."""
    async with running_host(settings_of(idle_checkpoint_seconds=0.2)):
        position = await author.create_wedding("w1")
        await heard.at(position)

        async def lowest() -> int:
            return min((await changes.checkpoints(database, 1, 64)).values())

        await eventually(lambda: _at_least(lowest, position), "every checkpoint has passed the op")


async def _at_least(look: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await look() >= wanted
