"""Channels `<section>.<audience>`: which one an item lives in, and which ones a person may read (design D4).

A read right is a tuple of patterns: `*.team` is every section of that audience, `budget.payer-*` every audience with that prefix,
anything else one channel. Gateways and owner use the same functions, so they never disagree.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

Rights = tuple[str, ...]

ROLES: Final = ("couple", "planner", "vendor", "family", "friend", "guest")
CORE_ROLES: Final = frozenset({"couple", "planner"})
#: The audiences that an item may name itself.
TIMELINE_AUDIENCES: Final = ("everyone", "team", "core")
ITEM_AUDIENCES: Final = ("everyone", "team", "core", "family")
DEFAULT_AUDIENCE: Final = "team"

_FIXED: Final = {
    "wedding": "wedding.everyone",
    "people": "people.everyone",
    "permissions": "permissions.core",
    "vendors": "vendors.team",
    "tasks": "tasks.team",
    "guests": "guests.family",
    "tables": "guests.family",
}
_CORE_AUDIENCES: Final = ("*.everyone", "*.team", "*.family", "*.core", "budget.payer-*")
_ROLE_AUDIENCES: Final[dict[str, Rights]] = {
    "couple": _CORE_AUDIENCES,
    "planner": _CORE_AUDIENCES,
    "vendor": ("*.everyone", "*.team"),
    "family": ("*.everyone", "*.family"),
    "friend": ("*.everyone",),
    "guest": ("*.everyone",),
}
#: What the principals `operator` and `import` may read: everything but the inboxes.
SERVICE_RIGHTS: Final[Rights] = _CORE_AUDIENCES


def channel_of(collection: str, fields: Mapping[str, object]) -> str:
    """Return the one channel in which an item with these fields lives."""
    fixed = _FIXED.get(collection)
    if fixed is not None:
        return fixed
    if collection == "timeline":
        return "timeline." + str(fields.get("visibility", DEFAULT_AUDIENCE))
    if collection == "budget":
        payer = fields.get("payer")
        return "budget.core" if payer is None or payer == "couple" else f"budget.payer-{payer}"
    if collection == "inbox":
        return f"inbox.{fields['person']}"
    return f"{collection}.{fields.get('audience', DEFAULT_AUDIENCE)}"


@lru_cache(maxsize=65536)
def rights_of(role: str, person: str) -> Rights:
    """Return what a person of this role may read, personal channels included."""
    personal = (f"inbox.{person}",) if role in CORE_ROLES else (f"budget.payer-{person}", f"inbox.{person}")
    return _ROLE_AUDIENCES[role] + personal


@lru_cache(maxsize=65536)
def may_read(rights: Rights, channel: str) -> bool:
    """Tell whether these rights include the channel."""
    section, _, audience = channel.partition(".")
    for pattern in rights:
        pattern_section, _, pattern_audience = pattern.partition(".")
        if pattern_section not in ("*", section):
            continue
        if pattern_audience == audience or (pattern_audience.endswith("*") and audience.startswith(pattern_audience[:-1])):
            return True
    return False
