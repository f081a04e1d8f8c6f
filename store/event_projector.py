"""The tables collaboration_events and conflicts, filled from the stored blocks behind a position of its own (design D7).

Each host projects the partitions it owns; while another host does the same work, a step passes over those partitions.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
import structlog

from actors.contract.decisions import Decision
from actors.contract.events import EventData
from actors.contract.subjects import WEDDING
from store.blocks import unpack
from store.conflict_rows import conflict_rows, write_conflicts
from store.errors import BlockUnreadable
from store.postgres import Database

#: Small, because a step holds the host's loop while it unpacks.
_STEP_BLOCKS: Final = 50

_BEGIN = """
INSERT INTO projection_positions (partition, position, day) SELECT p, 0, 'epoch' FROM unnest($1::int[]) AS p
ON CONFLICT DO NOTHING"""
_LOCK = """
SELECT p.partition, p.position, p.day, c.position AS checkpoint FROM projection_positions p JOIN checkpoints c USING (partition)
WHERE partition = ANY($1::int[]) FOR UPDATE OF p SKIP LOCKED"""
# A flush that began before midnight may end after it, hence the day before.
_BLOCKS = """
SELECT c.partition, c.last_position, c.day, c.kind, c.id, c.block
FROM unnest($1::int[], $2::bigint[]) AS p(partition, position)
JOIN changes c ON c.partition = p.partition AND c.last_position > p.position
WHERE c.day >= $3::date - 1
ORDER BY c.partition, c.last_position LIMIT $4"""
_MOVE = """
UPDATE projection_positions p SET position = m.position, day = m.day
FROM unnest($1::int[], $2::bigint[], $3::date[]) AS m(partition, position, day)
WHERE p.partition = m.partition AND (p.position < m.position OR p.day < m.day)"""

_COLUMNS: Final = ("wedding_id", "channel", "sequence", "op_id", "type", "user_id", "occurred_at", "data")
_encode = msgspec.json.Encoder().encode
log = structlog.get_logger()


class EventProjector:
    """Fills collaboration_events; the position moves in the same transaction, so each event is written once."""

    async def step(self, database: Database, partitions: Sequence[int]) -> int:
        """Project some blocks and return how many; 0 when nothing is left. Raises StoreError."""
        async with database.transaction() as connection:
            await connection.execute(_BEGIN, list(partitions))
            positions = await connection.fetch(_LOCK, list(partitions))
            if not positions:
                return 0
            names, numbers, days, _ = zip(*positions, strict=True)
            blocks = await connection.fetch(_BLOCKS, names, numbers, min(days), _STEP_BLOCKS)
            decided = [each for block in blocks for each in _decisions(block)]
            events = [event for wedding, decision in decided for event in _events(wedding, decision)]
            await connection.copy_records_to_table("collaboration_events", records=events, columns=_COLUMNS)
            await write_conflicts(connection, conflict_rows(decided))
            await connection.execute(_MOVE, *zip(*_reached(positions, blocks), strict=True))
        return len(blocks)


def _reached(positions: Sequence[Any], blocks: Sequence[Any]) -> list[tuple[int, int, date]]:
    """How far each partition is projected: to its last block, or to the checkpoint read before when no block is left."""
    last = {block["partition"]: (block["partition"], block["last_position"], block["day"]) for block in blocks}
    if len(blocks) == _STEP_BLOCKS:
        return list(last.values())
    today = datetime.now(UTC).date()
    return [last.get(each["partition"], (each["partition"], each["checkpoint"], today)) for each in positions]


def _decisions(block: Any) -> Iterator[tuple[str, Decision]]:
    """The decisions of a wedding's block with its id; suppliers have no tables to query, nor has what cannot be read."""
    if block["kind"] != WEDDING:
        return
    try:
        decisions = unpack(block["block"])
    except BlockUnreadable as error:
        where = {"partition": block["partition"], "id": block["id"], "last_position": block["last_position"]}
        log.error("block_not_projected", **where, error=error.message)  # noqa: TRY400  # the message says all
        return
    yield from ((block["id"], decision) for decision in decisions)


def _events(wedding: str, decision: Decision) -> Iterator[tuple[Any, ...]]:
    occurred_at = datetime.fromtimestamp(decision.now_ms / 1000, UTC)
    for part in decision.parts:
        data = _encode(EventData(part.changes)).decode()
        yield (wedding, part.channel, part.sequence, decision.op, decision.type, decision.principal, occurred_at, data)
