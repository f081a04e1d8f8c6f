"""Stored decisions: compressed blocks per wedding and flush, behind one guarded checkpoint per partition (design D7).

The host's flush writes, its actors and gateways' histories read. Decisions are the contract's; nothing here decides anything.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.contract.decisions import Decision
from store.outbox import OutboxRow
from store.postgres import Database


class Row(NamedTuple):
    """The decisions about one wedding that one flush writes; revs are contiguous and ascending."""

    partition: int
    kind: str
    id: str
    decisions: Sequence[Decision]


async def flush(
    database: Database,
    generation: int,
    moves: Mapping[int, tuple[int, int]],
    rows: Sequence[Row],
    outbox: Sequence[OutboxRow] = (),
) -> dict[int, int]:
    """Move checkpoints {partition: (old, new)} and write the rows and outbox rows of the partitions that moved.

    One transaction. Returns {partition: stored position} of those that did not move, since another host was first.
    Raises GenerationChanged, StoreUnavailable.
    """
    raise NotImplementedError


async def checkpoints(database: Database, generation: int, partitions: int) -> dict[int, int]:
    """The position of every partition, 0 where nothing was flushed yet."""
    raise NotImplementedError


async def read_after(
    database: Database,
    kind: str,
    identifier: str,
    rev: int,
    *,
    limit_decisions: int,
    after_ms: int = 0,
) -> list[Decision]:
    """The first decisions above `rev`, ascending; `after_ms`, the wedding's clock at `rev`, makes the search narrow."""
    raise NotImplementedError


async def read_before(database: Database, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
    """The last decisions at or below `rev`, ascending."""
    raise NotImplementedError


async def read_since(database: Database, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
    """The first decisions whose `now_ms` is at or after `since_ms`, ascending."""
    raise NotImplementedError


async def find(database: Database, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
    """The decision about one op, however old."""
    raise NotImplementedError
