"""The tokens that hold no longer: kept until the last one that is meant has ended. Written and read by gateways.

Times are Unix seconds.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from store.postgres import Database


class Revocation(msgspec.Struct, frozen=True):
    """One token of a person for a wedding, or, with an empty `token`, all that were issued before `issued_before`."""

    wedding: str
    user: str
    token: str
    issued_before: float
    keep_until: float
    revoked_by: str


async def revoke(database: Database, revocation: Revocation) -> None:
    """Store it, and drop those that have become pointless; raises StoreUnavailable."""
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM revocations WHERE keep_until < now()")
        await connection.execute(
            "INSERT INTO revocations (wedding_id, user_id, token_id, issued_before, keep_until, revoked_by)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            revocation.wedding,
            revocation.user,
            revocation.token,
            _instant(revocation.issued_before),
            _instant(revocation.keep_until),
            revocation.revoked_by,
        )


async def read_all(database: Database) -> list[Revocation]:
    """Every revocation that still means a token; raises StoreUnavailable."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM revocations WHERE keep_until >= now() ORDER BY ordinal")
    return [_of_row(row) for row in rows]


def _of_row(row: Any) -> Revocation:
    times = row["issued_before"].timestamp(), row["keep_until"].timestamp()
    return Revocation(row["wedding_id"], row["user_id"], row["token_id"], *times, row["revoked_by"])


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
