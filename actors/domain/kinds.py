"""Which rules govern which kind of actor: the one table through which `decide` reaches them.

All kinds share state, fold, turns and channels; a kind says what persons may ask of it and which messages of others it reads.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from actors.contract.channels import Rights
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry, Op
from actors.contract.subjects import VENDOR, WEDDING
from actors.contract.write_rules import SERVICE_RULES
from actors.domain import correspondence, members, timers, vendors
from actors.domain.authority import RIGHTS_ARE_DATA, SERVICE_ROLE
from actors.domain.correspondence import Readers
from actors.domain.items import Plan, Request
from actors.domain.rules import verb_of
from actors.domain.state import ActorState
from actors.domain.turns import TIMER_CLIENT
from actors.domain.vendor import bookings


class Kind(NamedTuple):
    """One kind of actor; both raise Refused where a rule says no."""

    #: What a principal asks under a version of the rules, with its client and the clock: its rights, and what the op does.
    judge: Callable[[ActorState, Op, str, int, str, int], tuple[Rights, Plan]]
    readers: Readers


KINDS: Final[dict[str, Kind]] = {
    WEDDING: Kind(members.judge, vendors.READERS),
    VENDOR: Kind(bookings.judge, bookings.READERS),
}


def judge(state: ActorState, entry: LogEntry, principal: str, client: str, version: int, now_ms: int) -> tuple[Rights, Plan]:
    """Return the author's rights and what the op does; raises BadOp or Refused."""
    kind = KINDS[state.kind]
    if principal == TIMER_PRINCIPAL:
        return (), _fire(state, entry.op, version, now_ms)
    if entry.source == "actor":
        return (), correspondence.read(kind.readers, state, entry, principal)
    return kind.judge(state, entry.op, principal, version, client, now_ms)


def _fire(state: ActorState, op: Op, version: int, now_ms: int) -> Plan:
    """Return what the firing of an armed timer does; its op is one that a rule made when it armed the timer."""
    if timers.is_missed(state, op, now_ms):
        return Plan(())
    rules = SERVICE_RULES if version >= RIGHTS_ARE_DATA else None
    return verb_of(version, op.target.collection, op.action)(
        Request(state, op, TIMER_PRINCIPAL, SERVICE_ROLE, (), rules, TIMER_CLIENT, now_ms, version)
    )
