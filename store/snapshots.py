"""Snapshots: a cache of an actor's state, never beyond the checkpoint; the newest and one per week are kept (design D7)."""

from collections.abc import Sequence
from typing import NamedTuple

from store.postgres import Database


class SnapshotRow(NamedTuple):
    """One state as bytes of `format` (actors.domain.snapshot_form); compressed here."""

    kind: str
    id: str
    partition: int
    rev: int
    position: int
    format: int
    state: bytes


async def write(database: Database, generation: int, rows: Sequence[SnapshotRow]) -> int:
    """Write those at or below their partition's checkpoint; returns how many, silently skipping the others."""
    raise NotImplementedError


async def newest(database: Database, kind: str, identifier: str, at_or_below_rev: int | None = None) -> SnapshotRow | None:
    """The newest snapshot, or the newest at or below a rev."""
    raise NotImplementedError
