"""Migrated databases that tests take one after the other: one is emptied after its test, which is cheaper than a new one.

Used by the fixture `database_url` alone. A test that changes the tables leaves its database to be thrown away, so that the next
one finds exactly what the migrations make.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import asyncpg

from store.migrate import migrate
from store.postgres import Database

#: The tables, their columns, and which migrations made them.
_SHAPE: Final = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT format('%s %s %s %s', c.relname, a.attname, a.atttypid, a.attnotnull) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
    UNION ALL SELECT name || digest FROM schema_migrations
) AS lines
"""
_EMPTY: Final = """
DO $$
DECLARE name text; filled boolean;
BEGIN
    FOR name IN SELECT oid::regclass::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO filled;
        IF filled THEN EXECUTE format('TRUNCATE %s RESTART IDENTITY CASCADE', name); END IF;
    END LOOP;
END $$
"""
_END_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Server(Protocol):
    """A running PostgreSQL."""

    url_of: Callable[[str], str]

    async def create_database(self) -> str: ...

    async def drop_database(self, name: str) -> None: ...


class CleanDatabases:
    """The databases of one server that no test uses at the moment."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._spare: list[str] = []
        self._shape: str | None = None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Yield the URL of a migrated database without a row; it is emptied, or thrown away, at the end."""
        name = self._spare.pop() if self._spare else await self._make()
        yield self._server.url_of(name)
        if await self._empty(name):
            self._spare.append(name)
        else:
            await self._server.drop_database(name)

    async def _make(self) -> str:
        name = await self._server.create_database()
        database = await Database.open(self._server.url_of(name), max_size=1)
        try:
            await migrate(database)
            async with database.connection() as connection:
                self._shape = await connection.fetchval(_SHAPE)
        finally:
            await database.close()
        return name

    async def _empty(self, name: str) -> bool:
        """Take every row away; tells whether the database is as the migrations made it."""
        connection = await asyncpg.connect(self._server.url_of(name))
        try:
            await connection.execute(_END_OTHERS)
            is_whole: bool = await connection.fetchval(_SHAPE) == self._shape
            if is_whole:
                await connection.execute(_EMPTY)
            return is_whole
        finally:
            await connection.close()
