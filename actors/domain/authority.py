"""Who may read and write what in a wedding: the role's rights, what `permissions` adjusts, and the question every verb asks.

From version 3 of the rules on, rights are data of the wedding: `role-<role>` and then the person's own item of `permissions` give
and take (actors.contract.permissions). Versions 1 and 2 knew roles alone. Called by `decide` and the rules of the sections.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

from actors.contract.channels import CORE_ROLES, SERVICE_RIGHTS, Rights, may_read, rights_of
from actors.contract.collections import COLLECTIONS
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.contract.permissions import ROLE_PREFIX, read_adjustments, write_adjustments
from actors.contract.write_rules import NAMED, OWN, SERVICE_RULES, WriteRules, write_right, write_rules_of
from actors.domain.errors import Refused
from actors.domain.state import ActorState, Item, find_item

#: The role under which the service principals act.
SERVICE_ROLE: Final = "planner"
#: From which version of the rules on rights are data of the wedding.
RIGHTS_ARE_DATA: Final = 3

_FORMER_CORE_ONLY: Final = frozenset({"wedding", "people", "permissions", "budget"})
_FORMER_CORE: Final = ("*.everyone", "*.team", "*.family", "*.core", "budget.payer-*")
_FORMER_AUDIENCES: Final[Mapping[str, Rights]] = {
    "couple": _FORMER_CORE,
    "planner": _FORMER_CORE,
    "vendor": ("*.everyone", "*.team"),
    "family": ("*.everyone", "*.family"),
    "friend": ("*.everyone",),
    "guest": ("*.everyone",),
}
_NOTHING: Final[Mapping[str, Item]] = {}
_RELATIONS: Final = {
    (is_own, is_named): frozenset([OWN] * is_own + [NAMED] * is_named) for is_own in (True, False) for is_named in (True, False)
}
_Adjustments = TypeVar("_Adjustments", bound=tuple[str, ...])


class Author(Protocol):
    """Whoever asks, as a Request has it. `rules` is None under the versions of the rules that knew roles alone."""

    @property
    def principal(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def rights(self) -> Rights: ...

    @property
    def rules(self) -> WriteRules | None: ...


def role_of(state: ActorState, principal: str) -> str | None:
    """Return the role of a principal, None for somebody who is not in the wedding."""
    if principal in SERVICE_PRINCIPALS:
        return SERVICE_ROLE
    person = find_item(state, "people", principal)
    return None if person is None else person.fields["role"]


def authority_of(state: ActorState, principal: str, role: str, version: int) -> tuple[Rights, WriteRules | None]:
    """Return what a principal of this role may read and write under a version of the rules."""
    if version < RIGHTS_ARE_DATA:
        return _former_rights(principal, role), None
    return rights_for(state, principal, role), rules_for(state, principal, role)


def rights_for(state: ActorState, principal: str, role: str) -> Rights:
    """Return what a principal of this role may read."""
    if principal in SERVICE_PRINCIPALS:
        return SERVICE_RIGHTS
    return rights_of(role, principal, _adjusted(state, principal, role, read_adjustments))


def rules_for(state: ActorState, principal: str, role: str) -> WriteRules:
    """Return what a principal of this role may write."""
    if principal in SERVICE_PRINCIPALS:
        return SERVICE_RULES
    return write_rules_of(role, _adjusted(state, principal, role, write_adjustments))


def _adjusted(state: ActorState, principal: str, role: str, read: Callable[[Mapping[str, Any]], _Adjustments]) -> tuple[str, ...]:
    """Return what the wedding says of the role and then of the person; nothing is taken from the couple (rule M2)."""
    items = state.items.get("permissions", _NOTHING)
    if not items:
        return ()
    adjustments: tuple[str, ...] = ()
    for identifier in (ROLE_PREFIX + role, principal):
        item = items.get(identifier)
        if item is not None:
            adjustments += read(item.fields)
    return tuple(each for each in adjustments if not each.startswith("-")) if role == "couple" else adjustments


def require_write(
    author: Author, collection: str, channel: str, action: str, fields: Iterable[str] = (), item: Item | None = None,
    identifier: str = "",
) -> None:  # fmt: skip
    """Raise Refused unless the author may do this to an item in this channel.

    `item` is the one that is there, None for one to be inserted; of its relation to the author only what is needed is found out.
    """
    if author.rules is None:
        _require_as_before(author, collection, channel)
        return
    if not may_read(author.rights, channel):
        # Which channel that is may be what the author does not know: where the server works it out, it is not said.
        raise Refused(
            "not_allowed",
            "You do not read where this would stand, so you do not write it there.",
            "Choose an audience that you belong to.",
        )
    require_rule(author, collection, channel, action, fields, item, identifier)


def require_rule(
    author: Author, collection: str, channel: str, action: str, fields: Iterable[str] = (), item: Item | None = None,
    identifier: str = "",
) -> None:  # fmt: skip
    """Raise Refused unless a write rule allows it, whether or not the author reads the channel."""
    rules = author.rules or ()
    of_server = COLLECTIONS[collection].of_server
    written = [field for field in fields if field not in of_server] if of_server else fields
    if write_right(rules, collection, channel, action, _RELATIONS[False, False]).allows(written):
        return
    if item is not None:
        relations = _RELATIONS[
            item.inserted.principal == author.principal, _names(collection, identifier, item, author.principal)
        ]
        if relations and write_right(rules, collection, channel, action, relations).allows(written):
            return
    what = f"{action} {collection} in {channel}"
    raise Refused(
        "not_allowed", f"You ({author.role}) may not {what}, or not with these fields.", "Ask the couple or the planner."
    )


def _names(collection: str, identifier: str, item: Item, person: str) -> bool:
    """Tell whether an item is about this person: the own row of a supplier, a task to do, an item with work for them."""
    if collection == "vendors":
        return identifier == person or item.fields.get("account") == person
    if collection == "tasks":
        return item.fields.get("assignee") == person
    return collection == "timeline" and person in item.fields.get("vendors", ())


@lru_cache(maxsize=65536)
def _former_rights(principal: str, role: str) -> Rights:
    if principal in SERVICE_PRINCIPALS:
        return _FORMER_CORE
    inbox = (f"inbox.{principal}",)
    return _FORMER_AUDIENCES[role] + (inbox if role in CORE_ROLES else (f"budget.payer-{principal}", *inbox))


def _require_as_before(author: Author, collection: str, channel: str) -> None:
    """Versions 1 and 2: others than couple and planner write what they read, except wedding, people, permissions and budget."""
    if author.role not in CORE_ROLES and collection in _FORMER_CORE_ONLY:
        raise Refused("not_allowed", f"Your role ({author.role}) does not write {collection}.")
    if not may_read(author.rights, channel):
        raise Refused(
            "not_allowed", f"You do not read {channel}, so you do not write it.", "Choose an audience that you belong to."
        )
