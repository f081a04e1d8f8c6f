"""Day partitions are made ahead, and whoever reads the whole table for an hour, as a backup does, holds nobody up (design D7)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from store import changes, day_partitions, migrate, stored_changes
from store.changes import Row
from store.errors import StoreUnavailable
from store.postgres import Database
from tests.store.decisions import decisions

pytestmark = pytest.mark.servers
#: Beyond it something waits for the end of the backup, which does not come.
STANDS_STILL_SECONDS = 60


@pytest.fixture
async def patient(database_url: str) -> AsyncIterator[Database]:
    """A database whose statements may take as long as they like, so that only the tested bound ends them."""
    opened = await Database.open(database_url, max_size=4, timeout_seconds=3600)
    yield opened
    await opened.close()


@asynccontextmanager
async def read_by_a_backup(database: Database) -> AsyncIterator[None]:
    """The locks of pg_dump, which it keeps to its end."""
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE changes, checkpoints IN ACCESS SHARE MODE")
        yield


async def days(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^changes_2' AND relkind = 'r' ORDER BY 1")
    return [row["relname"] for row in rows]


async def drop(database: Database, name: str) -> None:
    async with database.connection() as connection:
        await connection.execute(f"DROP TABLE {name}")


async def store_one(database: Database, rev: int) -> None:
    """Flush one decision about a wedding of partition 1."""
    await changes.checkpoints(database, 1, 8)
    rows = [Row(1, "w", "w1", decisions(rev, rev))]
    async with asyncio.timeout(STANDS_STILL_SECONDS):
        assert await changes.flush(database, 1, {1: (rev - 1, rev)}, rows) == {}


async def test_day_partitions_are_made_ahead_and_only_once(database: Database) -> None:
    """Making them again changes nothing; a missing one is put back."""
    before = await days(database)
    assert len(before) == day_partitions.DAYS_AHEAD + 1
    await drop(database, before[-1])
    await day_partitions.create_ahead(database)
    await day_partitions.create_ahead(database)
    assert await days(database) == before


async def test_d7_a_backup_does_not_keep_a_host_from_storing(patient: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that cannot be made now is made later; what is decided meanwhile is stored, also without today's partition."""
    monkeypatch.setattr(day_partitions, "_PUT_OFF", timedelta(0))
    before = await days(patient)
    for name in (before[0], before[-1]):
        await drop(patient, name)
    async with read_by_a_backup(patient):
        await store_one(patient, 1)
        assert await days(patient) == before[1:-1]
    await store_one(patient, 2)
    assert await days(patient) == before[1:]
    assert await stored_changes.read_after(patient, "w", "w1", 0, limit_decisions=10) == decisions(1, 2)


async def test_d7_a_day_that_was_put_off_is_not_asked_for_with_each_flush(
    patient: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who read and write stand behind whoever waits for the table, so that must be rare."""
    asked: list[Database] = []
    create_ahead = day_partitions.create_ahead

    async def counted(database: Database) -> None:
        asked.append(database)
        await create_ahead(database)

    monkeypatch.setattr(day_partitions, "create_ahead", counted)
    await drop(patient, (await days(patient))[-1])
    async with read_by_a_backup(patient):
        await store_one(patient, 1)
        await store_one(patient, 2)
    assert len(asked) == 1


async def test_d7_a_backup_does_not_keep_a_host_from_starting(patient: Database) -> None:
    """Nothing is to be migrated, so nothing is waited for."""
    await drop(patient, (await days(patient))[-1])
    async with read_by_a_backup(patient), asyncio.timeout(STANDS_STILL_SECONDS):
        assert await migrate.migrate(patient) == []


async def test_d7_a_new_release_waits_beside_a_backup_and_lets_the_others_work(
    patient: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration gives up its place in the queue in front of everybody, and goes through when it is tried after the backup."""
    newest = ("9999_newer.sql", "ALTER TABLE checkpoints ADD COLUMN newer integer; ALTER TABLE changes ADD COLUMN newer integer")
    known = migrate._migrations()
    monkeypatch.setattr(migrate, "_migrations", lambda: [*known, newest])
    async with read_by_a_backup(patient), asyncio.timeout(STANDS_STILL_SECONDS):
        with pytest.raises(StoreUnavailable, match="lock"):
            await migrate.migrate(patient)
        await store_one(patient, 1)
    assert await migrate.migrate(patient) == [newest[0]]
