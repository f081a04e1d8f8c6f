"""Who reads which channel, and which channel an item is in, as docs/permissions.md says it: a second opinion.

Written from the words of that page and calling nothing of the product, so that a mistake there is not made here again. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

#: Everybody's word for an audience of several people: the roles that belong to it.
_ROLES: Final = {
    "everyone": {"couple", "planner", "vendor", "family", "friend", "guest"},
    "team": {"couple", "planner", "vendor"},
    "family": {"couple", "planner", "family"},
    "core": {"couple", "planner"},
}
#: The sections of which `permissions` may speak.
PLACES: Final = ("timeline", "budget", "vendors", "guests", "documents", "photos", "tasks", "messages", "wedding", "people")
COLLECTIONS: Final = (
    "wedding", "people", "permissions", "timeline", "budget", "vendors", "guests", "tables",
    "documents", "photos", "tasks", "messages", "inbox",
)  # fmt: skip
TYPES: Final = {
    "wedding": "timeline_update", "people": "permission_update", "permissions": "permission_update",
    "timeline": "timeline_update", "budget": "budget_change", "vendors": "vendor_assignment", "guests": "guest_update",
    "tables": "guest_update", "documents": "document_edit", "photos": "photo_upload", "tasks": "task_completion",
    "messages": "message_sent", "inbox": "message_sent",
}  # fmt: skip
_ALWAYS: Final = {
    "wedding": "wedding.everyone", "people": "people.everyone", "permissions": "permissions.core", "vendors": "vendors.team",
    "guests": "guests.family", "tables": "guests.family",
}  # fmt: skip

Fields = Mapping[str, Any]


def channel_of(collection: str, fields: Fields) -> str:
    """The channel of an item."""
    if collection in _ALWAYS:
        return _ALWAYS[collection]
    if collection == "conflicts":
        # A record of a dispute is where the item is that it is about.
        return str(fields["channel"])
    if collection == "inbox":
        return f"inbox.{fields['person']}"
    if collection == "timeline":
        return f"timeline.{fields.get('visibility') or 'team'}"
    if collection == "budget":
        payer = fields.get("payer")
        own = "core" if payer in (None, "couple") else f"payer-{payer}"
        return f"budget.{fields.get('audience') or own}"
    return f"{collection}.{fields.get('audience') or 'team'}"


def reads(person: str, channel: str, people: Mapping[str, str], permissions: Mapping[str, Fields]) -> bool:
    """Whether a person reads a channel; `people` maps members to roles, `permissions` is what the wedding says of them."""
    role = people.get(person)
    section, _, audience = channel.partition(".")
    if role is None or audience == f"surprise-{person}":
        return False
    if section == "inbox":
        return audience == person
    if audience.startswith("private-"):
        return audience == f"private-{person}"
    if role in ("couple", "planner") and section in ("wedding", "people", "permissions"):
        return True
    can = _by_role(person, role, section, audience)
    for said in (permissions.get(f"role-{role}", {}), permissions.get(person, {})):
        if any(_means(place, section, audience) for place in said.get("read") or ()):
            can = True
        if role != "couple" and any(_means(place, section, audience) for place in said.get("hidden") or ()):
            can = False
    return can


def _by_role(person: str, role: str, section: str, audience: str) -> bool:
    if audience.startswith("payer-"):
        return role in _ROLES["core"] or audience == f"payer-{person}"
    if audience.startswith("surprise-"):
        return role in _ROLES["core" if section == "budget" else "team"]
    return role in _ROLES[audience]


def _means(place: str, section: str, audience: str) -> bool:
    """Whether a place of `read` or `hidden` is this channel."""
    named, dot, word = place.partition(".")
    if section == "permissions" or named != section:
        return False
    return not dot or word == audience or (word in ("payer", "surprise") and audience.startswith(f"{word}-"))
