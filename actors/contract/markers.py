"""Markers: messages of the log that are about a whole partition and not about one actor (design D1). No op, no client, no number.

A marker stands in the log between ops and says how ops are decided: from here on with another version of the rules, or that one
op, at the position it names, is not decided at all. Written by `wedsync rules` and by hosts, read by whoever folds.
"""

from typing import Final

import msgspec


class ActivateRules(msgspec.Struct, frozen=True, tag="activate", tag_field="marker"):
    """The ops after this marker are decided with this version of the rules, unless a later version is in force already."""

    version: int


class SkipOp(msgspec.Struct, frozen=True, tag="skip", tag_field="marker"):
    """The op at `position`, which lies before this marker, has killed processes: it is refused and never decided."""

    position: int


Directive = ActivateRules | SkipOp
ACTIVATE: Final = "activate"
SKIP: Final = "skip"

encode_directive: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Directive).decode


def decode_directive(data: bytes) -> Directive:
    """Read what a marker says; raises msgspec.MsgspecError."""
    directive: Directive = _decode(data)
    return directive
