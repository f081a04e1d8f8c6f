"""The armed timers in PostgreSQL: written with the changes they come from, sent to TIMERS afterwards (design D6).

The table is its own outbox: a row without `sent_at` is still to be sent, and a cancelled one stays until its schedule is gone.
`store.changes.flush` writes it; the host's timer sender reads it and strikes off. The schedules are in store.timer_stream.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from actors.contract.decisions import CancelTimer, Decision, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL, parse_timer_op_id
from store.postgres import Database

Fate = Literal["armed", "cancelled", "fired"]
PAGE_ROWS = 1000


class TimerRow(NamedTuple):
    """One timer as it shall stand in TIMERS: due at Unix milliseconds, or None when it was cancelled."""

    partition: int
    kind: str
    id: str
    timer: str
    number: int
    due_ms: int | None
    body: bytes


class TimerFate(NamedTuple):
    """What became of one timer at the end of a flush; the columns that the flush writes."""

    partition: int
    kind: str
    id: str
    timer: str
    number: int
    due_ms: int | None
    body: bytes
    fate: Fate


def fates(partition: int, kind: str, identifier: str, decisions: Iterable[Decision]) -> list[TimerFate]:
    """What these decisions of one wedding, in order, make of its timers: one fate each, the last."""
    found: dict[str, TimerFate] = {}
    for decision in decisions:
        if decision.principal == TIMER_PRINCIPAL:
            timer, number = parse_timer_op_id(decision.op)
            found[timer] = TimerFate(partition, kind, identifier, timer, number, None, b"", "fired")
        for effect in decision.effects:
            if isinstance(effect, StartTimer):
                found[effect.id] = TimerFate(
                    partition, kind, identifier, effect.id, effect.number, effect.due_ms, effect.body, "armed"
                )
            elif isinstance(effect, CancelTimer):
                found[effect.id] = TimerFate(partition, kind, identifier, effect.id, 0, None, b"", "cancelled")
    return list(found.values())


# A schedule that was sent is sent again shortly before it is due and, ever more rarely, while it is overdue: whatever was lost on
# the way comes after all, and what was not lost is a repeat that the fold ignores.
_TO_SEND = """
SELECT partition, kind, id, timer, number, due_ms, body FROM (
  SELECT * FROM timers WHERE partition = ANY($1::int[]) AND sent_at IS NULL
  UNION ALL
  SELECT * FROM timers
  WHERE partition = ANY($1::int[]) AND sent_at IS NOT NULL AND due_ms < (extract(epoch FROM now()) + $2) * 1000
    AND extract(epoch FROM now() - sent_at) > greatest($2, (extract(epoch FROM now()) - due_ms / 1000) / 2)
) AS wanted ORDER BY due_ms NULLS FIRST LIMIT $3"""


async def to_send(database: Database, partitions: Sequence[int], ahead_seconds: float) -> list[TimerRow]:
    """Return timers that TIMERS may not have, at most 1,000: cancelled and armed ones, and those due within `ahead_seconds`."""
    async with database.connection() as connection:
        rows = await connection.fetch(_TO_SEND, list(partitions), ahead_seconds, PAGE_ROWS)
    return [TimerRow(*row) for row in rows]


_STRIKE = """
WITH sent AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[]) AS s(kind, id, timer, number, armed)
), marked AS (
  UPDATE timers t SET sent_at = now() FROM sent s
  WHERE t.kind = s.kind AND t.id = s.id AND t.timer = s.timer AND t.number = s.number AND s.armed AND t.due_ms IS NOT NULL
)
DELETE FROM timers t USING sent s
WHERE t.kind = s.kind AND t.id = s.id AND t.timer = s.timer AND NOT s.armed AND t.due_ms IS NULL"""


async def strike(database: Database, rows: Sequence[TimerRow]) -> None:
    """Take note of what TIMERS has acknowledged; a timer that was armed anew meanwhile stays to be sent."""
    columns = list(zip(*((row.kind, row.id, row.timer, row.number, row.due_ms is not None) for row in rows), strict=True))
    async with database.connection() as connection:
        await connection.execute(_STRIKE, *columns)


async def send_all_again(database: Database) -> None:
    """TIMERS was lost: every schedule is to be sent again."""
    async with database.connection() as connection:
        await connection.execute("UPDATE timers SET sent_at = NULL WHERE sent_at IS NOT NULL")
