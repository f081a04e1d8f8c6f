"""Sleeping and waking: what is idle leaves memory, and wakes as if it had never been away (design D3, D7)."""

import asyncio

import pytest
import zstandard

from actors.contract.subjects import WEDDING
from actors.domain.snapshot_form import decode
from actors.runtime.activation import load
from actors.runtime.actor import STEPS, Actor, Lifecycle
from actors.runtime.errors import IllegalStep
from actors.runtime.host import Host
from actors.runtime.sleeper import Sleeper
from actors.runtime.snapshot_policy import MAX_PER_FLUSH
from store import snapshots
from store.bus import Bus
from store.host_store import HostStore
from store.postgres import Database
from store.snapshots import SnapshotRow
from store.streams import LogIdentity
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.refold import require_stored_equals_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


def actors_of(host: Host) -> dict[str, Actor]:
    return {actor.id: actor for partition in host.duty.ownership.partitions.values() for actor in partition.actors.values()}


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


async def test_d3_a_wedding_stays_whose_newest_decision_was_thrown_away(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes
) -> None:
    """Its partition was held after it had been found tired: read from PostgreSQL it would decide on an older state."""
    async with running_host(settings_of(flush_interval_seconds=3600)) as host:
        await heard.at(await author.create_wedding("w1"))
        await host.duty.flusher.flush(whole=True)
        position = await author.insert_task("w1", "t1")
        await heard.at(position)
        actor = actors_of(host)["w1"]
        actor.partition.hold(position)
        assert actor.may_sleep
        await Sleeper(host.duty._resources, host.duty.ownership.partitions)._put_to_sleep(actor)
        assert actors_of(host)["w1"] is actor
        assert (await heard.at(await author.insert_task("w1", "t2"))).rev == 3


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


async def test_d7_a_wedding_with_few_ops_gets_a_snapshot_after_a_while(
    settings_of: MakeSettings, author: LogAuthor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time alone is enough, also when nothing more happens; and a flush writes few, however many weddings are due."""
    write, sizes = snapshots.write, []

    async def counted(database: Database, generation: int, rows: list[SnapshotRow]) -> int:
        sizes.append(len(rows))
        return await write(database, generation, rows)

    monkeypatch.setattr(snapshots, "write", counted)
    weddings = [f"w{number}" for number in range(10)]
    async with running_host(settings_of(snapshot_after_seconds=1.0)) as host:
        for wedding in weddings:
            await author.create_wedding(wedding, f"ana-{wedding}")
        await eventually(lambda: host.counters.snapshots == len(weddings), "every wedding has a snapshot")
        assert max(sizes) <= MAX_PER_FLUSH
        assert len(actors_of(host)) == len(weddings)
        await author.insert_task("w3", "t1", author="ana-w3")
        await eventually(lambda: host.counters.snapshots == len(weddings) + 1, "what changed since gets another one")
    snapshot = await snapshots.newest(database, WEDDING, "w3")
    assert snapshot is not None
    assert snapshot.rev == 2


@pytest.mark.parametrize(
    "state",
    [b"damaged", zstandard.compress(b"damaged"), zstandard.compress(b"\x92\x63\x90")],
    ids=["cut bytes", "no state", "newer format"],
)
async def test_d7_a_snapshot_that_cannot_be_read_is_passed_over_for_the_one_before(
    settings_of: MakeSettings, author: LogAuthor, database: Database, state: bytes
) -> None:
    """Damaged or of a newer version: the wedding is built from the next older snapshot and the changes since."""
    before: dict[str, object] = {}
    for task in ("t1", "t2"):
        async with running_host(settings_of()):
            if not before:
                await author.create_wedding("w1")
            before = await author.digests("w1", await author.insert_task("w1", task))
    async with database.connection() as connection:
        await connection.execute("UPDATE snapshots SET state = $1 WHERE rev = 3", state)
    woken, snapshot_rev = await load(HostStore(database, LogIdentity("", 1, 64, 1)), WEDDING, "w1")
    assert (woken.rev, snapshot_rev) == (3, 2)
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
