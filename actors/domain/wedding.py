"""The wedding itself: created once, by its first member or by a service. Called through the table in `rules`.

From version 3 of the rules on the couple chooses how conflicts are decided: `conflictRules`.
"""

import msgspec

from actors.contract.changes import Change
from actors.contract.channels import CORE_ROLES
from actors.contract.conflicts import check_overrides
from actors.contract.ids import RESERVED_IDS, SERVICE_PRINCIPALS
from actors.domain import items
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request


def insert(request: Request) -> Plan:
    """Create the wedding; a person who does so becomes its first member, in the `role` that the op names."""
    role = request.op.data.get("role")
    data = {field: value for field, value in request.op.data.items() if field != "role"}
    plan = items.insert_unasked(request._replace(op=msgspec.structs.replace(request.op, data=data)))
    author = request.principal
    if author in SERVICE_PRINCIPALS:
        return plan
    if author in RESERVED_IDS or role not in CORE_ROLES:
        raise Refused("not_allowed", "A wedding is created by its couple or its planner.", "Name your role: couple or planner.")
    member = Change("people", author, insert={"name": author, "role": role})
    return Plan((*plan.parts, PlannedPart("people.everyone", (member,))))


def insert_with_strategies(request: Request) -> Plan:
    """Create the wedding, with strategies of its own if its couple names some."""
    _require_good_strategies(request, str(request.op.data.get("role", request.role)))
    return insert(request)


def update(request: Request) -> Plan:
    """Change the wedding; how its conflicts are decided is the couple's to say."""
    _require_good_strategies(request, request.role)
    return items.update(request)


def _require_good_strategies(request: Request, role: str) -> None:
    chosen = request.op.data.get("conflictRules")
    if "conflictRules" not in request.op.data:
        return
    if role != "couple" and request.principal not in SERVICE_PRINCIPALS:
        raise Refused("not_allowed", "How conflicts are decided is the couple's to say.", "Ask the couple.")
    expected = None if chosen is None else check_overrides(chosen)
    if expected is not None:
        raise Refused("bad_value", f"wedding.conflictRules must be {expected}.", "Name fields as <collection>.<field>.")
