"""Who may write what: rules per collection, audience, action and field, of which the last that matches decides.

A rule is text, `[-]collection[.audience][:action[:field]][@own|@named]`: `guests:update:rsvp` gives a field, `-timeline` takes a
collection, `photos.everyone@own` holds for items that the person put there, `tasks@named` for those that name the person. `*`
stands for every collection or action. Decided in the fold; gateways and user interfaces use the same function for hints.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from actors.contract.channels import CORE_ROLES, SURPRISE, audience_matches

WriteRules = tuple[str, ...]

OWN: Final = "own"
NAMED: Final = "named"
#: What nobody but couple and planner ever writes.
CORE_COLLECTIONS: Final = ("people", "permissions")
#: What couple and planner keep whatever their wedding's permissions say: the means to put them right (rule M1).
_KEPT_BY_CORE: Final = ("wedding", *CORE_COLLECTIONS)


class WriteRule(NamedTuple):
    """One rule, taken apart; an empty part stands for every value."""

    gives: bool
    collection: str
    audience: str
    action: str
    field: str
    relation: str


class WriteRight(NamedTuple):
    """Which fields may be written: those of `named` as it says, all others as `others` says."""

    others: bool
    named: Mapping[str, bool]

    def allows(self, fields: Iterable[str]) -> bool:
        """Tell whether all of these fields may be written; without any, whether the action as such is allowed."""
        named = self.named
        if not named:
            return self.others
        told = [named.get(field, self.others) for field in fields]
        return all(told) if told else self.others


def _together(audience: str, *collections: str) -> tuple[str, ...]:
    """Put things in, change what anybody put there, take away one's own: for those who work on the same lists."""
    return tuple(f"{name}.{audience}{rule}" for name in collections for rule in (":insert", ":update", ":move", f"@{OWN}"))


def _each_the_own(audience: str, *collections: str) -> tuple[str, ...]:
    """Put things in, change and take away one's own."""
    return tuple(f"{name}.{audience}{rule}" for name in collections for rule in (":insert", f"@{OWN}"))


def _fields(where: str, relation: str, *fields: str) -> tuple[str, ...]:
    return tuple(f"{where}:update:{field}@{relation}" for field in fields)


_MEMBER: Final = ("inbox", "*.private-*", *_each_the_own("everyone", "photos", "messages"))
_FRIEND: Final = (*_MEMBER, *_each_the_own("everyone", "documents"), f"versions@{OWN}", *_fields("tasks", NAMED, "done"))
_FAMILY: Final = (
    *_FRIEND,
    "guests",
    "tables",
    *_each_the_own("family", "photos", "messages"),
    *_together("family", "documents", "tasks"),
)
_VENDOR: Final = (
    *_FRIEND,
    *(
        rule
        for audience in ("team", f"{SURPRISE}*")
        for rule in (*_together(audience, "timeline", "tasks", "documents"), *_each_the_own(audience, "photos", "messages"))
    ),
    *_fields("timeline.everyone", NAMED, "start", "durationMin", "minDurationMin", "bufferAfterMin", "mayStartEarly", "notes"),
    *_fields("vendors", NAMED, "name", "email", "phone", "backupContact", "notes"),
)
_CORE: Final = ("*",)
_ROLE_RULES: Final[Mapping[str, WriteRules]] = {
    "couple": _CORE,
    "planner": _CORE,
    "vendor": _VENDOR,
    "family": _FAMILY,
    "friend": _FRIEND,
    "guest": _MEMBER,
}
#: Notes of one's own stay one's own, whatever is locked.
_KEPT_BY_ALL: Final = ("*.private-*",)
#: The services write whatever they may read.
SERVICE_RULES: Final[WriteRules] = _CORE


@lru_cache(maxsize=65536)
def write_rules_of(role: str, adjustments: WriteRules = ()) -> WriteRules:
    """Return what somebody of this role may write: the role's rules, what the wedding adjusts, and what nothing changes."""
    kept = _KEPT_BY_ALL if adjustments else ()
    if role in CORE_ROLES:
        return _ROLE_RULES[role] + adjustments + kept + (_KEPT_BY_CORE if adjustments else ())
    return _ROLE_RULES[role] + adjustments + kept + tuple(f"-{collection}" for collection in CORE_COLLECTIONS)


@lru_cache(maxsize=65536)
def parse_rule(text: str) -> WriteRule:
    """Take a rule apart; whether its words mean anything is asked elsewhere."""
    gives = not text.startswith("-")
    place, _, relation = text.removeprefix("-").partition("@")
    where, _, what = place.partition(":")
    collection, _, audience = where.partition(".")
    action, _, field = what.partition(":")
    return WriteRule(gives, collection.replace("*", ""), audience, action.replace("*", ""), field, relation)


@lru_cache(maxsize=65536)
def write_right(rules: WriteRules, collection: str, channel: str, action: str, relations: frozenset[str]) -> WriteRight:
    """Return which fields somebody may write with this action in this channel; `relations` to the item are `own`, `named`."""
    audience = channel.partition(".")[2]
    others, named = False, dict[str, bool]()
    for rule in map(parse_rule, rules):
        if (
            rule.collection not in ("", collection)
            or (rule.audience and not audience_matches(rule.audience, audience))
            or rule.action not in ("", action)
            or (rule.relation and rule.relation not in relations)
        ):
            continue
        if rule.field:
            named[rule.field] = rule.gives
        else:
            others, named = rule.gives, {}
    return WriteRight(others, named)


#: Whatever their role, everybody may be both: nothing that a person may write is left out under these.
EVERY_RELATION: Final = frozenset({OWN, NAMED})
NO_RELATION: Final[frozenset[str]] = frozenset()
