"""Ops on which processes die: two deaths, then the op is skipped by a message in the log (design D1, INV6)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.contract.ids import partition_of
from actors.runtime.deciding import Deciding
from store import changes, suspects
from store.bus import Bus
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.host_process import HostProcess
from tests.support.hosts import Envelopes, LogAuthor
from tests.support.refold import require_stored_equals_log
from tests.support.waiting import eventually

PARTITION = partition_of("w1")
NEIGHBOUR = next(name for name in (f"n{number}" for number in range(1000)) if partition_of(name) == PARTITION)
POISONED = "tests.support.poisoned_host"


async def suspected(database: Database) -> list[int]:
    """The positions on which deaths are counted."""
    async with database.connection() as connection:
        return [row["position"] for row in await connection.fetch("SELECT position FROM suspects")]


async def deaths_until(host: HostProcess, is_over: Callable[[], bool]) -> int:
    """Start a host again whenever it has died, as `wedsync up` does, until it is over; returns how often it died."""
    deaths = 0
    while not is_over():
        await eventually(lambda: is_over() or host.has_ended, "the op has an outcome, or kills", within_seconds=30)
        if host.has_ended:
            deaths += 1
            assert deaths < 5, "it dies for ever"
            await host.serves()
    return deaths


@pytest.mark.servers
@pytest.mark.parametrize("way", ["exit", "segfault", "loop"])
async def test_inv6_an_op_that_kills_is_skipped_after_two_deaths(
    way: str,
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    database: Database,
    tmp_path: Path,
) -> None:
    """Its author gets `internal_error`, everybody else goes on, nothing is lost, and a fresh fold of the log agrees."""
    async with HostProcess(settings_of(decide_timeout_seconds=1), tmp_path / "host.log", launcher=POISONED) as host:
        await author.create_wedding("w1")
        await heard.at(await author.create_wedding(NEIGHBOUR, "ben"))
        poison = await author.insert_task("w1", "t1", f"poison:{way}")
        behind = [await author.insert_task(wedding, "t2", author=who) for wedding, who in (("w1", "ana"), (NEIGHBOUR, "ben"))]
        assert await deaths_until(host, lambda: poison in {envelope.position for envelope in heard.all}) == 2
        refused = (await heard.at(poison)).refusal
        assert refused is not None
        assert refused.code == "internal_error"
        assert [(await heard.at(position)).refusal for position in behind] == [None, None]
        assert await suspects.skipped(database, PARTITION) == [poison]
        await require_stored_equals_log(host_bus, database)
        letters = await host_bus.js_request("STREAM.INFO.DEAD", {"subjects_filter": "wedsync.dead.poison"})
        assert letters["state"]["subjects"] == {"wedsync.dead.poison": 1}
        assert await host.stop() == 0


@pytest.mark.servers
async def test_inv6_a_death_between_two_ops_blames_nobody(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, database: Database, tmp_path: Path
) -> None:
    """SIGKILL at rest, again and again, makes no op a suspect and leaves no file behind."""
    data = tmp_path / "data"
    async with HostProcess(settings_of(data_dir=data), tmp_path / "host.log") as host:
        await heard.at(await author.create_wedding("w1"))
        for _ in range(2):
            await host.kill()
            await host.start()
        assert await suspected(database) == []
        assert len(list((data / "deciding").iterdir())) == 1
        await host.stop()
    await eventually(lambda: not list((data / "deciding").iterdir()), "an orderly end removes the file")


async def test_inv6_only_two_deaths_at_the_very_same_op_condemn_it(database: Database) -> None:
    """Deaths at different ops do not add up, one life counts once, and what is stored is never suspected."""
    async with database.connection() as connection:
        await connection.execute("INSERT INTO checkpoints (partition, generation, position) VALUES (1, 1, 10), (2, 1, 10)")
    await suspects.note(database, [(1, 1, 12, "a"), (1, 1, 13, "b"), (1, 1, 12, "a"), (1, 2, 12, "c")])
    await suspects.note(database, [(1, 1, 9, "a"), (1, 1, 9, "b")])
    assert await suspects.condemn(database, 1, [1, 2]) == []
    assert sorted(await suspected(database)) == [12, 12, 13]
    await suspects.note(database, [(1, 1, 12, "d")])
    assert await suspects.condemn(database, 1, [1, 2]) == [(1, 12)]
    assert await suspects.condemn(database, 1, [1, 2]) == [(1, 12)], "whoever could not tell the log is told again"
    assert await suspects.condemn(database, 1, [2]) == []


async def test_inv2_no_flush_passes_a_skipped_op_unaware(database: Database) -> None:
    """An owner that decided the op before it was condemned stores nothing of it; one that skips it does, as do those below it."""
    async with database.connection() as connection:
        await connection.execute("INSERT INTO checkpoints (partition, generation, position) VALUES (1, 1, 10)")
    await suspects.note(database, [(1, 1, 12, "a"), (1, 1, 12, "b")])
    assert await suspects.condemn(database, 1, [1]) == [(1, 12)]
    assert await changes.flush(database, 1, {1: (10, 13)}, []) == {1: 10}
    assert await changes.flush(database, 1, {1: (10, 11)}, []) == {}
    assert await changes.flush(database, 1, {1: (11, 13)}, [], skipped={1: 12}) == {}
    assert await changes.flush(database, 1, {1: (13, 14)}, []) == {}


async def test_d12_a_skip_dies_with_its_log(database: Database) -> None:
    """After a re-seeding the position belongs to another op, which is decided."""
    async with database.connection() as connection:
        await connection.execute("INSERT INTO checkpoints (partition, generation, position) VALUES (1, 1, 10)")
        await suspects.note(database, [(1, 1, 12, "a"), (1, 1, 12, "b")])
        assert await suspects.condemn(database, 1, [1]) == [(1, 12)]
        await connection.execute("UPDATE checkpoints SET generation = 2")
    assert await suspects.condemn(database, 2, [1]) == []
    assert await suspects.skipped(database, 1) == []
    assert await changes.flush(database, 2, {1: (10, 13)}, []) == {}


def test_inv6_what_is_in_hand_outlives_its_owner(tmp_path: Path) -> None:
    """A neighbour sees what a living process has in hand, counts it once it is dead, and never the other way round."""
    dying, heir = Deciding(tmp_path / "host-1.a", 1), Deciding(tmp_path / "host-1.b", 1)
    assert (heir.casualties(), heir.in_hand_elsewhere()) == ([], set())
    dying.begin(3, 7)
    assert [(each.partition, each.position) for each in heir.in_hand_elsewhere()] == [(3, 7)]
    assert heir.casualties() == []
    dying.close()
    ((casualty, path),) = heir.casualties()
    assert casualty == (1, 3, 7, "host-1.a")
    heir.bury(path)
    assert heir.casualties() == []
    heir.close()
    assert list(tmp_path.iterdir()) == []
