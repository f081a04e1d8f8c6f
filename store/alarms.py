"""What an operator must act on: raised by hosts, gateways and commands, kept in one table that everybody sees (design D12).

`Alarms` belongs to one process: it logs, remembers, and writes the table as far as PostgreSQL answers. `wedsync status` and every
gateway's /metrics show the table. The names are a closed set, since alert rules are written for them.
"""

from datetime import datetime
from typing import Final, Literal, NamedTuple

import structlog

from store.errors import StoreError
from store.postgres import Database

AlarmName = Literal["log_lost", "log_damaged", "scrub_differs", "reseed_unfinished", "wedding_unreadable"]
#: What each one means, for the help of the metrics.
ALARMS: Final[dict[AlarmName, str]] = {
    "log_lost": "The log does not hold what was stored or acknowledged; nothing is folded or saved from it.",
    "log_damaged": "nats-server reports that messages of the log are missing.",
    "scrub_differs": "The last scrub found differences between the log and the stored changes.",
    "wedding_unreadable": "What is stored of a wedding cannot be read; its ops wait, and the log is not trimmed.",
    "reseed_unfinished": "A re-seeding of the log was begun and not finished.",
}
_PATIENCE_SECONDS: Final = 3.0
log = structlog.get_logger()


class Alarm(NamedTuple):
    """One alarm of one source."""

    name: str
    source: str
    message: str
    raised_at: datetime


class Alarms:
    """The alarms of one process."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source
        #: Name to message of what this process has raised.
        self.raised: dict[str, str] = {}
        #: What of it stands in the table.
        self._written: dict[str, str] = {}

    async def sound(self, name: AlarmName, message: str) -> bool:
        """Log it at error level, remember it, and write it down if PostgreSQL answers, which is returned; never raises."""
        if self.raised.get(name) != message:
            self.raised[name] = message
            log.error("alarm_raised", alarm=name, message=message)
        if self._written.get(name) != message and await _write(self._database, name, self._source, message):
            self._written[name] = message
        return self._written.get(name) == message

    async def withdraw(self, name: AlarmName, *, of_everybody: bool = False) -> bool:
        """Take an alarm of this source back, or of every source; returns whether PostgreSQL answered, never raises."""
        self.raised.pop(name, None)
        self._written.pop(name, None)
        try:
            async with self._database.connection() as connection:
                gone = await connection.fetch(
                    "DELETE FROM alarms WHERE name = $1 AND (source = $2 OR $3) RETURNING source",
                    name,
                    self._source,
                    of_everybody,
                )
        except StoreError as error:
            log.warning("alarm_not_withdrawn", alarm=name, error=error.message)
            return False
        if gone:
            log.info("alarm_withdrawn", alarm=name, sources=[row["source"] for row in gone])
        return True


async def standing(database: Database) -> list[Alarm]:
    """Every alarm, the oldest first; raises StoreError."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT name, source, message, raised_at FROM alarms ORDER BY raised_at, name")
    return [Alarm(**row) for row in rows]


async def _write(database: Database, name: AlarmName, source: str, message: str) -> bool:
    try:
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO alarms (name, source, message) VALUES ($1, $2, $3) "
                "ON CONFLICT (name, source) DO UPDATE SET message = excluded.message",
                *(name, source, message),
            )
    except StoreError as error:
        log.warning("alarm_not_written", alarm=name, error=error.message)
        return False
    return True


async def sound_once(url: str, source: str, name: AlarmName, message: str) -> None:
    """Sound an alarm from a process that has no connection (any more); never raises."""
    log.error("alarm_raised", alarm=name, message=message)
    try:
        database = await Database.open(url, max_size=1, timeout_seconds=_PATIENCE_SECONDS)
    except StoreError as error:
        log.warning("alarm_not_written", alarm=name, error=error.message)
        return
    await _write(database, name, source, message)
    await database.close()
