"""Presence as it may be said and as it may be seen: pure, no clock, no IO.

A presence is a small JSON object. `section` names where the person is, as a section (`timeline`), a collection (`tables`) or,
best, a channel (`timeline.team`). The fields of `PLACE` are details of that place; all others are the person's own words to the
whole wedding. The receiving gateway masks with the reader's rights, so nobody learns of a section that they may not read.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from actors.contract.channels import ITEM_AUDIENCES, TIMELINE_AUDIENCES, Rights, channel_of, may_read
from actors.contract.collections import COLLECTIONS
from actors.contract.ids import is_token
from gateway.errors import Refused

Presence = dict[str, Any]

#: Details of the place that `section` names; they go with it.
PLACE: Final = frozenset({"document", "item", "task", "field", "cursor", "selection", "typing"})
STATUSES: Final = ("online", "away", "busy", "offline")

_encode = msgspec.json.Encoder().encode
_SECTION_OF: Final = {name: channel_of(name, {"person": "nobody"}).partition(".")[0] for name in COLLECTIONS}
_SECTIONS: Final = frozenset(_SECTION_OF.values())


def check_presence(presence: Mapping[str, Any], limit_bytes: int) -> None:
    """Judge a presence at the entrance; raises Refused `too_large` or `bad_value`."""
    size = len(_encode(presence))
    if size > limit_bytes:
        raise Refused("too_large", f"The presence has {size} bytes; the limit is {limit_bytes}.")
    status = presence.get("status", "online")
    if status not in STATUSES:
        raise Refused("bad_value", "presence.status must be one of " + ", ".join(STATUSES) + ".")
    section = presence.get("section")
    if section is not None and not _is_place(section):
        raise Refused("bad_value", "presence.section must be a section (`timeline`) or a channel (`timeline.team`).")


def _is_place(section: object) -> bool:
    if not isinstance(section, str):
        return False
    name, dot, audience = section.partition(".")
    return (name in _SECTIONS or name in _SECTION_OF) if not dot else name in _SECTIONS and is_token(audience)


def mask(presence: Mapping[str, Any], rights: Rights) -> Presence:
    """Return what a reader with these rights sees of a presence."""
    section = presence.get("section")
    sees_section, sees_details = sight(section if isinstance(section, str) else None, rights)
    if sees_details:
        return dict(presence)
    return {name: value for name, value in presence.items() if name not in PLACE and (sees_section or name != "section")}


@lru_cache(maxsize=65536)
def sight(section: str | None, rights: Rights) -> tuple[bool, bool]:
    """Tell whether these rights see that somebody is in the section, and the details of the place.

    A bare section is seen by who reads some common channel of it; its details, which may stand in any of its channels, only by
    who reads all of them. Details without a section could be anywhere: only who reads every audience sees them.
    """
    if section is None:
        return True, all(may_read(rights, f"documents.{audience}") for audience in ITEM_AUDIENCES)
    name, dot, _ = section.partition(".")
    if dot:
        sees = may_read(rights, section)
        return sees, sees
    channels = _channels_of(_SECTION_OF.get(name, name))
    readable = [may_read(rights, channel) for channel in channels]
    return any(readable), all(readable)


def _channels_of(section: str) -> tuple[str, ...]:
    """The audiences that a section can have; personal ones are stood for by the pattern of who reads all of them."""
    if section == "timeline":
        return tuple(f"timeline.{audience}" for audience in TIMELINE_AUDIENCES)
    if section == "budget":
        return ("budget.core", "budget.payer-*")
    if section == "inbox":
        return ("inbox.*",)
    if section in {"documents", "photos", "messages"}:
        return tuple(f"{section}.{audience}" for audience in ITEM_AUDIENCES)
    return tuple(sorted({channel_of(name, {}) for name, its_section in _SECTION_OF.items() if its_section == section}))
