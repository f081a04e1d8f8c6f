"""Stored changes that cannot be read: whoever needs them is told so, and neither the host nor anybody else is harmed (INV6)."""

from typing import Any

import msgspec
import pytest

from actors.contract.ids import partition_of
from actors.contract.ops import Op, Target
from store.blocks import pack, unpack
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def count(database: Database, statement: str, *arguments: Any) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(statement, *arguments)
    return found


async def rot(database: Database, wedding: str) -> None:
    """Make every stored block of a wedding unreadable."""
    async with database.connection() as connection:
        await connection.execute("UPDATE changes SET block = 'rotten' WHERE id = $1", wedding)


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


async def stored_revs_are(database: Database, wedding: str, rev: int) -> bool:
    return await stored_revs(database, wedding) == rev


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
