"""The connection pool to PostgreSQL; what asyncpg raises becomes StoreUnavailable or StoreError here.

The other modules of `store` hold the statements; nobody outside this package sees a connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Self

import asyncpg

from store.database_watch import DatabaseWatch
from store.errors import StoreError, StoreUnavailable

CONNECT_WITHIN_SECONDS = 5.0
#: Errors that end by themselves: the server is away, starting, stopping, out of connections, or too slow.
_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection that died under a cancelled statement.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
)

#: Every statement is planned with its values: a plan for any values looks into all day partitions, of which there are hundreds.
_SESSION: Final = {"application_name": "wedsync", "timezone": "UTC", "jit": "off", "plan_cache_mode": "force_custom_plan"}


class Database:
    """A pool of connections; it needs no server to be made and finds the server again whenever it comes back."""

    def __init__(self, pool: Any, watch: DatabaseWatch, timeout_seconds: float) -> None:
        self._pool = pool
        self._watch = watch
        self._watching = asyncio.create_task(watch.run())
        self._timeout_seconds = timeout_seconds
        #: When this process looks after the day partitions again; kept by store.day_partitions.
        self.days_due_at = datetime.min.replace(tzinfo=UTC)

    @classmethod
    async def open(cls, url: str, *, min_size: int = 1, max_size: int = 6, timeout_seconds: float = 10.0) -> Self:
        """Connect; raises StoreUnavailable. `timeout_seconds` bounds every statement; a server that is silent ends it sooner."""
        async with _store_errors():
            pool = await asyncpg.create_pool(
                url,
                min_size=min_size,
                max_size=max_size,
                timeout=min(timeout_seconds, CONNECT_WITHIN_SECONDS),
                command_timeout=timeout_seconds,
                server_settings=_SESSION,
            )
        return cls(pool, DatabaseWatch(url, pool), timeout_seconds)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of asyncpg for one piece of work; its errors become StoreUnavailable or StoreError."""
        async with _store_errors(), self._pool.acquire(timeout=self._timeout_seconds) as connection:
            self._watch.begin(connection)
            try:
                yield connection
            finally:
                self._watch.end(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """As `connection`, inside one transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close every connection, at the latest after the timeout by force."""
        self._watching.cancel()
        await asyncio.wait([self._watching])
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._pool.close()
        except (TimeoutError, *_PASSING):
            self._pool.terminate()


@asynccontextmanager
async def _store_errors() -> AsyncIterator[None]:
    try:
        yield
    except _PASSING as error:
        raise StoreUnavailable(f"PostgreSQL cannot be reached or is too slow: {_text(error)}. Nothing was written.") from error
    except asyncpg.PostgresError as error:
        raise StoreError(f"PostgreSQL refused a statement: {_text(error)}") from error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
