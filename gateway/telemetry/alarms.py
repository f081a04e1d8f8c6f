"""What an operator must act on, as every gateway shows it in /metrics: the alarms of all processes, the last scrub (design D12).

A gateway raises one itself when the log went back under it. Read in the background, so that a scrape never waits.
"""

import asyncio
from typing import Final

import structlog

from gateway.telemetry.metrics import Metrics
from store import alarms, scrubs
from store.alarms import ALARMS, Alarms
from store.errors import StoreError
from store.log_guard import LogGuard
from store.postgres import Database

_LOOK_SECONDS: Final = 5.0
_log = structlog.get_logger()


class AlarmWatch:
    """See the module."""

    def __init__(self, database: Database, guard: LogGuard, gateway: str) -> None:
        self._database = database
        self._guard = guard
        self._own = Alarms(database, gateway)
        self._standing: dict[str, int] = {}
        self._scrubbed_at = 0.0
        self._scrub_differences = 0
        self._watch: asyncio.Task[None] | None = None
        #: What came of the last look into PostgreSQL.
        self.database_answers = True

    def add_readings(self, metrics: Metrics) -> None:
        """Show one gauge per alarm, by its name, and the last scrub."""
        for name, meaning in ALARMS.items():
            metrics.gauge(f"alarm_{name}", meaning, lambda name=name: self.count(name))  # type: ignore[misc]  # a bound name
        metrics.gauge("scrub_last_timestamp_seconds", "When the last scrub ended; 0 before the first.", lambda: self._scrubbed_at)
        metrics.gauge("scrub_last_differences", "How many differences it found.", lambda: self._scrub_differences)

    def count(self, name: str) -> int:
        """How many processes raise an alarm; what this one raises counts without PostgreSQL too."""
        return max(self._standing.get(name, 0), int(name in self._own.raised))

    async def start(self) -> None:
        """Begin to look."""
        self._watch = asyncio.create_task(self._look_for_ever())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._look()
                self.database_answers = True
            except StoreError as error:
                self.database_answers = False
                _log.debug("alarms_not_read", error=error.message)
            except Exception:
                _log.exception("alarm_watch_failed")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        if self._guard.fault:
            await self._own.sound("log_lost", self._guard.fault)
        elif "log_lost" in self._own.raised:
            await self._own.withdraw("log_lost")
        standing: dict[str, int] = {}
        for alarm in await alarms.standing(self._database):
            standing[alarm.name] = standing.get(alarm.name, 0) + 1
        self._standing = standing
        scrub = await scrubs.last(self._database)
        if scrub is not None:
            self._scrubbed_at, self._scrub_differences = scrub.finished_at.timestamp(), scrub.differences
