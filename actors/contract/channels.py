"""Channels `<section>.<audience>`: which one an item lives in, and which ones a person may read (design D4).

A read right is a tuple of patterns of which the last that matches decides: `*.team` is every section of that audience,
`budget.payer-*` every audience with that prefix, a leading `-` takes away. Gateways and owner use the same functions, so they
never disagree. What a wedding adds to a role or a person, and takes from them, comes from `permissions`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from actors.contract.ids import MAX_ID_LENGTH

Rights = tuple[str, ...]

ROLES: Final = ("couple", "planner", "vendor", "family", "friend", "guest")
CORE_ROLES: Final = frozenset({"couple", "planner"})
#: The audiences that an item may name itself; personal ones come on top.
TIMELINE_AUDIENCES: Final = ("everyone", "team", "core")
ITEM_AUDIENCES: Final = ("everyone", "team", "core", "family")
DEFAULT_AUDIENCE: Final = "team"
#: `surprise-<person>`: the team but for that person. `private-<person>`: that person alone, whatever the role.
SURPRISE: Final = "surprise-"
PRIVATE: Final = "private-"
#: `payer-<person>`: the core and that person, in the section budget.
PAYER: Final = "payer-"

#: Every section with the audiences that roles share, prefixes included. Nobody shares an inbox.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "wedding": ("everyone",),
    "people": ("everyone",),
    "permissions": ("core",),
    "timeline": (*TIMELINE_AUDIENCES, SURPRISE),
    "budget": ("core", PAYER, SURPRISE),
    "vendors": ("team",),
    "guests": ("family",),
    "documents": (*ITEM_AUDIENCES, SURPRISE),
    "photos": (*ITEM_AUDIENCES, SURPRISE),
    "tasks": (*ITEM_AUDIENCES, SURPRISE),
    "messages": (*ITEM_AUDIENCES, SURPRISE),
    "inbox": (),
}

#: The longest name that a channel can have.
MAX_CHANNEL_LENGTH: Final = max(map(len, SECTIONS)) + len(".") + max(map(len, (SURPRISE, PRIVATE, PAYER))) + MAX_ID_LENGTH
_NAME: Final = re.compile(r"[a-z]+\.[a-z0-9][a-z0-9_-]*\Z")

_SECTIONS_SHARED: Final = {"tables": "guests", "versions": "documents"}
_FIXED: Final = {
    "wedding": "wedding.everyone",
    "people": "people.everyone",
    "permissions": "permissions.core",
    "vendors": "vendors.team",
    "guests": "guests.family",
    "tables": "guests.family",
}
_CORE_AUDIENCES: Final = ("*.everyone", "*.team", "*.family", "*.core", "budget.payer-*", "*.surprise-*")
_ROLE_AUDIENCES: Final[dict[str, Rights]] = {
    "couple": _CORE_AUDIENCES,
    "planner": _CORE_AUDIENCES,
    "vendor": ("*.everyone", "*.team", "*.surprise-*", "-budget.*"),
    "family": ("*.everyone", "*.family"),
    "friend": ("*.everyone",),
    "guest": ("*.everyone",),
}
#: What couple and planner keep whatever their wedding's permissions say: the means to put them right (rule M1).
_KEPT_BY_CORE: Final = ("wedding.everyone", "people.everyone", "permissions.core")
#: What the principals `operator` and `import` may read: everything but inboxes and private notes.
SERVICE_RIGHTS: Final[Rights] = (*_CORE_AUDIENCES, "-inbox.*")


def section_of(collection: str) -> str:
    """Return the section that a collection shares its channels with, mostly its own."""
    return _SECTIONS_SHARED.get(collection, collection)


def channel_of(collection: str, fields: Mapping[str, object]) -> str:
    """Return the one channel in which an item with these fields lives."""
    fixed = _FIXED.get(collection)
    if fixed is not None:
        return fixed
    if collection == "timeline":
        return "timeline." + str(fields.get("visibility", DEFAULT_AUDIENCE))
    if collection == "budget":
        if "audience" in fields:
            return f"budget.{fields['audience']}"
        payer = fields.get("payer")
        return "budget.core" if payer is None or payer == "couple" else f"budget.{PAYER}{payer}"
    if collection == "inbox":
        return f"inbox.{fields['person']}"
    if collection == "conflicts":
        return str(fields.get("channel", "conflicts.core"))
    return f"{section_of(collection)}.{fields.get('audience', DEFAULT_AUDIENCE)}"


@lru_cache(maxsize=65536)
def rights_of(role: str, person: str, adjustments: Rights = ()) -> Rights:
    """Return what a person of this role may read: the role's, what the wedding adjusts, and what is the person's own.

    Inbox and private notes are nobody else's, and a surprise is hidden from its person, whatever the adjustments say.
    """
    payer = () if role in CORE_ROLES else (f"budget.{PAYER}{person}",)
    kept = _KEPT_BY_CORE if role in CORE_ROLES and adjustments else ()
    own = (f"*.{PRIVATE}{person}", "-inbox.*", f"inbox.{person}", f"-*.{SURPRISE}{person}")
    return _ROLE_AUDIENCES[role] + payer + adjustments + kept + own


def is_channel_name(text: str) -> bool:
    """Tell whether `text` has the form of a channel, `<section>.<audience>`, whether there is such a section or not."""
    return len(text) <= MAX_CHANNEL_LENGTH and _NAME.match(text) is not None


def may_read(rights: Rights, channel: str) -> bool:
    """Tell whether these rights include the channel: the last pattern that matches it decides."""
    # Clients choose what they name: a name that no channel can have is judged without being kept.
    return _may_read(rights, channel) if len(channel) <= MAX_CHANNEL_LENGTH else _judged(rights, channel)


def _judged(rights: Rights, channel: str) -> bool:
    section, _, audience = channel.partition(".")
    for pattern in reversed(rights):
        taken = pattern.startswith("-")
        pattern_section, _, pattern_audience = pattern[taken:].partition(".")
        if pattern_section in ("*", section) and audience_matches(pattern_audience, audience):
            return not taken
    return False


_may_read: Final = lru_cache(maxsize=65536)(_judged)


def audience_matches(pattern: str, audience: str) -> bool:
    """Tell whether an audience is the pattern's, which may end in `*`."""
    return pattern == audience or (pattern.endswith("*") and audience.startswith(pattern[:-1]))


def person_of(audience: str) -> str | None:
    """Return the person from whom a surprise is hidden or whose private notes these are; None for other audiences."""
    for prefix in (SURPRISE, PRIVATE):
        if audience.startswith(prefix):
            return audience[len(prefix) :]
    return None
