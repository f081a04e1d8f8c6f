"""What a wedding gives and takes beyond the roles: items of `permissions`, from version 3 of the rules on (rules M2, M3).

An item is about a role (`role-<role>`) or about one person, which is heard last. Couple and planner write them, and nobody gives
what they do not have. Called through the table in `rules`, by verbs of `people` too: a role is a gift like any other.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from actors.contract.changes import merge_fields
from actors.contract.channels import CORE_ROLES, SECTIONS, Rights, may_read, section_of
from actors.contract.collections import COLLECTIONS
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.contract.ops import ACTIONS
from actors.contract.permissions import ROLE_PREFIX, check_permissions, patterns_of, role_of_id
from actors.contract.write_rules import EVERY_RELATION, NO_RELATION, WriteRules, parse_rule, write_right
from actors.domain import items
from actors.domain.errors import Refused
from actors.domain.items import Plan, Request
from actors.domain.state import find_item

#: In an order, since the first offence found is the one that is told.
_ACTIONS: Final = tuple(sorted(ACTIONS))
_KEPT_BY_CORE: Final = frozenset({"wedding", "people", "permissions"})


def insert(request: Request) -> Plan:
    """Say something about a role or a person."""
    plan = items.insert(request)
    _judge(request, {}, request.op.data)
    return plan


def update(request: Request) -> Plan:
    """Say something else."""
    plan = items.update(request)
    before = items.writable(request).fields
    after = dict(before)
    merge_fields(after, request.op.data)
    _judge(request, before, after)
    return plan


def delete(request: Request) -> Plan:
    """Go back to what the role alone says; what was hidden comes back with that, so it takes the right to give it."""
    before = items.writable(request).fields
    plan = items.delete(request)
    _require_within_own(request, before, {})
    return plan


def _judge(request: Request, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise BadOp or Refused for an item that may not say what it says after the op."""
    identifier = request.op.target.id
    check_permissions(after)
    role = role_of_id(identifier)
    if identifier.startswith(ROLE_PREFIX):
        if role is None:
            raise Refused("bad_value", f"{identifier} is no role.", "Use role-couple, role-planner, role-vendor and so on.")
        if "integrator" in after:
            raise Refused("bad_value", "A role is no integrator.", "Mark the person.")
    else:
        person = find_item(request.state, "people", identifier)
        role = None if person is None else person.fields["role"]
    taken = [*after.get("hidden", ()), *after.get("locked", ())]
    if role == "couple" and taken:
        raise Refused("not_allowed", "Nothing is hidden from the couple or locked to it.", "Use the audience surprise-<person>.")
    if role in CORE_ROLES and not _KEPT_BY_CORE.isdisjoint(_place_of(each) for each in taken):
        raise Refused("bad_value", "Couple and planner keep wedding, people and permissions.", "Name the other collections.")
    _require_within_own(request, before, after)


def _place_of(entry: str) -> str:
    return entry.partition("@")[0].partition(":")[0].partition(".")[0]


def _require_within_own(request: Request, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise Refused where an item gives, or no longer takes, what its author does not have."""
    if request.principal in SERVICE_PRINCIPALS:
        return
    for place in (*_more(after, before, "read"), *_more(before, after, "hidden")):
        for pattern in patterns_of(place):
            if not may_read(request.rights, pattern):  # a pattern stands for the channels that it matches
                raise Refused("not_allowed", f"You do not read {pattern} yourself.", "Ask the couple.")
    for rule in (*_more(after, before, "write"), *_more(before, after, "locked")):
        if not _writes_all(request.rules or (), rule):
            raise Refused("not_allowed", f"You may not do {rule} yourself.", "Ask the couple.")


def _more(one: Mapping[str, Any], other: Mapping[str, Any], field: str) -> Iterable[str]:
    return [entry for entry in one.get(field, ()) if entry not in other.get(field, ())]


def _writes_all(rules: WriteRules, text: str) -> bool:
    """Tell whether these rules allow all that a rule allows, of any item."""
    wanted = parse_rule(text)
    for collection in [wanted.collection] if wanted.collection else COLLECTIONS:
        for action in [wanted.action] if wanted.action else _ACTIONS:
            for channel in _channels(collection):
                right = write_right(rules, collection, channel, action, NO_RELATION)
                if not (right.allows([wanted.field]) if wanted.field else right.others and all(right.named.values())):
                    return False
    return True


def _channels(collection: str) -> list[str]:
    """Return the channels that items of a collection share; personal ones are stood for by their patterns."""
    section = section_of(collection)
    return [f"{section}.{audience}" for audience in SECTIONS[section]]


def require_gift_within_own(request: Request, role: str, old: tuple[Rights, WriteRules], new: tuple[Rights, WriteRules]) -> None:
    """Raise Refused where a role would give somebody what the author of the op does not have (rule M3).

    What a role reads counts always; what it writes counts for oneself and for couple and planner, who give rights themselves: who
    may write nothing else still lets guests in.
    """
    if request.principal in SERVICE_PRINCIPALS:
        return
    judges_writing = role in CORE_ROLES or request.op.target.id == request.principal
    for collection in COLLECTIONS:
        for channel in _channels(collection):
            if may_read(new[0], channel) and not may_read(old[0], channel) and not may_read(request.rights, channel):
                raise Refused("not_allowed", f"The role would show {channel}, which you do not read.", "Ask the couple.")
            for action in _ACTIONS if judges_writing else ():
                then, now, own = (
                    write_right(rules, collection, channel, action, EVERY_RELATION)
                    for rules in (new[1], old[1], request.rules or ())
                )
                if then.others and not now.others and not (own.others and all(own.named.values())):
                    what = f"{action} in {channel}"
                    raise Refused("not_allowed", f"The role would give {what}, which you may not do.", "Ask the couple.")
