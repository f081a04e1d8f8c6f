"""The tables that gateways write for people to query: sessions, presence, connections. They may lag; the core never reads them.

Everything goes in batches; a repeated or late batch never undoes a newer one. Times are Unix milliseconds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from store.postgres import Database


class SessionRow(NamedTuple):
    """A row of collaboration_sessions; `closed_ms` None while open."""

    session: str
    wedding: str
    user: str
    client: str
    gateway: str
    boot: str
    opened_ms: int
    closed_ms: int | None
    token: str = ""


class PresenceRow(NamedTuple):
    """A row of user_presence; `presence` None for somebody who left."""

    wedding: str
    user: str
    gateway: str
    boot: str
    presence: dict[str, Any] | None
    updated_ms: int


class ConnectionRow(NamedTuple):
    """A row of websocket_connections; `closed_ms` None while open."""

    connection: str
    session: str
    wedding: str
    user: str
    gateway: str
    boot: str
    opened_ms: int
    closed_ms: int | None
    close_code: int | None


_SESSIONS = """
INSERT INTO collaboration_sessions AS known
  (session_id, wedding_id, user_id, client_id, gateway, boot, opened_at, closed_at, token_id)
SELECT DISTINCT ON (1) * FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[])
  AS row(session_id, wedding_id, user_id, client_id, gateway, boot, opened_at, closed_at, token_id)
ORDER BY 1, closed_at NULLS LAST
ON CONFLICT (session_id) DO UPDATE SET
  closed_at = COALESCE(known.closed_at, excluded.closed_at), token_id = excluded.token_id"""
_CONNECTIONS = """
INSERT INTO websocket_connections AS known
  (connection_id, session_id, wedding_id, user_id, gateway, boot, opened_at, closed_at, close_code)
SELECT DISTINCT ON (1) * FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::int[])
  AS row(connection_id, session_id, wedding_id, user_id, gateway, boot, opened_at, closed_at, close_code)
ORDER BY 1, closed_at NULLS LAST
ON CONFLICT (connection_id) DO UPDATE SET
  closed_at = COALESCE(known.closed_at, excluded.closed_at), close_code = COALESCE(known.close_code, excluded.close_code)"""
_PRESENCE = """
INSERT INTO user_presence AS known (wedding_id, user_id, gateway, boot, presence, updated_at)
SELECT DISTINCT ON (1, 2) wedding_id, user_id, gateway, boot, presence::jsonb, updated_at FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
  AS row(wedding_id, user_id, gateway, boot, presence, updated_at)
ORDER BY 1, 2, updated_at DESC
ON CONFLICT (wedding_id, user_id) DO UPDATE SET
  gateway = excluded.gateway, boot = excluded.boot, presence = excluded.presence, updated_at = excluded.updated_at
WHERE excluded.updated_at >= known.updated_at"""
_CLOSE_BOOT = (
    "UPDATE collaboration_sessions SET closed_at = now() WHERE gateway = $1 AND boot = $2 AND closed_at IS NULL",
    "UPDATE websocket_connections SET closed_at = now() WHERE gateway = $1 AND boot = $2 AND closed_at IS NULL",
    "UPDATE user_presence SET presence = NULL, updated_at = now() WHERE gateway = $1 AND boot = $2 AND presence IS NOT NULL",
)


async def write_sessions(database: Database, rows: Sequence[SessionRow]) -> None:
    """Insert or update by session; a closed one stays closed."""
    await _write(database, _SESSIONS, [(*row[:6], _instant(row.opened_ms), _instant(row.closed_ms), row.token) for row in rows])


async def write_connections(database: Database, rows: Sequence[ConnectionRow]) -> None:
    """Insert or update by connection; a closed one stays closed."""
    await _write(
        database, _CONNECTIONS, [(*row[:6], _instant(row.opened_ms), _instant(row.closed_ms), row.close_code) for row in rows]
    )


async def write_presence(database: Database, rows: Sequence[PresenceRow]) -> None:
    """Insert or update by (wedding, user); an older row never replaces a newer one."""
    await _write(
        database,
        _PRESENCE,
        [
            (*row[:4], None if row.presence is None else msgspec.json.encode(row.presence).decode(), _instant(row.updated_ms))
            for row in rows
        ],
    )


async def close_boot(database: Database, gateway: str, boot: str) -> None:
    """Close every session, presence and connection that a gateway left open when it died."""
    async with database.transaction() as connection:
        for statement in _CLOSE_BOOT:
            await connection.execute(statement, gateway, boot)


async def close_other_boots(database: Database, gateway: str, boot: str) -> None:
    """Close what earlier lives of this gateway left open."""
    async with database.transaction() as connection:
        for statement in _CLOSE_BOOT:
            await connection.execute(statement.replace("boot = $2", "boot <> $2"), gateway, boot)


async def _write(database: Database, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        async with database.connection() as connection:
            await connection.execute(statement, *zip(*rows, strict=True))


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
