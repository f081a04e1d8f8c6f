"""Storing decisions: compressed blocks per wedding and flush, behind one guarded checkpoint per partition (design D7).

Called by the host's flush. Decisions are the contract's; nothing here decides anything. Reading them is in store.stored_changes.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from actors.contract.decisions import Decision
from store import timers
from store.blocks import op_ranges, pack
from store.day_partitions import keep_ahead
from store.errors import GenerationChanged
from store.outbox import OutboxRow
from store.postgres import Database
from store.rules import MarkerRow


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
  UPDATE checkpoints c SET position = wanted.new, moved_at = now(), day = GREATEST(c.day, (now() AT TIME ZONE 'UTC')::date)
  FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS wanted(partition, old, new, skipped)
    JOIN locked USING (partition)
  WHERE c.partition = wanted.partition AND c.generation = $1 AND c.position = wanted.old
    AND (c.skipped <= GREATEST(wanted.old, wanted.skipped) OR c.skipped > wanted.new)
  RETURNING c.partition, c.day
), blocks AS (
  SELECT * FROM moved JOIN
    unnest($6::int[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
           $14::text[], $15::bytea[])
    AS b(partition, kind, id, first_rev, last_rev, last_position, first_ms, last_ms, clients, block) USING (partition)
), stored AS (
  INSERT INTO changes (partition, kind, id, first_rev, last_rev, last_position, first_ms, last_ms, clients, block, day)
  SELECT partition, kind, id, first_rev, last_rev, last_position, first_ms, last_ms, clients::jsonb, block, day FROM blocks
), marks AS (
  INSERT INTO change_marks (kind, id, day, first_rev, first_ms)
  SELECT b.kind, b.id, b.day, b.first_rev, b.first_ms
  FROM (SELECT *, row_number() OVER (PARTITION BY kind, id ORDER BY first_rev) AS place FROM blocks) AS b
  WHERE b.last_rev / 1000 > (b.first_rev - 1) / 1000
    OR (b.place = 1 AND NOT EXISTS (SELECT FROM change_marks m WHERE m.kind = b.kind AND m.id = b.id AND m.day = b.day))
), sent AS (
  INSERT INTO outbox (partition, id, subject, payload)
  SELECT o.partition, o.id, o.subject, o.payload
  FROM unnest($16::int[], $17::text[], $18::text[], $19::bytea[]) WITH ORDINALITY AS o(partition, id, subject, payload, ordinal)
  WHERE o.partition IN (SELECT partition FROM moved)
  ORDER BY o.ordinal
  ON CONFLICT (id) DO NOTHING
), marked AS (
  INSERT INTO rules_markers (partition, position, version)
  SELECT m.partition, m.position, m.version FROM unnest($20::int[], $21::bigint[], $22::int[]) AS m(partition, position, version)
  WHERE m.partition IN (SELECT partition FROM moved)
  ON CONFLICT (partition, position) DO NOTHING
), fates AS (
  SELECT * FROM unnest($23::int[], $24::text[], $25::text[], $26::text[], $27::bigint[], $28::bigint[], $29::bytea[], $30::text[])
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
    skipped: Mapping[int, int] = MappingProxyType({}),
) -> dict[int, int]:
    """Move checkpoints {partition: (old, new)} and write the rows, outbox rows, timers and rules markers of those that moved.

    `skipped` is the highest position by partition that the caller has skipped: whoever decided an op that is to be skipped moves
    nothing. One transaction. Returns {partition: stored position} of those that did not move, since another host was first.
    Raises GenerationChanged, StoreUnavailable.
    """
    await keep_ahead(database)
    checkpoint_columns = _columns([(each, old, new, skipped.get(each, 0)) for each, (old, new) in moves.items()], 4)
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
    index = op_ranges(row.decisions).decode()
    return (
        row.partition, row.kind, row.id, first.rev, last.rev, last.position, first.now_ms, last.now_ms, index, pack(row.decisions)
    )  # fmt: skip  # one line names the columns in their order


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


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
