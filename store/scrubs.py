"""The stored side of a scrub: decisions in the order of the log, and the ledger of the scrubs that were made (design D12).

Called by `wedsync scrub`, and by status and metrics for the last result.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from actors.contract.decisions import Decision
from store.blocks import unpack
from store.postgres import Database


class StoredDecision(NamedTuple):
    """One stored decision and whose it is."""

    partition: int
    kind: str
    id: str
    decision: Decision


class Scrub(NamedTuple):
    """One finished scrub; `ranges` maps a stream to its first and last compared position."""

    started_at: datetime
    finished_at: datetime
    ranges: dict[str, tuple[int, int]]
    messages: int
    decisions: int
    differences: int


_BLOCKS = """
SELECT partition, kind, id, last_position, block FROM changes
WHERE partition = ANY($1::int[]) AND last_position > $2 AND last_position <= $3 ORDER BY last_position LIMIT 256"""
_LAST = "SELECT started_at, finished_at, ranges, messages, decisions, differences FROM scrubs ORDER BY number DESC LIMIT 1"


async def decisions_between(
    database: Database, partitions: Sequence[int], after: int, upto: int
) -> AsyncIterator[StoredDecision]:
    """Yield the decisions of every block whose last position is in (after, upto], block by block; raises StoreError."""
    while after < upto:
        async with database.connection() as connection:
            rows = await connection.fetch(_BLOCKS, list(partitions), after, upto)
        for row in rows:
            for decision in unpack(row["block"]):
                yield StoredDecision(row["partition"], row["kind"], row["id"], decision)
        if not rows:
            return
        # Positions are unique in a stream, so no other block has the last one's.
        after = rows[-1]["last_position"]


async def record(database: Database, scrub: Scrub) -> None:
    """Keep the result."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO scrubs (started_at, finished_at, ranges, messages, decisions, differences) "
            "VALUES ($1, $2, $3::jsonb, $4, $5, $6)",
            scrub.started_at,
            scrub.finished_at,
            msgspec.json.encode(scrub.ranges).decode(),
            *scrub[3:],
        )


async def last(database: Database) -> Scrub | None:
    """The last finished scrub, None before the first; raises StoreError."""
    async with database.connection() as connection:
        row = await connection.fetchrow(_LAST)
    if row is None:
        return None
    ranges: Mapping[str, list[int]] = msgspec.json.decode(row["ranges"])
    found = {stream: (first, upto) for stream, (first, upto) in ranges.items()}
    return Scrub(row["started_at"], row["finished_at"], found, row["messages"], row["decisions"], row["differences"])
