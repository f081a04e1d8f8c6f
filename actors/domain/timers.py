"""Timers of a wedding, as the fold sees them: armed and cancelled by effects, fired by an op of `_timer` (design D6).

The state holds what is armed, and only the firing of the last arming of a timer is taken (see turns). All others are ignored,
which is cancel and dedupe at once. What a firing does stands in the table in `rules`. Called by sections and `kinds`.
"""

from typing import Final

import msgspec

from actors.contract.decisions import CancelTimer, IfMissed, StartTimer
from actors.contract.ids import parse_timer_op_id, timer_op_id
from actors.contract.ops import LogEntry, Op
from actors.domain.errors import Refused
from actors.domain.state import ActorState, Timers

#: How many timers one wedding may have armed.
MAX_ARMED: Final = 1000
#: How many of them may be one person's who is neither couple nor planner, so that nobody takes the room of all.
MAX_OF_ONE: Final = 200
#: A firing that comes later than this has missed its time.
MISSED_AFTER_MS: Final = 5 * 60 * 1000
_encode: Final = msgspec.json.Encoder().encode


def start(
    state: ActorState,
    timer: str,
    due_ms: int,
    op: Op,
    if_missed: IfMissed = "fire_once_late",
    *,
    beside: int = 0,
    guest: str = "",
) -> StartTimer:
    """Return the effect that arms a timer, or arms it anew: at `due_ms` the log gets `op`, whose id is set here.

    `beside` counts the timers that the same op of the log starts already, `guest` is who arms it with no more than a share of
    them. Raises Refused when the wedding or the guest has too many; the few of the wedding's own, whose ids have no dot, always
    find a place.
    """
    timers = state.timers
    if "." in timer and timer not in timers.armed:
        _require_room(timers, guest)
    number = timers.armings + 1 + beside
    body = _encode(LogEntry(msgspec.structs.replace(op, id=timer_op_id(timer, number)), "timer"))
    return StartTimer(timer, due_ms, body, number, if_missed)


def _require_room(timers: Timers, guest: str) -> None:
    remedy = "Leave the time out, or finish or delete what has one."
    if len(timers.armed) >= MAX_ARMED:
        raise Refused("too_many", f"This wedding has {MAX_ARMED} timers waiting.", remedy)
    if guest and sum(each.principal == guest for each in timers.armed.values()) >= MAX_OF_ONE:
        raise Refused("too_many", f"{MAX_OF_ONE} timers of yours are waiting in this wedding.", remedy)


def cancel(state: ActorState, timer: str) -> tuple[CancelTimer, ...]:
    """Return the effect that cancels a timer, if it is armed."""
    return (CancelTimer(timer),) if timer in state.timers.armed else ()


def is_missed(state: ActorState, op: Op, now_ms: int) -> bool:
    """Tell whether a firing in its turn comes so late that its timer wants nothing done."""
    timer, _ = parse_timer_op_id(op.id)
    armed = state.timers.armed[timer]
    return armed.if_missed == "skip_missed" and now_ms - armed.due_ms > MISSED_AFTER_MS
