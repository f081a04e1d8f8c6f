"""Members: a wedding keeps somebody who may manage it. Called through the table in `rules`, from version 2 of the rules on.

Before version 2 the last of couple and planner could leave or step down, and then nobody in the wedding could add a member again.
From version 3 on nobody gives a role that may do more than they may themselves, and the couple alone decides who the couple is.
"""

from typing import Final

from actors.contract.channels import CORE_ROLES, Rights
from actors.contract.ids import SERVICE_PRINCIPALS, TIMER_PRINCIPAL
from actors.contract.permissions import ROLE_PREFIX
from actors.contract.write_rules import WriteRules
from actors.domain import items
from actors.domain.authority import rights_for, rules_for
from actors.domain.errors import Refused
from actors.domain.items import Plan, Request
from actors.domain.permissions import require_gift_within_own

_COUPLE: Final = "couple"


def update(request: Request) -> Plan:
    """Change a member; the last of couple and planner takes no other role (rule M1)."""
    plan = items.update(request)
    role = request.op.data.get("role")
    if role is not None and role not in CORE_ROLES:
        _require_another_manager(request)
    return plan


def delete(request: Request) -> Plan:
    """Remove a member; not the last of couple and planner (rule M1)."""
    plan = items.delete(request)
    _require_another_manager(request)
    return plan


def insert_within_rights(request: Request) -> Plan:
    """Add a member (version 3); not under an id that `permissions` needs for a role, nor with more rights than one's own."""
    plan = items.insert(request)
    person, role = request.op.target.id, str(request.op.data["role"])
    if person.startswith(ROLE_PREFIX):
        raise Refused("bad_id", f"{person} would be taken for a role.", "Choose another id for this person.")
    require_gift_within_own(request, role, ((), ()), _may(request, person, role))
    return plan


def update_within_rights(request: Request) -> Plan:
    """Change a member (version 3); a new role gives nothing that its giver does not have (rules M3, M4)."""
    plan = update(request)
    person = request.op.target.id
    old, new = items.writable(request).fields["role"], request.op.data.get("role")
    if new is not None and new != old:
        if _COUPLE in (old, new if person == request.principal else old):
            _require_couple(request)
        require_gift_within_own(request, str(new), _may(request, person, old), _may(request, person, str(new)))
    return plan


def delete_within_rights(request: Request) -> Plan:
    """Remove a member (version 3); one of the couple is removed by the couple alone (rule M4)."""
    plan = delete(request)
    if items.writable(request).fields["role"] == _COUPLE:
        _require_couple(request)
    return plan


def _require_couple(request: Request) -> None:
    """Raise Refused for others than the couple, while there is one; operator and timer may all the same."""
    couple = {person for person, item in request.state.items["people"].items() if item.fields["role"] == _COUPLE}
    if couple and request.principal not in couple | SERVICE_PRINCIPALS | {TIMER_PRINCIPAL}:
        raise Refused("not_allowed", "Who the couple is, the couple alone decides.", "Ask the couple.")


def _may(request: Request, person: str, role: str) -> tuple[Rights, WriteRules]:
    return rights_for(request.state, person, role), rules_for(request.state, person, role)


def _require_another_manager(request: Request) -> None:
    """Raise Refused when the target is the only one left of couple and planner; the operator may do it all the same."""
    if request.principal in SERVICE_PRINCIPALS:
        return
    people = request.state.items["people"]
    managers = {person for person, item in people.items() if item.fields["role"] in CORE_ROLES}
    if managers == {request.op.target.id}:
        raise Refused(
            "not_allowed",
            f"{request.op.target.id} is the last of couple and planner.",
            "Make somebody else couple or planner first.",
        )
