"""Snapshots: a cache of an actor's state, never beyond the checkpoint (design D7).

Kept are the two newest, so that one which cannot be read has another close behind it, and one per week and format. The host
writes them as actors.runtime.snapshot_policy says and reads them at activation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import zstandard

from store.postgres import Database

_compressor = zstandard.ZstdCompressor(level=3)
_decompressor = zstandard.ZstdDecompressor()


class SnapshotRow(NamedTuple):
    """One state as bytes of `format` (actors.domain.snapshot_form); compressed and decompressed here."""

    kind: str
    id: str
    partition: int
    rev: int
    position: int
    format: int
    state: bytes


_WRITE = """
INSERT INTO snapshots (kind, id, partition, rev, position, format, state)
SELECT s.kind, s.id, s.partition, s.rev, s.position, s.format, s.state
FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::int[], $8::bytea[])
  AS s(kind, id, partition, rev, position, format, state)
JOIN checkpoints c ON c.partition = s.partition AND c.generation = $1 AND c.position >= s.position
ON CONFLICT (kind, id, rev) DO UPDATE SET position = excluded.position, format = excluded.format, state = excluded.state
  WHERE snapshots.format <= excluded.format
RETURNING id"""
# Each write adds one per wedding, so a bound above 1 catches up with whatever was left.
_THIN_OUT = """
DELETE FROM snapshots s USING (
  SELECT old.kind, old.id, old.rev FROM unnest($1::text[], $2::text[]) AS w(kind, id) JOIN snapshots old USING (kind, id)
  WHERE EXISTS (
      SELECT FROM snapshots newer WHERE newer.kind = old.kind AND newer.id = old.id AND newer.rev > old.rev
        AND newer.format = old.format AND date_trunc('week', newer.taken_at) = date_trunc('week', old.taken_at))
    AND (SELECT count(*) FROM snapshots newer WHERE newer.kind = old.kind AND newer.id = old.id AND newer.rev > old.rev) >= 2
  LIMIT 500
) AS extra WHERE s.kind = extra.kind AND s.id = extra.id AND s.rev = extra.rev"""
_NEWEST = """
SELECT kind, id, partition, rev, position, format, state FROM snapshots
WHERE kind = $1 AND id = $2 AND rev <= $3 ORDER BY rev DESC LIMIT 1"""


def pack(state: bytes) -> bytes:
    """Compress a state, as the column `state` holds it."""
    return _compressor.compress(state)


def unpack(packed: bytes) -> bytes:
    """Undo `pack`; raises zstandard.ZstdError."""
    return _decompressor.decompress(packed)


async def write(database: Database, generation: int, rows: Sequence[SnapshotRow]) -> int:
    """Write those at or below their partition's checkpoint; returns how many were written, silently skipping the others.

    One of the same rev is written again, since it may be damaged, unless it is of a newer format.
    """
    if not rows:
        return 0
    kinds, ids, *numbers, states = zip(*rows, strict=True)
    compressed = [pack(state) for state in states]
    async with database.transaction() as connection:
        written = await connection.fetch(_WRITE, generation, kinds, ids, *numbers, compressed)
        await connection.execute(_THIN_OUT, kinds, ids)
    return len(written)


async def newest(database: Database, kind: str, identifier: str, at_or_below_rev: int | None = None) -> SnapshotRow | None:
    """The newest snapshot, or the newest at or below a rev; one that is damaged comes with an empty state."""
    highest = 2**62 if at_or_below_rev is None else at_or_below_rev
    async with database.connection() as connection:
        row = await connection.fetchrow(_NEWEST, kind, identifier, highest)
    if row is None:
        return None
    try:
        state = unpack(row["state"])
    except zstandard.ZstdError:
        state = b""
    return SnapshotRow(**{**row, "state": state})
