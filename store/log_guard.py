"""What one process has seen of the log, so that it notices when the log goes back and never says `saved` of what is lost (D12).

A message that was sent after position p was seen is stored above p. An acknowledgement at or below it, or a log that ends below
it, means that nats-server lost messages and uses their positions again. Called by store.log_writer and, for health, by gateways.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from actors.contract.subjects import LOG_STREAM_PREFIX, log_stream
from store import log_range
from store.bus import Bus
from store.errors import AppendUnknown, LogWentBack, NoLeader, StoreError
from store.log_continuity import SHORT_ASKINGS
from store.log_fence import REMEDY
from store.postgres import Database

_IDENTITY: Final = """
SELECT l.stream_id, s.number AS stream, COALESCE(max(c.position), 0) AS position
FROM log_identity l CROSS JOIN LATERAL generate_series(0, l.streams - 1) AS s(number)
LEFT JOIN checkpoints c ON c.partition % l.streams = s.number
GROUP BY l.stream_id, s.number"""
_PATIENCE_SECONDS: Final = 1.0
log = structlog.get_logger()


class LogGuard:
    """See the module. `database` lets a process that has seen nothing yet begin with what is stored."""

    def __init__(self, bus: Bus, database: Database | None = None) -> None:
        #: Why nothing may be appended; "" while all is well.
        self.fault = ""
        #: Stream to the highest position that was seen in it.
        self.highest: dict[str, int] = {}
        self._bus = bus
        self._database = database
        self._has_begun = False
        self._ids: dict[str, str] = {}
        self._found_short: dict[str, int] = {}
        #: False after every loss of the connection: the server may have come back with less.
        self._is_sure = False
        bus.on_disconnect.append(self._doubt)

    def close(self) -> None:
        """Hear no more of the connection."""
        if self._doubt in self._bus.on_disconnect:
            self._bus.on_disconnect.remove(self._doubt)

    async def require(self) -> None:
        """Return when the log is known to hold what was seen; raises LogWentBack, StoreError."""
        if not self._is_sure:
            await self.look()
        if self.fault:
            raise LogWentBack(self.fault)

    def check(self, stream: str, position: int, before: Mapping[str, int]) -> None:
        """Judge an acknowledgement; `before` is a copy of `highest` from before it was sent. Raises AppendUnknown."""
        if not stream.startswith(LOG_STREAM_PREFIX):
            return
        if position <= before.get(stream, 0):
            log.error("log_acknowledged_below", stream=stream, position=position, seen=before[stream])
            self._doubt()
            raise AppendUnknown(f"{stream} stored it at {position}, below the position {before[stream]} that was seen before.")
        self.highest[stream] = max(position, self.highest.get(stream, 0))

    async def look(self) -> None:
        """Ask every log stream where it ends and set `fault`; raises StoreError when that cannot be known now."""
        if self._database is not None and not self._has_begun:
            await self._begin(self._database)
        fault = ""
        # As seen before the question: what is acknowledged while it is on its way may not be in the answer yet.
        for stream, seen in list(self.highest.items()):
            found = await log_range.bounds(self._bus, stream)
            if found is None:
                raise NoLeader(f"{stream} is missing at the moment; ask again.")
            if found.stream_id != self._ids.setdefault(stream, found.stream_id):
                fault = await self._follow(stream, found) or fault
            elif found.last < seen:
                self._found_short[stream] = self._found_short.get(stream, 0) + 1
                if found.replicas > 1 and self._found_short[stream] < SHORT_ASKINGS:
                    raise NoLeader(f"The new leader of {stream} has not reached {seen} yet; ask again.")
                fault = f"{stream} ends at {found.last}, but {seen} has been seen in it: it has lost ops. {REMEDY}"
            else:
                self.highest[stream] = max(found.last, self.highest[stream])
                self._found_short.pop(stream, None)
        if fault != self.fault:
            log.error("log_went_back", fault=fault) if fault else log.warning("log_serves_again")
        self.fault, self._is_sure = fault, not fault

    def _doubt(self) -> None:
        self._is_sure = False

    async def _begin(self, database: Database) -> None:
        """Take what is stored for seen; without PostgreSQL now, at a later look."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), database.connection() as connection:
                rows = await connection.fetch(_IDENTITY)
        except (StoreError, TimeoutError):
            return
        self._has_begun = True
        for row in rows:
            stream = log_stream(row["stream"])
            self._ids[stream] = row["stream_id"]
            self.highest[stream] = max(self.highest.get(stream, 0), row["position"])

    async def _follow(self, stream: str, found: log_range.Bounds) -> str:
        """Take over a log that was replaced in good order; return what is wrong with any other."""
        if self._database is not None:
            async with self._database.connection() as connection:
                wanted = await connection.fetchval("SELECT stream_id FROM log_identity")
            if wanted != found.stream_id:
                return f"{stream} belongs to another database. {REMEDY}"
        self._ids[stream], self.highest[stream] = found.stream_id, found.last
        return ""
