"""Reading stored decisions: those of one wedding after or before a rev, since an instant, or about one op (design D7).

However long a history is, a reader looks only into the days and near the blocks that the marks name, never into all of them.
Called by hosts (activation, histories, look-ups) and by tools.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final

from actors.contract.decisions import Decision
from store.blocks import keys_of_op, unpack
from store.postgres import Database

_PAGE_BLOCKS: Final = 64
#: Day partitions that one statement looks into at most.
_DAYS_AT_ONCE: Final = 32
_BELOW_ALL: Final = -1
_ABOVE_ALL: Final = 2**62

# The marks of a wedding ascend by day, rev and time alike. A place is the last mark before what is asked for.
_DAYS_FROM = """
WITH place AS (
  SELECT day, first_rev FROM change_marks WHERE kind = $1 AND id = $2 AND {before}
  ORDER BY day DESC, first_rev DESC LIMIT 1
)
SELECT DISTINCT m.day, COALESCE((SELECT first_rev FROM place), 0) AS first_rev
FROM change_marks m WHERE kind = $1 AND id = $2 AND day >= COALESCE((SELECT day FROM place), '-infinity')
ORDER BY m.day"""
_DAYS_FROM_REV = _DAYS_FROM.format(before="first_rev <= $3")
_DAYS_FROM_INSTANT = _DAYS_FROM.format(before="first_ms < $3")
_DAYS_UP_TO_REV = """
SELECT DISTINCT day FROM change_marks WHERE kind = $1 AND id = $2 AND first_rev <= $3 ORDER BY day DESC"""

# Pages of a wedding's blocks within some days; $5 is the first_rev of the last block seen.
_AFTER = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND day = ANY($3::date[]) AND last_rev > $4 AND first_rev > $5
  AND first_rev >= COALESCE(
    (SELECT max(first_rev) FROM changes WHERE kind = $1 AND id = $2 AND day = ANY($3::date[]) AND first_rev <= $4 + 1), 0)
ORDER BY first_rev LIMIT 64"""
_SINCE = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND day = ANY($3::date[]) AND last_ms >= $4 AND first_rev > $5
ORDER BY first_rev LIMIT 64"""
_BEFORE = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND day = ANY($3::date[]) AND first_rev <= $4 AND first_rev < $5
ORDER BY first_rev DESC LIMIT 64"""
# The index on `clients` finds the few blocks of a key; ranges of one client's numbers do not overlap.
_OF_OP = """
SELECT block FROM changes
WHERE kind = $1 AND id = $2 AND day = ANY($3::date[]) AND clients ?| $4
  AND EXISTS (SELECT FROM jsonb_each(clients) AS range(key, numbers)
              WHERE key = ANY($4) AND (numbers ->> 0)::bigint <= $5 AND (numbers ->> 1)::bigint >= $5)"""


async def read_after(database: Database, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
    """The first decisions above `rev`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in block if each.rev > rev)

    days = await _fetch(database, _DAYS_FROM_REV, kind, identifier, rev + 1)
    return await _pages(
        database, _AFTER, (kind, identifier), [row["day"] for row in days], (rev, _BELOW_ALL), pick, limit_decisions
    )


async def read_since(database: Database, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
    """The first decisions whose `now_ms` is at or after `since_ms`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in block if each.now_ms >= since_ms)

    days = await _fetch(database, _DAYS_FROM_INSTANT, kind, identifier, since_ms)
    below = days[0]["first_rev"] - 1 if days else _BELOW_ALL
    return await _pages(
        database, _SINCE, (kind, identifier), [row["day"] for row in days], (since_ms, below), pick, limit_decisions
    )


async def read_before(database: Database, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
    """The last decisions at or below `rev`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in reversed(block) if each.rev <= rev)

    days = await _fetch(database, _DAYS_UP_TO_REV, kind, identifier, rev)
    newest_first = await _pages(
        database, _BEFORE, (kind, identifier), [row["day"] for row in days], (rev, _ABOVE_ALL), pick, limit_decisions
    )
    return newest_first[::-1]


async def find(database: Database, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
    """The decision about one op, however old."""
    number, keys = keys_of_op(principal, op)
    days = [row["day"] for row in await _fetch(database, _DAYS_UP_TO_REV, kind, identifier, _ABOVE_ALL)]
    for some in _some(days):
        for row in await _fetch(database, _OF_OP, kind, identifier, some, keys, number):
            for decision in unpack(row["block"]):
                if decision.op == op and decision.principal == principal and decision.waits is None:
                    return decision
    return None


async def _pages(
    database: Database,
    statement: str,
    wedding: tuple[str, str],
    days: Sequence[date],
    bounds: tuple[int, int],
    pick: Callable[[list[Decision]], Iterable[Decision]],
    limit: int,
) -> list[Decision]:
    """Read blocks page by page, day after day in the order given, until enough is picked."""
    found: list[Decision] = []
    argument, cursor = bounds
    for some in _some(days):
        page: Sequence[Any] = [None] * _PAGE_BLOCKS
        while len(found) < limit and len(page) == _PAGE_BLOCKS:
            page = await _fetch(database, statement, *wedding, some, argument, cursor)
            for row in page:
                found.extend(pick(unpack(row["block"])))
                cursor = row["first_rev"]
    return found[:limit]


def _some(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """Yield the first day, then twice as many each time: most readings end on the first, long ones take few statements."""
    start, count = 0, 1
    while start < len(days):
        yield days[start : start + count]
        start, count = start + count, min(2 * count, _DAYS_AT_ONCE)


async def _fetch(database: Database, statement: str, *arguments: Any) -> list[Any]:
    async with database.connection() as connection:
        rows: list[Any] = await connection.fetch(statement, *arguments)
    return rows
