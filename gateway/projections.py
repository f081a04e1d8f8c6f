"""The tables that people query about connections: collaboration_sessions, websocket_connections, user_presence.

Collected here and written in batches; they may lag, and while Postgres is away only the latest rows are kept, up to a bound. A
person's presence is written at most once per `presence_store_interval_seconds` (design D9). Nothing reads them back.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from config.settings import Settings
from gateway.presence.fields import Presence
from gateway.presence.people import Source
from gateway.wire.socket import Socket
from store.errors import StoreError, StoreUnavailable
from store.postgres import Database
from store.projections import (
    ConnectionRow,
    PresenceRow,
    SessionRow,
    close_boot,
    close_other_boots,
    write_connections,
    write_presence,
    write_sessions,
)

_FLUSH_SECONDS: Final = 1.0
#: Rows of each table that may wait for Postgres; the oldest go first.
_MOST_WAITING: Final = 20_000

_log = structlog.get_logger()


class Projections:
    """One gateway's rows; an observer of the hub's connections and of presence."""

    def __init__(self, database: Database, settings: Settings, boot: str, seen: Callable[[str, str], Presence | None]) -> None:
        """`seen` tells what a person shows in a wedding now, None when it is not there."""
        self._database = database
        self._seen = seen
        self._own = Source(settings.gateway_id, boot)
        self._presence_interval_seconds = settings.presence_store_interval_seconds
        self._sessions: dict[str, SessionRow] = {}
        self._connections: dict[str, ConnectionRow] = {}
        self._presence_changed: dict[tuple[str, str], None] = {}
        self._presence_written_at: dict[tuple[str, str], float] = {}
        self._lost: set[Source] = set()
        self._others_are_closed = False
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write; rows of earlier lives of this gateway are closed first."""
        self._task = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Write what is left, presence included."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._presence_written_at.clear()
        await self._flush()

    def joined(self, socket: Socket) -> None:
        """A socket was synced."""
        self._keep(socket, None)

    def renewed(self, socket: Socket) -> None:
        """A socket goes on with another token: whoever ends the session must revoke that one."""
        self._keep(socket, None)

    def left(self, socket: Socket) -> None:
        """A socket that had joined is gone."""
        self._keep(socket, _now_ms())

    def presence_changed(self, wedding: str, user: str) -> None:
        """A person shows something else, or is gone; what, is asked when it is written."""
        self._presence_changed[wedding, user] = None
        _bound(self._presence_changed)

    def gateway_lost(self, source: Source) -> None:
        """Another gateway died: its rows are closed by whoever noticed."""
        self._lost.add(source)

    def _keep(self, socket: Socket, closed_ms: int | None) -> None:
        opened_ms = int(socket.opened_at * 1000)
        identity = (socket.wedding, socket.principal)
        self._sessions[socket.id] = SessionRow(
            socket.id, *identity, socket.client, *self._own, opened_ms, closed_ms, socket.token.id if socket.token else ""
        )
        self._connections[socket.id] = ConnectionRow(
            socket.id, socket.id, *identity, *self._own, opened_ms, closed_ms, socket.close_code
        )
        _bound(self._sessions)
        _bound(self._connections)

    async def _keep_writing(self) -> None:
        while True:
            await self._flush()
            await asyncio.sleep(_FLUSH_SECONDS)

    async def _flush(self) -> None:
        """Write what waits; what could not be written waits on, unless something newer took its place."""
        sessions, self._sessions = self._sessions, {}
        connections, self._connections = self._connections, {}
        presence: list[tuple[str, str]] = []
        try:
            await self._close_rows_of_the_dead()
            await write_sessions(self._database, list(sessions.values()))
            await write_connections(self._database, list(connections.values()))
            presence = self._due_presence()
            await self._write_presence([self._presence_row(*key) for key in presence])
            self._is_failing = False
        except StoreError as error:
            if not self._is_failing:
                _log.warning("projections_wait", reason=error.code)
            self._is_failing = True
            self._sessions = sessions | self._sessions
            self._connections = connections | self._connections
            self._presence_changed = dict.fromkeys(presence) | self._presence_changed

    async def _write_presence(self, rows: list[PresenceRow]) -> None:
        """One row that the table does not take must not keep the others waiting for ever."""
        try:
            await write_presence(self._database, rows)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if len(rows) == 1:
                _log.warning("presence_row_refused", wedding=rows[0].wedding, user=rows[0].user, reason=str(error))
            for row in rows if len(rows) > 1 else ():
                await self._write_presence([row])

    async def _close_rows_of_the_dead(self) -> None:
        if not self._others_are_closed:
            await close_other_boots(self._database, *self._own)
            self._others_are_closed = True
        while self._lost:
            source = next(iter(self._lost))
            await close_boot(self._database, *source)
            self._lost.discard(source)

    def _presence_row(self, wedding: str, user: str) -> PresenceRow:
        return PresenceRow(wedding, user, *self._own, self._seen(wedding, user), _now_ms())

    def _due_presence(self) -> list[tuple[str, str]]:
        """Take the persons who have changed and were not written lately."""
        now = time.monotonic()
        since = now - self._presence_interval_seconds
        written = self._presence_written_at = {key: at for key, at in self._presence_written_at.items() if at > since}
        due = [key for key in self._presence_changed if key not in written]
        for key in due:
            del self._presence_changed[key]
            written[key] = now
        return due


def _bound(rows: dict[Any, Any]) -> None:
    if len(rows) > _MOST_WAITING:
        del rows[next(iter(rows))]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
