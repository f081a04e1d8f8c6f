"""Stored decisions: compressed blocks per wedding and flush, behind one guarded checkpoint per partition (design D7).

The host's flush writes, its actors and histories read. Decisions are the contract's; nothing here decides anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from actors.contract.decisions import Decision
from actors.contract.errors import ContractError
from actors.contract.ids import parse_op_id
from store import timers
from store.blocks import client_key, client_ranges, pack, unpack
from store.day_partitions import DAYS_AHEAD, create_ahead
from store.errors import GenerationChanged
from store.outbox import OutboxRow
from store.postgres import Database
from store.rules import MarkerRow

#: The client under which ops that came over NATS are decided; they have no numbers.
_INTAKE_CLIENT = "intake"


class Row(NamedTuple):
    """The decisions about one wedding that one flush writes; at least one, revs contiguous and ascending."""

    partition: int
    kind: str
    id: str
    decisions: Sequence[Decision]


# Locking in the order of partitions keeps two hosts from waiting for each other; the update looks at the old position again.
_FLUSH = """
WITH locked AS (
  SELECT partition, position FROM checkpoints WHERE partition = ANY($2::int[]) AND generation = $1
  ORDER BY partition FOR UPDATE
), moved AS (
  UPDATE checkpoints c SET position = wanted.new, moved_at = now()
  FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS wanted(partition, old, new) JOIN locked USING (partition)
  WHERE c.partition = wanted.partition AND c.generation = $1 AND c.position = wanted.old
  RETURNING c.partition
), stored AS (
  INSERT INTO changes (partition, kind, id, first_rev, last_rev, last_position, first_ms, last_ms, clients, block)
  SELECT b.partition, b.kind, b.id, b.first_rev, b.last_rev, b.last_position, b.first_ms, b.last_ms, b.clients::jsonb, b.block
  FROM unnest($5::int[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
              $13::text[], $14::bytea[])
    AS b(partition, kind, id, first_rev, last_rev, last_position, first_ms, last_ms, clients, block)
  WHERE b.partition IN (SELECT partition FROM moved)
), sent AS (
  INSERT INTO outbox (partition, id, subject, payload)
  SELECT o.partition, o.id, o.subject, o.payload
  FROM unnest($15::int[], $16::text[], $17::text[], $18::bytea[]) WITH ORDINALITY AS o(partition, id, subject, payload, ordinal)
  WHERE o.partition IN (SELECT partition FROM moved)
  ORDER BY o.ordinal
  ON CONFLICT (id) DO NOTHING
), marked AS (
  INSERT INTO rules_markers (partition, position, version)
  SELECT m.partition, m.position, m.version FROM unnest($19::int[], $20::bigint[], $21::int[]) AS m(partition, position, version)
  WHERE m.partition IN (SELECT partition FROM moved)
  ON CONFLICT (partition, position) DO NOTHING
), fates AS (
  SELECT * FROM unnest($22::int[], $23::text[], $24::text[], $25::text[], $26::bigint[], $27::bigint[], $28::bytea[], $29::text[])
    AS f(partition, kind, id, timer, number, due_ms, body, fate)
  WHERE f.partition IN (SELECT partition FROM moved)
), armed AS (
  INSERT INTO timers (kind, id, timer, partition, number, due_ms, body)
  SELECT kind, id, timer, partition, number, due_ms, body FROM fates WHERE fate <> 'fired'
  ON CONFLICT (kind, id, timer) DO UPDATE SET number = greatest(timers.number, excluded.number), due_ms = excluded.due_ms,
    body = excluded.body, sent_at = NULL
), fired AS (
  DELETE FROM timers t USING fates f WHERE f.fate = 'fired' AND t.kind = f.kind AND t.id = f.id AND t.timer = f.timer
)
SELECT locked.partition, locked.position, moved.partition IS NOT NULL AS moved FROM locked LEFT JOIN moved USING (partition)
"""


async def flush(
    database: Database,
    generation: int,
    moves: Mapping[int, tuple[int, int]],
    rows: Sequence[Row],
    outbox: Sequence[OutboxRow] = (),
    markers: Sequence[MarkerRow] = (),
) -> dict[int, int]:
    """Move checkpoints {partition: (old, new)} and write the rows, outbox rows, timers and rules markers of those that moved.

    One transaction. Returns {partition: stored position} of those that did not move, since another host was first.
    Raises GenerationChanged, StoreUnavailable.
    """
    await _keep_days_ahead(database)
    checkpoint_columns = _columns([(partition, old, new) for partition, (old, new) in moves.items()], 3)
    block_columns = _columns([_block(row) for row in rows], 10)
    timer_columns = _columns([fate for row in rows for fate in timers.fates(*row)], 8)
    async with database.connection() as connection:
        found = await connection.fetch(
            _FLUSH,
            generation,
            *checkpoint_columns,
            *block_columns,
            *_columns(outbox, 4),
            *_columns(markers, 3),
            *timer_columns,
        )
    if len(found) < len(moves):
        raise GenerationChanged
    return {row["partition"]: row["position"] for row in found if not row["moved"]}


def _block(row: Row) -> tuple[Any, ...]:
    first, last = row.decisions[0], row.decisions[-1]
    index = client_ranges(row.decisions).decode()
    return (
        row.partition, row.kind, row.id, first.rev, last.rev, last.position, first.now_ms, last.now_ms, index, pack(row.decisions)
    )  # fmt: skip  # one line names the columns in their order


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


async def _keep_days_ahead(database: Database) -> None:
    today = datetime.now(UTC).date()
    if (today - database.days_made_on).days >= DAYS_AHEAD // 2:
        await create_ahead(database)
        database.days_made_on = today


async def checkpoints(database: Database, generation: int, partitions: int) -> dict[int, int]:
    """The position of every partition, 0 where nothing was flushed yet; raises GenerationChanged."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO checkpoints (partition, generation, position) SELECT p, $1, 0 FROM generate_series(0, $2 - 1) AS p "
            "ON CONFLICT (partition) DO NOTHING",
            generation,
            partitions,
        )
        rows = await connection.fetch("SELECT partition, position FROM checkpoints WHERE generation = $1", generation)
    if len(rows) < partitions:
        raise GenerationChanged
    return {row["partition"]: row["position"] for row in rows}


# All four go through a wedding's blocks in pages; $4 is the first_rev of the last block seen.
_AFTER = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND last_rev > $3 AND first_rev > $4
  AND first_rev >= COALESCE((SELECT max(first_rev) FROM changes WHERE kind = $1 AND id = $2 AND first_rev <= $3 + 1), 0)
ORDER BY first_rev LIMIT 64"""
_SINCE = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND last_ms >= $3 AND first_rev > $4
ORDER BY first_rev LIMIT 64"""
_BEFORE = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND first_rev <= $3 AND first_rev < $4
ORDER BY first_rev DESC LIMIT 64"""
_OF_CLIENT = """
SELECT first_rev, block FROM changes
WHERE kind = $1 AND id = $2 AND first_rev < $4
  AND (clients -> $3 ->> 0)::bigint <= $5 AND (clients -> $3 ->> 1)::bigint >= $5
ORDER BY first_rev DESC LIMIT 64"""
_PAGE_BLOCKS = 64
_BELOW_ALL = -1
_ABOVE_ALL = 2**62


async def read_after(database: Database, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
    """The first decisions above `rev`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in block if each.rev > rev)

    return await _collect(database, _AFTER, (kind, identifier, rev, _BELOW_ALL), pick, limit_decisions)


async def read_since(database: Database, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
    """The first decisions whose `now_ms` is at or after `since_ms`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in block if each.now_ms >= since_ms)

    return await _collect(database, _SINCE, (kind, identifier, since_ms, _BELOW_ALL), pick, limit_decisions)


async def read_before(database: Database, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
    """The last decisions at or below `rev`, ascending."""

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in reversed(block) if each.rev <= rev)

    newest_first = await _collect(database, _BEFORE, (kind, identifier, rev, _ABOVE_ALL), pick, limit_decisions)
    return newest_first[::-1]


async def find(database: Database, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
    """The decision about one op, however old."""
    try:
        client, number = parse_op_id(op)
    except ContractError:
        client, number = _INTAKE_CLIENT, 0

    def pick(block: list[Decision]) -> Iterable[Decision]:
        return (each for each in block if each.op == op and each.principal == principal)

    arguments = (kind, identifier, client_key(principal, client), _ABOVE_ALL, number)
    found = await _collect(database, _OF_CLIENT, arguments, pick, 1)
    return found[0] if found else None


async def _collect(
    database: Database,
    statement: str,
    arguments: tuple[Any, ...],
    pick: Callable[[list[Decision]], Iterable[Decision]],
    limit: int,
) -> list[Decision]:
    found: list[Decision] = []
    kind, identifier, argument, cursor, *more = arguments
    while len(found) < limit:
        async with database.connection() as connection:
            page = await connection.fetch(statement, kind, identifier, argument, cursor, *more)
        for row in page:
            found.extend(pick(unpack(row["block"])))
        if len(page) < _PAGE_BLOCKS:
            break
        cursor = page[-1]["first_rev"]
    return found[:limit]
