"""The tables that people query: events, sessions, presence, connections. They may lag and are never read back by the core.

Hosts run the `EventProjector`, gateways write the rest in batches.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from store.postgres import Database


class SessionRow(NamedTuple):
    """A row of collaboration_sessions; `closed_ms` None while open. Times are Unix milliseconds."""

    session: str
    wedding: str
    user: str
    client: str
    gateway: str
    boot: str
    opened_ms: int
    closed_ms: int | None


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


async def write_sessions(database: Database, rows: Sequence[SessionRow]) -> None:
    """Insert or update by session."""
    raise NotImplementedError


async def write_presence(database: Database, rows: Sequence[PresenceRow]) -> None:
    """Insert or update by (wedding, user); an older row never replaces a newer one."""
    raise NotImplementedError


async def write_connections(database: Database, rows: Sequence[ConnectionRow]) -> None:
    """Insert or update by connection."""
    raise NotImplementedError


async def close_boot(database: Database, gateway: str, boot: str) -> None:
    """Close every session, presence and connection that a gateway that died left open."""
    raise NotImplementedError


class EventProjector:
    """Fills collaboration_events from the stored blocks, behind a position of its own."""

    async def step(self, database: Database, partitions: Sequence[int]) -> int:
        """Project some blocks and return how many events were written; 0 when nothing is left."""
        raise NotImplementedError
