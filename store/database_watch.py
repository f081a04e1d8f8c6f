"""Finding out within seconds that PostgreSQL is gone although its connections look alive (a cut cable, a frozen machine).

A statement may take its time; but while one takes longer than a second the server is asked, on a new connection, whether it
answers at all. When it does not, every statement under way is ended. Started and told of work by store.postgres.
"""

import asyncio
from typing import Any, Final

import asyncpg
import structlog

LOOK_SECONDS: Final = 1.0
ANSWER_WITHIN_SECONDS: Final = 4.0

log = structlog.get_logger()


class DatabaseWatch:
    """One pool's statements and whether their server lives."""

    def __init__(self, url: str, pool: Any) -> None:
        self._url = url
        self._pool = pool
        #: The connections in use and since when, in loop time.
        self._working: dict[Any, float] = {}

    def begin(self, connection: Any) -> None:
        """Note that work on this connection begins."""
        self._working[connection] = asyncio.get_running_loop().time()

    def end(self, connection: Any) -> None:
        """Note that it is over."""
        del self._working[connection]

    async def run(self) -> None:
        """Watch for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if any(loop.time() - since > LOOK_SECONDS for since in self._working.values()) and not await self._answers():
                log.warning("postgres_does_not_answer", statements_ended=len(self._working))
                await self._end_everything()

    async def _answers(self) -> bool:
        """Whether the server says anything; a refusal is an answer too."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                connection = await asyncpg.connect(self._url, timeout=ANSWER_WITHIN_SECONDS)
                try:
                    await connection.fetchval("SELECT 1")
                finally:
                    connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError):
            return False
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            return True
        return True

    async def _end_everything(self) -> None:
        # Idle connections go through the same dead way: whoever takes one next gets a new one.
        await self._pool.expire_connections()
        for connection in list(self._working):
            connection.terminate()
