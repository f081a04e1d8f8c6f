"""What a wedding makes of an op that a person or a service asks: who asks, whether it is well formed, and which verb it means.

Called through the table in `kinds`; messages of other actors do not come this way.
"""

from actors.contract import conflicts
from actors.contract.channels import Rights, may_read
from actors.contract.ops import Op, check_op
from actors.domain import disputes
from actors.domain.authority import RIGHTS_ARE_DATA, SERVICE_ROLE, authority_of, role_of
from actors.domain.errors import Refused
from actors.domain.former_values import check_as_before
from actors.domain.items import Plan, Request
from actors.domain.rules import DISPUTES_SINCE, verb_of
from actors.domain.state import ActorState, exists, sequence_of


def judge(state: ActorState, op: Op, principal: str, version: int, client: str, now_ms: int) -> tuple[Rights, Plan]:
    """Return the author's rights and what the op does; raises BadOp or Refused."""
    creates = op.action == "insert" and op.target.collection == "wedding"
    role = role_of(state, principal)
    if not exists(state):
        if not creates:
            raise Refused("wedding_unknown")
        role = SERVICE_ROLE
    if role is None:
        raise Refused("not_allowed", "You are not a member of this wedding.", "Ask the couple or the planner to add you.")
    check_op(op, state.id)
    if version < RIGHTS_ARE_DATA:
        check_as_before(op)
    rights, rules = authority_of(state, principal, role, version)
    _require_honest_base(state, op, rights)
    request = Request(state, op, principal, role, rights, rules, client, now_ms, version)
    if version < DISPUTES_SINCE:
        return rights, _undisputed(request)
    try:
        plan = verb_of(version, op.target.collection, op.action)(request)
    except Refused as refused:
        return rights, disputes.judged_again(request, refused)
    return rights, disputes.judged(request, plan)


def _undisputed(request: Request) -> Plan:
    """Judge as before there were records of conflicts."""
    op = request.op
    if op.target.collection == conflicts.COLLECTION:
        raise Refused("type_mismatch", f"{op.type} does not write the collection {op.target.collection!r}.")
    return verb_of(request.version, op.target.collection, op.action)(request)


def _require_honest_base(state: ActorState, op: Op, rights: Rights) -> None:
    """Raise Refused when the author claims to have seen what has not happened; unreadable channels are passed over in silence."""
    for channel, sequence in op.base.items():
        known = sequence_of(state, channel)
        if sequence > known and may_read(rights, channel):
            raise Refused(
                "bad_frame", f"`base` says {sequence} of {channel}, which is at {known}.", "Resume, then send it again."
            )
