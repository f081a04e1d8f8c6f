"""Stored changes that cannot be read: whoever needs them is told so, and neither the host nor anybody else is harmed (INV6)."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from actors.contract.consistency import OwnerReport
from actors.contract.ids import partition_of
from actors.contract.ops import Op, Target
from actors.runtime.host import Host
from config.cli.verification.reading import StoredDataDamaged, stored_decisions
from store import alarms
from store.blocks import pack, unpack
from store.bus import Bus
from store.errors import StoreUnavailable
from store.host_log import HostLog
from store.host_store import HostStore
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.refold import require_stored_equals_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def count(database: Database, statement: str, *arguments: Any) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(statement, *arguments)
    return found


async def rot(database: Database, wedding: str) -> None:
    """Make every stored block and snapshot of a wedding unreadable, and keep a copy of the blocks."""
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE kept AS SELECT * FROM changes")
        await connection.execute("UPDATE changes SET block = 'rotten' WHERE id = $1", wedding)
        await connection.execute("UPDATE snapshots SET state = 'rotten' WHERE id = $1", wedding)


async def mend(database: Database) -> None:
    """Bring the blocks back."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE changes c SET block = k.block FROM kept k WHERE (c.kind, c.id, c.first_rev) = (k.kind, k.id, k.first_rev)"
        )
        await connection.execute("DROP TABLE kept")


async def alarm_stands(database: Database) -> bool:
    return any(each.name == "wedding_unreadable" and "w1" in each.message for each in await alarms.standing(database))


async def no_alarm_stands(database: Database) -> bool:
    return await alarms.standing(database) == []


async def write_document(author: LogAuthor, wedding: str, number: int) -> int:
    data: dict[str, Any] = {"title": "Speech", "text": "x" * 20_000}
    op = Op("document_edit", "insert", Target("documents", f"d{number}"), author.next_id("ana"), data)
    return await author.write(wedding, "ana", op)


#: In the partition of w1.
MATE = next(f"mate{number}" for number in range(10_000) if partition_of(f"mate{number}") == partition_of("w1"))


async def stored_revs(database: Database, wedding: str) -> int:
    return await count(database, "SELECT COALESCE(max(last_rev), 0) FROM changes WHERE id = $1", wedding)


async def test_d5_a_repeat_whose_outcome_cannot_be_read_is_told_so(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """An old op sent again, when its stored block has rotted, is answered `unavailable`; the host and the wedding go on."""
    async with running_host(settings_of()) as host:
        await author.create_wedding("w1")
        first = Op("task_completion", "insert", Target("tasks", "t0"), author.next_id("ana"), {"title": "x"})
        await author.write("w1", "ana", first)
        for number in range(40):
            await author.insert_task("w1", f"more{number}")
        await eventually(lambda: stored_revs_are(database, "w1", 42), "all is stored")
        await rot(database, "w1")
        repeat = await heard.at(await author.write("w1", "ana", first))
        assert (repeat.decided, repeat.next) == (False, 43)
        assert repeat.refusal is not None
        assert repeat.refusal.code == "unavailable"
        assert (await heard.at(await author.insert_task("w1", "after"))).refusal is None
        assert not host.failure.done()


async def test_inv6_damage_is_told_by_those_who_look_for_it(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """A rotten block is a finding of `ensureConsistency` and of `wedsync verify`, and not something that passes by itself."""
    async with running_host(settings_of()) as host:
        await heard.at(await author.create_wedding("w1"))
        await eventually(lambda: stored_revs_are(database, "w1", 1), "w1 is stored")
        await rot(database, "w1")
        (reply,) = await author.ask("w1", "audit", repair=False)
        assert reply.error == ""
        found = msgspec.json.decode(reply.body, type=OwnerReport).findings[0]
        assert (found.place, found.agrees) == ("stored", False)
        assert host.counters.divergences_found == 1
    with pytest.raises(StoredDataDamaged):
        assert not [each async for each in stored_decisions(database, "w1", 1)]


async def stored_revs_are(database: Database, wedding: str, rev: int) -> bool:
    return await stored_revs(database, wedding) == rev


async def flushed(host: Host, database: Database, rev: int) -> bool:
    """Whether w1 is stored up to a rev, after one more flush."""
    await host.duty.flusher.flush(whole=True)
    return await stored_revs_are(database, "w1", rev)


async def test_d7_what_cannot_be_projected_stops_its_partition_alone(
    settings_of: MakeSettings, author: LogAuthor, database: Database
) -> None:
    """A stored decision out of which no row can be made: the host lives, and the events of other partitions are projected."""
    assert partition_of("w1") != partition_of("w2")
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        await eventually(lambda: stored_revs_are(database, "w1", 1), "w1 is stored")
    async with database.connection() as connection:
        (decision,) = unpack(await connection.fetchval("SELECT block FROM changes WHERE id = 'w1'"))
        block = pack([msgspec.structs.replace(decision, now_ms=10**18)])
        await connection.execute("UPDATE changes SET block = $1 WHERE id = 'w1'", block)
        await connection.execute("UPDATE projection_positions SET position = 0, day = 'epoch'")
        await connection.execute("DELETE FROM collaboration_events")
    async with running_host(settings_of()) as host:
        await author.create_wedding("w2", "ben")
        await eventually(
            lambda: count(database, "SELECT count(*) FROM collaboration_events WHERE wedding_id = 'w2'"), "w2 is projected"
        )
        assert not host.failure.done()
    assert await count(database, "SELECT count(*) FROM collaboration_events WHERE wedding_id = 'w1'") == 0


async def test_inv6_a_wedding_that_cannot_be_read_harms_no_other(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database
) -> None:
    """A host starts although its ops wait, more than a mailbox holds, and serves all others; mended, it goes on by itself."""
    async with running_host(settings_of()):
        # Its block is the newest, by which a host that starts knows the log.
        for wedding, principal in (("w2", "ben"), (MATE, "eve"), ("w1", "ana")):
            await heard.at(await author.create_wedding(wedding, principal))
    await rot(database, "w1")
    waiting = [await write_document(author, "w1", number) for number in range(5)]
    async with running_host(settings_of(waking_queue_bytes=64 * 1024)) as host:
        waiting += [await write_document(author, "w1", number) for number in range(5, 10)]
        await eventually(lambda: alarm_stands(database), "the alarm names the wedding")
        assert host.stats()["alarms"] == ["wedding_unreadable"]
        for wedding, principal in (("w2", "ben"), (MATE, "eve")):
            assert (await heard.at(await author.insert_task(wedding, "t1", author=principal))).refusal is None
        await eventually(lambda: stored_revs_are(database, "w2", 2), "other partitions are stored")
        assert host.duty.mailbox.bytes == 0
        assert (await author.ask("w1", "digest"))[0].error == "waking"
        await mend(database)
        assert [(await heard.at(position)).refusal for position in waiting] == [None] * 10
        await eventually(lambda: no_alarm_stands(database), "the alarm is withdrawn")
        assert host.stats()["alarms"] == []
        await require_stored_equals_log(host_bus, database)
        assert not host.failure.done()


async def test_inv6_a_wedding_that_a_silent_fold_cannot_read_harms_no_other(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database
) -> None:
    """What was thrown away is stored for all others; the wedding that is awake is served on, and stored once it is mended."""
    async with running_host(settings_of(flush_interval_seconds=3600)) as host:
        for wedding, principal in (("w1", "ana"), ("w2", "ben"), (MATE, "eve")):
            await heard.at(await author.create_wedding(wedding, principal))
        await host.duty.flusher.flush(whole=True)
        await rot(database, "w1")
        for wedding, principal in ((MATE, "eve"), ("w1", "ana"), ("w2", "ben")):
            await heard.at(await author.insert_task(wedding, "t1", author=principal))
        host.duty.flusher._throw_away()
        assert not await host.duty.flusher.flush()
        assert await stored_revs_are(database, "w2", 2)
        assert await stored_revs_are(database, MATE, 2)
        assert await stored_revs_are(database, "w1", 1)
        await eventually(lambda: alarm_stands(database), "the alarm names the wedding")
        assert (await heard.at(await author.insert_task("w1", "t2"))).refusal is None
        assert (await heard.at(await author.insert_task("w2", "t2", author="ben"))).refusal is None
        await host.duty.flusher.flush()
        assert await stored_revs_are(database, "w2", 3)
        await mend(database)
        await eventually(lambda: no_alarm_stands(database), "the alarm is withdrawn")
        last = await heard.at(await author.insert_task("w1", "t3"))
        assert last.rev == 4
        await eventually(lambda: flushed(host, database, 4), "w1 is stored")
        await require_stored_equals_log(host_bus, database)
        assert not host.failure.done()


async def test_inv6_a_wedding_that_is_taken_out_lets_its_partition_go_on(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """The last resort of docs/operations.md: without its rows its ops are refused, and the others are stored."""
    async with running_host(settings_of()):
        await heard.at(await author.create_wedding("w1"))
        await heard.at(await author.create_wedding(MATE, "eve"))
    await rot(database, "w1")
    async with running_host(settings_of()):
        waiting = await author.insert_task("w1", "t1")
        await heard.at(await author.insert_task(MATE, "t1", author="eve"))
        await eventually(lambda: alarm_stands(database), "the alarm names the wedding")
        assert await stored_revs_are(database, MATE, 1)
        async with database.connection() as connection:
            for table in ("changes", "change_marks", "snapshots"):
                await connection.execute(f"CREATE TABLE aside_{table} AS SELECT * FROM {table} WHERE id = 'w1'")
                await connection.execute(f"DELETE FROM {table} WHERE id = 'w1'")
        assert (await heard.at(waiting)).refusal is not None
        await eventually(lambda: stored_revs_are(database, MATE, 2), "the others of the partition are stored")
        await eventually(lambda: no_alarm_stands(database), "the alarm is withdrawn")


async def test_inv6_an_alarm_is_told_until_it_is_taken_note_of(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is away whenever something new is to be told, and answers afterwards: raised, withdrawn, and gone at the end."""
    told: set[tuple[str, ...]] = set()
    report = HostLog.report_unreadable

    async def fail_first(host_log: HostLog, weddings: Sequence[str]) -> bool:
        if is_new := tuple(weddings) not in told:
            told.add(tuple(weddings))
        return not is_new and await report(host_log, weddings)

    async with running_host(settings_of()):
        await heard.at(await author.create_wedding("w1"))
    await rot(database, "w1")
    monkeypatch.setattr(HostLog, "report_unreadable", fail_first)
    async with running_host(settings_of()):
        waiting = await author.insert_task("w1", "t1")
        await eventually(lambda: alarm_stands(database), "the alarm names the wedding")
        told.clear()
        await mend(database)
        assert (await heard.at(waiting)).refusal is None
        await eventually(lambda: no_alarm_stands(database), "the alarm is withdrawn")
    await rot(database, "w1")
    async with running_host(settings_of()):
        await author.insert_task("w1", "t2")
        await eventually(lambda: alarm_stands(database), "the alarm names the wedding again")
    assert await no_alarm_stands(database)


async def test_inv6_a_partition_is_kept_until_it_can_be_taken_anew(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wedding can be read again, and then PostgreSQL is away: the others of the partition are served on."""
    async with running_host(settings_of()) as host:
        await heard.at(await author.create_wedding("w1"))
        number, partitions = partition_of("w1"), host.duty.ownership.partitions
        before = partitions[number]
        with monkeypatch.context() as away:
            checkpoints = Mock(side_effect=StoreUnavailable)
            away.setattr(HostStore, "checkpoints", checkpoints)
            before.is_stale = True
            await eventually(lambda: checkpoints.call_count > 1, "it has tried")
            assert partitions.get(number) is before
            assert (await heard.at(await author.insert_task("w1", "t1"))).refusal is None
        await eventually(lambda: partitions.get(number) not in (None, before), "it is taken anew")
        assert (await heard.at(await author.insert_task("w1", "t2"))).rev == 3


async def test_an_alarm_that_could_not_be_written_is_written_the_next_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sounds it again, with PostgreSQL there again, finds it in the table; who withdraws it is told whether it is gone."""
    own = alarms.Alarms(database, "host-1")
    with monkeypatch.context() as away:
        away.setattr(Database, "connection", Mock(side_effect=StoreUnavailable))
        assert not await own.sound("wedding_unreadable", "w1")
        assert not await own.withdraw("wedding_unreadable")
        assert not await own.sound("wedding_unreadable", "w1")
    assert await own.sound("wedding_unreadable", "w1")
    assert await alarm_stands(database)
    assert await own.withdraw("wedding_unreadable")
    assert await no_alarm_stands(database)
