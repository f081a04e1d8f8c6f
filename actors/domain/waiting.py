"""Ops that wait for the ops they name: taken in their turn, decided when those are, or refused when they do not come in time.

A waiting op has used up its number; later ops of its client are decided without it. The decision that it waited for, and at its
time the timer, lets the op stand in the log once more (effect `Resubmit`), where it is decided like any other. A repeat that its
author sends meanwhile is the same thing: it is decided if nothing is missing, and passed over in silence else. Pure. Called by
`decide`, `turns` and the table in `rules`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from actors.contract.decisions import Effect, Refusal, Resubmit, StartTimer, Waiting, refusal
from actors.contract.errors import BadOp, ContractError
from actors.contract.ids import INTAKE_OP, parse_op_id
from actors.contract.ops import LogEntry, Op, Target, check_op
from actors.domain import timers
from actors.domain.errors import Refused
from actors.domain.items import Plan, Request
from actors.domain.state import ActorState, waiting_key

RESUBMIT: Final = "resubmit"
TIMER: Final = "dependencies"
#: How many ops of one wedding may wait, and how long one does, by the log's clock.
MAX_WAITING: Final = 100
#: How many of them may be one person's, so that nobody takes the room of all.
MAX_OF_ONE: Final = 50
WAITS_MS: Final = 5 * 60 * 1000
#: Only what persons and integrators send waits; timers and other actors name nothing.
_SOURCES: Final = frozenset({"websocket", "http", "nats"})
_encode: Final = msgspec.json.Encoder().encode


def missing_for(state: ActorState, principal: str, names: Iterable[str], but: str = "") -> list[str]:
    """Return those of the named ops that are not decided yet; `but` is taken to be."""
    return [name for name in names if (not but or name != but) and not _is_decided(state, principal, name)]


def begin(state: ActorState, entry: LogEntry, principal: str, now_ms: int) -> Waiting | None:
    """Return how the op waits, None when nothing is missing; raises BadOp or Refused."""
    if entry.source not in _SOURCES or not missing_for(state, principal, entry.op.dependencies):
        return None
    check_op(entry.op, state.id)
    _check_names(entry.op)
    if len(state.waiting) >= MAX_WAITING:
        raise Refused("too_many", f"{MAX_WAITING} ops of this wedding wait for others already.", "Send those first.")
    if sum(each.principal == principal for each in state.waiting.values()) >= MAX_OF_ONE:
        raise Refused("too_many", f"{MAX_OF_ONE} ops of yours wait for others already.", "Send those first.")
    if _closes_a_circle(state, entry.op, principal):
        raise BadOp("bad_value", "`dependencies` go in a circle: one of these ops waits for this one.", "Leave that one out.")
    return Waiting(entry.op.id, principal, tuple(entry.op.dependencies), now_ms + WAITS_MS, _encode(entry))


def _check_names(op: Op) -> None:
    """Refuse at once what could only be refused in the end: a name that no op can have, and an op that waits for itself."""
    for name in op.dependencies:
        if INTAKE_OP.match(name) is None:
            raise BadOp(
                "bad_value", f"{name[:80]!r} in `dependencies` is not an op id.", "Name ops by the ids that they were sent with."
            )
    if op.id in op.dependencies:
        raise BadOp("bad_value", "An op cannot wait for itself.", "Leave its own id out of `dependencies`.")


def _closes_a_circle(state: ActorState, op: Op, principal: str) -> bool:
    """Tell whether an op that waits would wait for itself, over others."""
    by_name: dict[str, list[tuple[str, Waiting]]] = {}
    for key, each in state.waiting.items():
        by_name.setdefault(each.op, []).append((key, each))
    found: set[str] = set()
    names = [(principal, name) for name in op.dependencies if name in by_name]
    while names:
        waiter, name = names.pop()
        for key, each in by_name[name]:
            if key in found or not _is_visible(name, each.principal, waiter):
                continue
            if op.id in each.dependencies and _is_visible(op.id, principal, each.principal):
                return True
            found.add(key)
            names += ((each.principal, further) for further in each.dependencies if further in by_name)
    return False


def timer_for(state: ActorState, until_ms: int) -> tuple[StartTimer, ...]:
    """Return the effect that ends the wait, unless the timer fires before."""
    known = state.timers.armed.get(TIMER)
    if known is not None and known.due_ms <= until_ms:
        return ()
    return (timers.start(state, TIMER, until_ms, Op("message_sent", RESUBMIT, Target("conflicts", "waiting"))),)


def refused(missing: Iterable[str]) -> Refusal:
    """Return the refusal of an op whose time is over; it names what its author named and nothing else."""
    return refusal("dependencies_missing", f"These ops have not come in time: {', '.join(missing)}.")


def released_by(state: ActorState, op: str, principal: str) -> tuple[Effect, ...]:
    """Return the effects that let those ops stand in the log again that waited for this one last."""
    return tuple(
        Resubmit(each.op, each.principal, each.body)
        for each in state.waiting.values()
        if op in each.dependencies
        and _is_visible(op, principal, each.principal)
        and not missing_for(state, each.principal, each.dependencies, op)
    )


def resubmit(request: Request) -> Plan:
    """The time of some is over: let them stand in the log again, and the timer fire for the next."""
    state = request.state
    everybody, now_ms = state.waiting.values(), request.now_ms
    due = tuple(Resubmit(each.op, each.principal, each.body) for each in everybody if each.until_ms <= now_ms)
    later = [each.until_ms for each in everybody if each.until_ms > now_ms]
    again = Op("message_sent", RESUBMIT, Target("conflicts", "waiting"))
    return Plan((), due + ((timers.start(state, TIMER, min(later), again),) if later else ()))


def _is_decided(state: ActorState, principal: str, name: str) -> bool:
    """Tell whether an op is decided; those over NATS go by names that their author alone can use."""
    try:
        client, number = parse_op_id(name)
    except ContractError:
        intake = state.intake.get(principal)
        return intake is not None and name in intake.outcomes and waiting_key(principal, name) not in state.waiting
    known = state.clients.get(client)
    return known is not None and number <= known.last and waiting_key(known.principal, name) not in state.waiting


def _is_visible(op: str, author: str, waiter: str) -> bool:
    try:
        parse_op_id(op)
    except ContractError:
        return author == waiter
    return True
