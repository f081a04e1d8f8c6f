"""Messages between actors: who speaks as whom, and how a message is numbered and written down (design D6).

A message is an entry of the receiver's log under a principal of the system, `_w-<wedding>` or `_v-<vendor>`, which no member or
integrator can be: their ids begin with a letter or a digit. Its op id is `<principal>:<n>`, n counted from 1 per sender and
receiver. Used by the domain at both ends.
"""

from typing import Final, NamedTuple

import msgspec

from actors.contract.ids import is_token
from actors.contract.ops import LogEntry, Op
from actors.contract.subjects import VENDOR, WEDDING

#: A message that follows from so many others is the last one taken: more would be a loop.
MAX_HOPS: Final = 4
_KINDS: Final = frozenset({WEDDING, VENDOR})
_MOST_DIGITS: Final = 15
_encode: Final = msgspec.json.Encoder().encode


class Correspondent(NamedTuple):
    """An actor as another one knows it."""

    kind: str
    id: str


def principal_of(kind: str, identifier: str) -> str:
    """Return the principal under which an actor speaks to others."""
    return f"_{kind}-{identifier}"


def correspondent_of(principal: str) -> Correspondent | None:
    """Return the actor that speaks under a principal, None when no actor does."""
    mark, kind, dash, identifier = principal[:1], principal[1:2], principal[2:3], principal[3:]
    if mark == "_" and kind in _KINDS and dash == "-" and is_token(identifier):
        return Correspondent(kind, identifier)
    return None


def message_number(op: str, principal: str) -> int | None:
    """Return the number in the op id of a principal's message, None when it is none."""
    sender, colon, digits = op.rpartition(":")
    is_number = digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) <= _MOST_DIGITS
    return int(digits) if colon and sender == principal and is_number else None


def message_body(principal: str, number: int, op: Op, hops: int) -> bytes:
    """Return a message as it shall stand in the receiver's log."""
    return _encode(LogEntry(msgspec.structs.replace(op, id=f"{principal}:{number}"), "actor", hops=hops))
