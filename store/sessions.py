"""Reading the open sessions of a wedding from the table that gateways write; it may lag by a second."""

from datetime import datetime
from typing import Final, NamedTuple

from store.postgres import Database

#: A wedding with more open sessions than this shows the oldest ones.
MOST_SESSIONS: Final = 1000


class OpenSession(NamedTuple):
    """One open session; `token` is the id of the token that it was opened with."""

    session: str
    user: str
    client: str
    opened_at: datetime
    token: str


async def open_sessions(database: Database, wedding: str, user: str | None = None) -> list[OpenSession]:
    """Those of one person, or of all; the longest open first. Raises StoreUnavailable."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT session_id, user_id, client_id, opened_at, token_id FROM collaboration_sessions"
            " WHERE wedding_id = $1 AND closed_at IS NULL AND ($2::text IS NULL OR user_id = $2) ORDER BY opened_at LIMIT $3",
            wedding,
            user,
            MOST_SESSIONS,
        )
    return [OpenSession(*row) for row in rows]
