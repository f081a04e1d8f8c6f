"""Sleeping and waking: what is idle leaves memory, and wakes as if it had never been away (design D3, D7)."""

import asyncio

import pytest
import zstandard

from actors.contract.subjects import WEDDING
from actors.domain.snapshot_form import decode
from actors.runtime.actor import STEPS, Actor, Lifecycle
from actors.runtime.errors import IllegalStep
from actors.runtime.host import Host
from store import snapshots
from store.bus import Bus
from store.postgres import Database
from store.snapshots import SnapshotRow
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.refold import require_stored_equals_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


def actors_of(host: Host) -> dict[str, Actor]:
    return {name: actor for partition in host.duty.ownership.partitions.values() for name, actor in partition.actors.items()}


async def test_d3_an_idle_wedding_sleeps_and_wakes_unchanged(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database
) -> None:
    """A wedding that nobody uses leaves memory with a snapshot; reads and ops wake it with the same digests and the next rev."""
    async with running_host(settings_of(idle_actor_sleep_seconds=0.2)) as host:
        await author.create_wedding("w1")
        position = await author.insert_task("w1", "t1")
        before = await author.digests("w1", position)
        await eventually(lambda: not actors_of(host), "the wedding sleeps")
        snapshot = await snapshots.newest(database, WEDDING, "w1")
        assert snapshot is not None
        assert decode(snapshot.state).rev == 2
        assert await author.digests("w1") == before
        await eventually(lambda: not actors_of(host), "it sleeps again")
        woken = await heard.at(await author.insert_task("w1", "t2"))
        assert (woken.rev, woken.refusal) == (3, None)
        await require_stored_equals_log(host_bus, database)
        assert host.counters.activations == 3


async def test_d3_an_op_keeps_a_wedding_awake_that_is_falling_asleep(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An op that comes while the snapshot is being written is decided at once, and the wedding stays in memory."""
    write, may_go_on = snapshots.write, asyncio.Event()

    async def slow_write(database: Database, generation: int, rows: list[SnapshotRow]) -> int:
        await may_go_on.wait()
        return await write(database, generation, rows)

    monkeypatch.setattr(snapshots, "write", slow_write)
    async with running_host(settings_of(idle_actor_sleep_seconds=0.2)) as host:
        await heard.at(await author.create_wedding("w1"))
        actor = actors_of(host)["w1"]
        await eventually(lambda: actor.lifecycle is Lifecycle.FALLING_ASLEEP, "it falls asleep")
        assert (await heard.at(await author.insert_task("w1", "t1"))).rev == 2
        assert actor.lifecycle is Lifecycle.AWAKE
        may_go_on.set()
        assert actors_of(host)["w1"] is actor


async def test_d7_a_wedding_with_many_ops_gets_snapshots_while_awake(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database
) -> None:
    """Every few hundred ops a snapshot is written, never beyond what is stored."""
    async with running_host(settings_of(snapshot_every_ops=10)) as host:
        await author.create_wedding("w1")
        positions = [await author.insert_task("w1", f"t{number}") for number in range(30)]
        await heard.at(positions[-1])
        await eventually(lambda: host.counters.snapshots, "a snapshot is written")
        snapshot = await eventually(lambda: snapshots.newest(database, WEDDING, "w1"), "it is there")
        assert snapshot is not None
        assert snapshot.rev >= 10
        checkpoint = next(iter(actors_of(host).values())).partition.checkpoint
        assert snapshot.position <= checkpoint


async def test_d7_a_damaged_snapshot_is_passed_over(settings_of: MakeSettings, author: LogAuthor, database: Database) -> None:
    """A snapshot is a cache: a wedding whose snapshot cannot be read is rebuilt from its stored changes."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        before = await author.digests("w1", await author.insert_task("w1", "t1"))
    async with database.connection() as connection:
        await connection.execute("UPDATE snapshots SET state = $1", zstandard.compress(b"damaged"))
    async with running_host(settings_of()):
        assert await author.digests("w1") == before


async def test_the_lifecycle_knows_its_steps_and_refuses_all_others(settings_of: MakeSettings, author: LogAuthor) -> None:
    """An illegal step raises and leaves the actor where it was."""
    async with running_host(settings_of()) as host:
        await author.create_wedding("w1")
        await eventually(lambda: actors_of(host), "the actor is there")
        actor = actors_of(host)["w1"]
        await eventually(lambda: actor.lifecycle is Lifecycle.AWAKE, "it is awake")
        for state in Lifecycle:
            if state not in STEPS[Lifecycle.AWAKE]:
                with pytest.raises(IllegalStep):
                    actor.step(state)
        assert actor.lifecycle is Lifecycle.AWAKE
