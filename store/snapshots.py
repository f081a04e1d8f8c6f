"""Snapshots: a cache of an actor's state, never beyond the checkpoint; the newest and one per week are kept (design D7).

The host writes them at sleep and every few hundred ops and reads the newest at activation.
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
ON CONFLICT (kind, id, rev) DO NOTHING
RETURNING id"""
_THIN_OUT = """
DELETE FROM snapshots old USING unnest($1::text[], $2::text[]) AS w(kind, id)
WHERE old.kind = w.kind AND old.id = w.id AND EXISTS (
  SELECT FROM snapshots newer WHERE newer.kind = old.kind AND newer.id = old.id AND newer.rev > old.rev
    AND date_trunc('week', newer.taken_at) = date_trunc('week', old.taken_at))"""
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
    """Write those at or below their partition's checkpoint; returns how many were new, silently skipping the others."""
    if not rows:
        return 0
    kinds, ids, *numbers, states = zip(*rows, strict=True)
    compressed = [pack(state) for state in states]
    async with database.transaction() as connection:
        written = await connection.fetch(_WRITE, generation, kinds, ids, *numbers, compressed)
        await connection.execute(_THIN_OUT, kinds, ids)
    return len(written)


async def newest(database: Database, kind: str, identifier: str, at_or_below_rev: int | None = None) -> SnapshotRow | None:
    """The newest snapshot, or the newest at or below a rev."""
    highest = 2**62 if at_or_below_rev is None else at_or_below_rev
    async with database.connection() as connection:
        row = await connection.fetchrow(_NEWEST, kind, identifier, highest)
    if row is None:
        return None
    return SnapshotRow(**{**row, "state": unpack(row["state"])})
