"""The table conflicts: every record there ever was, as it stands now, made from the changes that wrote it (docs/conflicts.md).

Filled by the event projector in its transaction, from decisions in their order, so each change is followed once. A record
that the wedding has let go stays here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from actors.contract.conflicts import COLLECTION
from actors.contract.decisions import Decision

_WRITE: Final = """
INSERT INTO conflicts AS known (wedding_id, conflict_id, channel, record, recorded_at, changed_at)
SELECT wedding_id, conflict_id, channel, record::jsonb, at, at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
  AS row(wedding_id, conflict_id, channel, record, at)
ON CONFLICT (wedding_id, conflict_id) DO UPDATE SET
  channel = excluded.channel, record = known.record || excluded.record, changed_at = excluded.changed_at"""
_encode: Final = msgspec.json.Encoder().encode


class ConflictRow(NamedTuple):
    """What one step of the projector writes of a conflict: the members that were set, the latest of each."""

    wedding: str
    conflict: str
    channel: str
    members: dict[str, Any]
    at: datetime


def conflict_rows(decisions: Iterable[tuple[str, Decision]]) -> list[ConflictRow]:
    """Return one row for each conflict that these decisions of weddings wrote."""
    rows: dict[tuple[str, str], ConflictRow] = {}
    for wedding, decision in decisions:
        for part in decision.parts:
            for change in part.changes:
                members = change.insert if change.insert is not UNSET else change.set
                if change.collection != COLLECTION or members is UNSET:
                    continue
                before = rows.get((wedding, change.id))
                known = {} if before is None else before.members
                at = datetime.fromtimestamp(decision.now_ms / 1000, UTC)
                rows[wedding, change.id] = ConflictRow(wedding, change.id, part.channel, known | members, at)
    return list(rows.values())


async def write_conflicts(connection: Any, rows: Iterable[ConflictRow]) -> None:
    """Insert them, or lay what was set over what is there; within the caller's transaction."""
    columns = [(*row[:3], _encode(row.members).decode(), row.at) for row in rows]
    if columns:
        await connection.execute(_WRITE, *zip(*columns, strict=True))
