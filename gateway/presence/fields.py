"""Presence as it may be said: what each field that the server knows may hold. Pure; called by the hub for every entrance.

Own words of a client pass as they are. Null stands for nothing, and what the server says itself is not taken from anybody.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from actors.contract import field_kinds
from actors.contract.channels import channel_of
from actors.contract.collections import COLLECTIONS
from actors.contract.ids import is_token
from gateway.errors import LimitMet, Refused

Presence = dict[str, Any]

STATUSES: Final = ("online", "away", "busy", "offline")
#: Said by the server alone; a client that sends back what it was told means no harm.
OF_SERVER: Final = frozenset({"role", "devices", "lastActivity"})
TEXT_CHARACTERS: Final = 200
WINDOWS: Final = 50
#: Objects and lists within each other; whoever encodes a presence later stands deeper in the stack than who took it.
DEPTH: Final = 16
_POSITION_MEMBERS: Final = 16
#: Names that people expect; as own words they would reach who may not read the place.
_MISNAMED: Final = {
    "currentSection": "section",
    "activeDocument": "document",
    "currentTask": "task",
    "cursorPosition": "cursor",
    "isTyping": "typing",
}

#: The section of each collection.
SECTION_OF: Final = {name: channel_of(name, {"person": "nobody"}).partition(".")[0] for name in COLLECTIONS}
SECTIONS: Final = frozenset(SECTION_OF.values())

#: NUL as JSON escapes it, and not a backslash before five letters; PostgreSQL takes none.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


def checked(presence: Mapping[str, Any], limit_bytes: int) -> Presence:
    """Return a presence as it is kept; raises Refused `too_large` or `bad_value`, which names the field and what it may hold."""
    _require_sayable(presence, limit_bytes)
    kept: Presence = {}
    for name, value in presence.items():
        if name in OF_SERVER or value is None:
            continue
        check = _CHECKS.get(name)
        if check is not None and (expected := check(value)) is not None:
            raise Refused("bad_value", f"presence.{name} must be {expected}.")
        if name in _MISNAMED:
            raise Refused("bad_value", f"presence.{name} is called {_MISNAMED[name]}.", f"Send presence.{_MISNAMED[name]}.")
        kept[name] = value
    return kept


def _require_sayable(presence: Mapping[str, Any], limit_bytes: int) -> None:
    """Own words pass as they are, and whoever reads them must be able to: in JSON, in MessagePack, and from the table."""
    try:
        encoded = _encode(presence)
    except RecursionError:
        raise _too_deep() from None
    if len(encoded) > limit_bytes:
        met = LimitMet("presenceBytes", limit_bytes)
        raise Refused("too_large", f"The presence has {len(encoded)} bytes; the limit is {limit_bytes}.", met=met)
    level: list[Any] = [presence]
    for _ in range(DEPTH + 1):
        level = [each for value in level for each in _members(value) if isinstance(each, dict | list)]
        if not level:
            break
    else:
        raise _too_deep()
    try:
        _pack(presence)
    except OverflowError:
        raise Refused("bad_value", "The presence holds a whole number of more than 64 bits.", "Send it as a text.") from None
    if b"\\u0000" in encoded and _NUL.search(encoded) is not None:
        raise Refused("bad_value", "The presence holds a character NUL.", "Leave it out.")


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> Refused:
    return Refused("bad_value", f"The presence is nested deeper than {DEPTH} levels.", "Send a flatter one.")


def is_channel(text: object) -> bool:
    """Tell whether `text` has the form of a channel of a section that there is."""
    if not isinstance(text, str):
        return False
    section, dot, audience = text.partition(".")
    return bool(dot) and section in SECTIONS and is_token(audience)


def channel_in(reference: object) -> str | None:
    """The channel that a reference `{"id", "channel"}` names; None for a bare id or text."""
    return reference["channel"] if isinstance(reference, dict) else None


def _status(value: object) -> str | None:
    return None if value in STATUSES else "one of " + ", ".join(STATUSES)


def _section(value: object) -> str | None:
    if isinstance(value, str) and _is_place(value):
        return None
    return "a section (`timeline`) or a channel (`timeline.team`)"


@lru_cache(maxsize=4096)
def _is_place(text: str) -> bool:
    return text in SECTIONS or text in SECTION_OF or is_channel(text)


def _text(value: object) -> str | None:
    return None if isinstance(value, str) and len(value) <= TEXT_CHARACTERS else f"a text of at most {TEXT_CHARACTERS} characters"


def _reference(value: Any) -> str | None:
    if _text(value) is None:
        return None
    is_reference = isinstance(value, dict) and value.keys() == {"id", "channel"} and is_channel(value["channel"])
    return None if is_reference and _text(value["id"]) is None else 'an id, or {"id", "channel"}'


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _is_point(value: object) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or _text(value) is None


def _position(value: object) -> str | None:
    if not isinstance(value, dict) and _is_point(value):
        return None
    members = value if isinstance(value, dict) else {"": value}
    points = [each for member in members.values() for each in (member.values() if isinstance(member, dict) else (member,))]
    if len(points) <= _POSITION_MEMBERS and all(map(_is_point, points)):
        return None
    return f"a number, a text, or an object of at most {_POSITION_MEMBERS} of them"


def _range(value: object) -> str | None:
    ends = value if isinstance(value, list) else [value]
    return None if len(ends) <= 2 and all(_position(each) is None for each in ends) else "a position, or a list of two"


def _windows(value: object) -> str | None:
    if not isinstance(value, list) or len(value) > WINDOWS:
        return f'a list of at most {WINDOWS} windows {{"from", "until", "what"}}'
    for number, window in enumerate(value):
        if (expected := _window(window)) is not None:
            return f"a list of windows, and number {number + 1} {expected}"
    return None


def _window(window: Any) -> str | None:
    if not isinstance(window, dict) or not {"from", "until"} <= window.keys() <= {"from", "until", "what"}:
        return 'must be {"from", "until"}, optionally with "what"'
    for name in ("from", "until"):
        if (expected := field_kinds.instant(window[name])) is not None:
            return f"has in `{name}` not {expected}"
    if not _moment(window["from"]) < _moment(window["until"]):
        return "ends before it begins"
    if _text(window.get("what", "")) is not None:
        return f"has in `what` not {_text(0)}"
    return None


def _moment(instant: str) -> tuple[str, str]:
    """A UTC instant in a form that sorts, whatever fraction of a second it has."""
    seconds, _, fraction = instant.removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


#: What each known field may hold: a function that says what it expects, or None when the value is that.
_CHECKS: Final[dict[str, Callable[[object], str | None]]] = {
    "status": _status,
    "section": _section,
    "document": _reference,
    "item": _reference,
    "task": _reference,
    "field": _text,
    "cursor": _position,
    "selection": _range,
    "typing": _flag,
    "availability": _windows,
}
