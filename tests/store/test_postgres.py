"""The database's errors stop at the store, it comes back by itself, and migrations are applied once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.supervision.data_folder import DataFolder
from store.errors import MigrationChanged, StoreError, StoreUnavailable
from store.migrate import migrate
from store.postgres import Database
from tests.support.servers import PostgresServer, start_embedded_postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL of this test, to kill and start again."""
    server = start_embedded_postgres(DataFolder(tmp_path / ".wedsync"))
    yield server
    server.server.stop()


async def answers(database: Database) -> bool:
    try:
        async with database.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))
    except StoreUnavailable:
        return False


async def test_d7_the_database_may_die_and_come_back(own_postgres: PostgresServer) -> None:
    """kill -9 of PostgreSQL is StoreUnavailable, in the middle of work and before it; when it is back, work goes on."""
    database = await Database.open(own_postgres.url_of("postgres"), timeout_seconds=5)

    async def work() -> None:
        async with database.connection() as connection:
            own_postgres.server.kill()
            await connection.fetchval("SELECT pg_sleep(3600)")

    with pytest.raises(StoreUnavailable):
        await work()
    assert not await answers(database)
    own_postgres.server.start()
    await eventually(lambda: answers(database))
    await database.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Opening without a server says so."""
    with pytest.raises(StoreUnavailable):
        await Database.open("postgresql://nobody@127.0.0.1:1/none", timeout_seconds=2)


async def test_a_statement_that_takes_too_long_is_unavailable(database_url: str) -> None:
    """No statement holds its caller for longer than the timeout."""
    database = await Database.open(database_url, timeout_seconds=0.5)

    async def work() -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(3600)")

    with pytest.raises(StoreUnavailable):
        await work()
    assert await answers(database)
    await database.close()


async def test_a_refused_statement_is_a_store_error(database: Database) -> None:
    """What PostgreSQL refuses is StoreError, and a transaction leaves nothing behind."""

    async def work() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO outbox (id, partition, subject, payload) VALUES ('a', 1, 's', '')")
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(StoreError, match="refused"):
        await work()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_migrations_are_applied_once_and_in_order(empty_database_url: str) -> None:
    """The first run applies every file by its number, the second nothing."""
    database = await Database.open(empty_database_url)
    applied = await migrate(database)
    assert applied == sorted(applied)
    assert applied[0].startswith("0001_")
    assert await migrate(database) == []
    await database.close()


async def test_an_edited_migration_is_refused(database: Database) -> None:
    """A file that was applied and then edited is named, and nothing is applied."""
    async with database.connection() as connection:
        await connection.execute("UPDATE schema_migrations SET digest = 'other' WHERE name LIKE '0001%'")
    with pytest.raises(MigrationChanged, match="0001_"):
        await migrate(database)
