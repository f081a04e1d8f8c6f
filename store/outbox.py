"""Messages bound for a log that leave after the changes they belong to were stored (design D6).

`store.changes.flush` writes them; the host sends what is pending and strikes off what the log has acknowledged.
"""

from collections.abc import Sequence
from typing import NamedTuple

from store.postgres import Database


class OutboxRow(NamedTuple):
    """One message; its id is derived from the op and makes a repeat harmless."""

    partition: int
    id: str
    subject: str
    payload: bytes


async def pending(
    database: Database, partitions: Sequence[int], *, held_back: Sequence[str] = (), limit: int = 500
) -> list[OutboxRow]:
    """The first that are not struck off, in the order in which they were written; those to `held_back` subjects are left out."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT partition, id, subject, payload FROM outbox WHERE partition = ANY($1::int[]) AND subject <> ALL($2::text[]) "
            "ORDER BY ordinal LIMIT $3",
            list(partitions),
            list(held_back),
            limit,
        )
    return [OutboxRow(*row) for row in rows]


async def strike(database: Database, ids: Sequence[str]) -> None:
    """Forget messages that the log has acknowledged; unknown ids are fine."""
    async with database.connection() as connection:
        await connection.execute("DELETE FROM outbox WHERE id = ANY($1::text[])", list(ids))
