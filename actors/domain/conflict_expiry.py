"""When nobody answers: an open conflict ends at its time with its default (design D6).

One timer for all open records of a wedding, armed for the first that ends; each firing closes one record and arms the next, so
that an op of the log never does the work of many. Called by `disputes`, `resolutions` and the table in `rules`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from actors.contract.conflicts import COLLECTION
from actors.contract.decisions import StartTimer
from actors.contract.ops import Op, Target
from actors.domain import timers
from actors.domain.items import PlannedEffect
from actors.domain.state import ActorState, Item

EXPIRE: Final = "expire"
TIMER: Final = "conflicts"
#: The firing is an op about no record in particular.
_ALL: Final = "open"


def armed(
    state: ActorState, waits: Iterable[int], beside: Iterable[PlannedEffect], *, fired: bool = False
) -> tuple[PlannedEffect, ...]:
    """Return the effect that lets the timer fire at the first of these times, unless it fires before.

    `beside` are the other effects of the op, which may be the firing of this timer (`fired`).
    """
    first = min(waits, default=None)
    known = None if fired else state.timers.armed.get(TIMER)
    if first is None or (known is not None and known.due_ms <= first):
        return ()
    others = sum(isinstance(effect, StartTimer) for effect in beside)
    return (timers.start(state, TIMER, first, Op("message_sent", EXPIRE, Target(COLLECTION, _ALL)), beside=others),)


def open_records(state: ActorState) -> dict[str, Item]:
    """Return the records that wait for somebody, the oldest first."""
    records = state.items.get(COLLECTION, {})
    return {name: record for name, record in records.items() if record.fields["status"] == "open"}


def ends_ms(record: dict[str, Any]) -> int:
    """Return when the time of a record is over, in Unix milliseconds."""
    return round(datetime.fromisoformat(record["until"]).timestamp() * 1000)
