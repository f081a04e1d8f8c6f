"""Members: a wedding keeps somebody who may manage it. Called through the table in `rules`, from version 2 of the rules on.

Before version 2 the last of couple and planner could leave or step down, and then nobody in the wedding could add a member again.
"""

from actors.contract.channels import CORE_ROLES
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.domain import items
from actors.domain.errors import Refused
from actors.domain.items import Plan, Request


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
