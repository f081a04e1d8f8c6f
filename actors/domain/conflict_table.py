"""The one table that says how a conflict over a field is decided, how urgent it is, and whose matter it is (docs/conflicts.md).

A field that is not named here is decided by the last writer and touches little. The couple may choose other strategies for its
wedding: the wedding's field `conflictRules`. Called by `disputes` and its neighbours; what is edited by a transform of its
own never gets here.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from actors.contract.channels import CORE_ROLES
from actors.contract.conflicts import HIERARCHY, LAST_WRITER, MANUAL, MERGE, PRIORITY, WHOLE_ITEM
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.domain.state import ActorState, find_item

#: What a field touches: 0 words, 1 people and money, 2 time and place.
WORDS, PEOPLE_AND_MONEY, TIME_AND_PLACE = 0, 1, 2


class Rule(NamedTuple):
    """How a field's conflicts are decided, and what it touches."""

    strategy: str
    touches: int = WORDS


_OTHERWISE: Final = Rule(LAST_WRITER)
_TIME, _MONEY, _PEOPLE = Rule(HIERARCHY, TIME_AND_PLACE), Rule(HIERARCHY, PEOPLE_AND_MONEY), Rule(HIERARCHY, PEOPLE_AND_MONEY)
_CONTRACT: Final = Rule(MANUAL, PEOPLE_AND_MONEY)
_SET: Final = Rule(MERGE, PEOPLE_AND_MONEY)
_ANSWER: Final = Rule(LAST_WRITER, PEOPLE_AND_MONEY)
_URGENT: Final = Rule(PRIORITY, PEOPLE_AND_MONEY)

TABLE: Final[Mapping[str, Mapping[str, Rule]]] = {
    "wedding": {
        "date": Rule(MANUAL, TIME_AND_PLACE),
        "venue": _TIME,
        "timeZone": _TIME,
        "homeCurrency": _CONTRACT,
        "rates": Rule(MERGE, PEOPLE_AND_MONEY),
        "conflictRules": Rule(MERGE),
    },
    "timeline": {
        "start": _TIME,
        "durationMin": _TIME,
        "minDurationMin": _TIME,
        "bufferAfterMin": _TIME,
        "anchored": _TIME,
        "mayStartEarly": _TIME,
        "visibility": _PEOPLE,
        "dependsOn": _SET,
        "vendors": _SET,
        "resource": Rule(PRIORITY, TIME_AND_PLACE),
    },
    "budget": {
        "estimate": _MONEY,
        "actual": _MONEY,
        "deposit": _CONTRACT,
        "currency": _CONTRACT,
        "approvalNeededAbove": _CONTRACT,
        "payer": _CONTRACT,
        "depositDueDaysBefore": _MONEY,
        "balanceDueDaysBefore": _MONEY,
    },
    "vendors": {
        "contractStart": _TIME,
        "contractEnd": _TIME,
        "overtimePerHour": _CONTRACT,
        "currency": _CONTRACT,
        "account": _CONTRACT,
    },
    "guests": {
        "rsvp": _ANSWER,
        "meal": _ANSWER,
        "diet": _SET,
        "needs": _SET,
        "sitWith": _SET,
        "keepApart": _SET,
        "table": _PEOPLE,
    },
    "tables": {"capacity": _PEOPLE, "wheelchairAccess": _PEOPLE},
    "documents": {"audience": _PEOPLE},
    "photos": {"audience": _PEOPLE},
    "tasks": {"done": _ANSWER, "due": _URGENT, "remindAt": _URGENT, "assignee": _URGENT},
    "messages": {"audience": _PEOPLE},
    "people": {"role": _PEOPLE},
    "permissions": {"integrator": _PEOPLE},
}
#: Fields that mean something only together: hours have two ends, and an amount is one in its currency. Two amounts do not.
TOGETHER: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "budget": tuple(frozenset({"currency", amount}) for amount in ("estimate", "actual", "deposit", "approvalNeededAbove")),
    "vendors": (frozenset({"contractStart", "contractEnd"}), frozenset({"currency", "overtimePerHour"})),
}
#: One deleted the item, another edited it.
_WHOLE: Final = Rule(HIERARCHY, PEOPLE_AND_MONEY)

#: Couple before planner before vendor and family before friend before guest; an owner before all of them.
RANKS: Final[Mapping[str, int]] = {"couple": 1, "planner": 2, "vendor": 3, "family": 3, "friend": 4, "guest": 5}
OWNER: Final = 0
_NOBODY: Final = 9
#: The fields in which a matter is its owner's: a vendor's own hours, on its row and where it alone is at work, and a
#: contributor's own money.
_OWN_HOURS: Final = frozenset({"contractStart", "contractEnd"})
_OWN_WORK: Final = frozenset({"start", "durationMin", "minDurationMin", "bufferAfterMin", "mayStartEarly"})
_OWN_MONEY: Final = frozenset({"estimate", "actual", "deposit"})


def rule_for(state: ActorState, collection: str, field: str) -> Rule:
    """Return how conflicts over a field are decided in this wedding."""
    rule = _WHOLE if field == WHOLE_ITEM else TABLE.get(collection, {}).get(field, _OTHERWISE)
    own = find_item(state, "wedding", state.id)
    chosen = own.fields.get("conflictRules", {}).get(f"{collection}.{field}") if own is not None else None
    return rule if chosen is None else rule._replace(strategy=chosen)


def company_of(collection: str, field: str) -> set[str]:
    """Return the fields without which this one means nothing, itself aside."""
    return {other for group in TOGETHER.get(collection, ()) if field in group for other in group} - {field}


def role_of(state: ActorState, principal: str) -> str:
    """Return the role under which somebody counts in a conflict; empty for who is not in the wedding any more."""
    if principal in SERVICE_PRINCIPALS or principal.startswith("_"):
        return "planner"
    person = find_item(state, "people", principal)
    return "" if person is None else str(person.fields["role"])


def rank_of(state: ActorState, principal: str, collection: str, identifier: str, field: str) -> int:
    """Return how much somebody counts over a field: the lower, the more."""
    if _owns(state, principal, collection, identifier, field):
        return OWNER
    return RANKS.get(role_of(state, principal), _NOBODY)


def is_core(state: ActorState, principal: str) -> bool:
    return role_of(state, principal) in CORE_ROLES


def _owns(state: ActorState, principal: str, collection: str, identifier: str, field: str) -> bool:
    item = find_item(state, collection, identifier)
    fields: Mapping[str, Any] = {} if item is None else item.fields
    if collection == "vendors" and field in _OWN_HOURS:
        return principal in (identifier, fields.get("account"))
    if collection == "timeline" and field in _OWN_WORK:
        return fields.get("vendors") == [principal]
    return collection == "budget" and field in _OWN_MONEY and principal == fields.get("payer")
