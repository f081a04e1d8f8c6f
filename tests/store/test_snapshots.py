"""Snapshots: never beyond the checkpoint, the newest and one per week kept (design D7)."""

import pytest

from store import changes, snapshots
from store.postgres import Database
from store.snapshots import SnapshotRow

pytestmark = pytest.mark.servers
GENERATION = 1


def snapshot(rev: int, position: int = 0, wedding: str = "w1") -> SnapshotRow:
    return SnapshotRow("w", wedding, 1, rev, position or rev, 1, b"state at %d " % rev * 50)


@pytest.fixture
async def store(database: Database) -> Database:
    """A database whose partition 1 is stored up to position 100."""
    await changes.checkpoints(database, GENERATION, 8)
    await changes.flush(database, GENERATION, {1: (0, 100)}, [])
    return database


async def revs(store: Database) -> list[int]:
    async with store.connection() as connection:
        return [row["rev"] for row in await connection.fetch("SELECT rev FROM snapshots ORDER BY rev")]


async def test_d7_the_newest_comes_back_as_it_was(store: Database) -> None:
    """Bytes, rev and position are those that were written; another wedding has none."""
    assert await snapshots.write(store, GENERATION, [snapshot(40), snapshot(7, wedding="w2")]) == 2
    assert await snapshots.newest(store, "w", "w1") == snapshot(40)
    assert await snapshots.newest(store, "w", "w3") is None
    assert await snapshots.write(store, GENERATION, []) == 0


async def test_d7_a_snapshot_beyond_the_checkpoint_is_not_written(store: Database) -> None:
    """A state that holds more than the stored changes is no cache of them, and neither is another generation's."""
    assert await snapshots.write(store, GENERATION, [snapshot(100), snapshot(101)]) == 1
    assert await snapshots.write(store, GENERATION + 1, [snapshot(50)]) == 0
    assert await revs(store) == [100]


async def test_d7_what_was_damaged_is_written_again(store: Database) -> None:
    """A damaged snapshot comes with an empty state and is replaced by the next of its rev; one of a newer format stays."""
    await snapshots.write(store, GENERATION, [snapshot(40)])
    async with store.connection() as connection:
        await connection.execute("UPDATE snapshots SET state = 'damaged'")
    assert await snapshots.newest(store, "w", "w1") == snapshot(40)._replace(state=b"")
    newer = snapshot(40)._replace(format=2, state=b"of the next version")
    for row in (snapshot(40), newer, snapshot(40)):
        await snapshots.write(store, GENERATION, [row])
    assert await snapshots.newest(store, "w", "w1") == newer


async def test_d7_each_format_keeps_its_newest(store: Database) -> None:
    """While two versions run, neither thins out what only the other can go on from, and the second newest is kept as well."""
    for rev in (10, 20, 30):
        await snapshots.write(store, GENERATION, [snapshot(rev)])
    for rev in (40, 50, 60):
        await snapshots.write(store, GENERATION, [snapshot(rev)._replace(format=2)])
    assert await revs(store) == [30, 50, 60]


async def test_d7_one_per_week_is_kept_besides_the_newest(store: Database) -> None:
    """Of each week the last one stays, so that history has a place to start from."""
    for rev, taken_at in ((10, "2027-01-04"), (20, "2027-01-06"), (30, "2027-01-12"), (40, "2027-01-13")):
        await snapshots.write(store, GENERATION, [snapshot(rev)])
        async with store.connection() as connection:
            await connection.execute("UPDATE snapshots SET taken_at = $2::text::timestamptz WHERE rev = $1", rev, taken_at)
    await snapshots.write(store, GENERATION, [snapshot(50)])
    assert await revs(store) == [20, 40, 50]
    found = await snapshots.newest(store, "w", "w1", at_or_below_rev=45)
    assert found is not None
    assert found.rev == 40
