"""The wedding itself: created once, by its first member or by a service. Called through the table in `rules`."""

import msgspec

from actors.contract.changes import Change
from actors.contract.channels import CORE_ROLES
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
