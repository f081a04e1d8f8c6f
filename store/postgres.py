"""The connection pool to PostgreSQL; what asyncpg raises becomes StoreUnavailable or StoreError here."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Self


class Database:
    """A pool of connections."""

    @classmethod
    async def open(cls, url: str, *, min_size: int = 1, max_size: int = 6, timeout_seconds: float = 10.0) -> Self:
        """Connect; raises StoreUnavailable."""
        raise NotImplementedError

    def connection(self) -> AbstractAsyncContextManager[Any]:
        """A connection of asyncpg for one piece of work."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError
