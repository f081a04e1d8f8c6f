"""Ids: their form, the client ids `<yyyymmdd>-<random>`, op ids `<client>:<n>`, and the partition of a wedding.

Ids are one lower-case token and never a name or an e-mail address: subjects survive erasure (docs/protocol.md).
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from actors.contract.errors import ContractError

MAX_ID_LENGTH: Final = 64
TOKEN: Final = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{MAX_ID_LENGTH - 1}}}\Z")
CLIENT: Final = re.compile(r"\d{8}-[a-z0-9]{4,40}\Z")
INTAKE_OP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")
#: Principals of our own; no person may have these ids. `couple` is the payer that means both partners.
SERVICE_PRINCIPALS: Final = frozenset({"operator", "import"})
#: Whose ops the firings of timers are. A leading `_` is in no token, so nobody else can have such a name.
TIMER_PRINCIPAL: Final = "_timer"
#: Under which rules markers and skips stand in the log.
RULES_PRINCIPAL: Final = "_rules"
RESERVED_IDS: Final = SERVICE_PRINCIPALS | {"couple", "everyone", "team", "core", "family"}

_OFFSET, _PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
#: A number that JSON clients can hold exactly.
MAX_INTEGER: Final = 2**53


class OpId(NamedTuple):
    """The two halves of a client's op id."""

    client: str
    number: int


def is_token(text: object) -> bool:
    """Tell whether `text` is an id: one token of a-z, 0-9, '_', '-', at most 64 long."""
    return isinstance(text, str) and TOKEN.match(text) is not None


def is_client(text: object) -> bool:
    """Tell whether `text` has the form of a client id with a real day in front."""
    # What is longer is asked of nothing that remembers: clients choose what they send here.
    return isinstance(text, str) and len(text) <= MAX_ID_LENGTH and _is_client_text(text)


@lru_cache(maxsize=65536)
def _is_client_text(text: str) -> bool:
    if CLIENT.match(text) is None:
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return False
    return True


def client_day(client: str) -> date:
    """Return the day on which a client id was given out; the id must satisfy `is_client`."""
    return date(int(client[:4]), int(client[4:6]), int(client[6:8]))


def parse_op_id(text: str) -> OpId:
    """Split a client's op id `<client>:<n>` with n from 1; raises `bad_id`."""
    client, colon, digits = text.rpartition(":")
    if colon and digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) <= 15 and is_client(client):
        return OpId(client, int(digits))
    raise ContractError("bad_id", f"{text[:80]!r} is not an op id of the form <client>:<n>.")


def timer_op_id(timer: str, number: int) -> str:
    """Return `timer:<timer id>:<n>`, the op id of the firing of a wedding's n-th arming; a timer id is tokens joined by dots."""
    return f"timer:{timer}:{number}"


def parse_timer_op_id(text: str) -> tuple[str, int]:
    """Return the timer id and the number of the arming; raises `bad_id`."""
    word, _, rest = text.partition(":")
    timer, _, digits = rest.rpartition(":")
    if word == "timer" and digits.isascii() and digits.isdigit() and len(digits) <= 15 and all(map(is_token, timer.split("."))):
        return timer, int(digits)
    raise ContractError("bad_id", f"{text[:80]!r} is not the op id of a timer.")


def partition_of(identifier: str, partitions: int = 64) -> int:
    """FNV-1a 32 bit of the id modulo `partitions`: the same as the NATS mapping function `partition(64, n)`; `w77` is 44."""
    value = _OFFSET
    for byte in identifier.encode():
        value = ((value ^ byte) * _PRIME) & _MASK
    return value % partitions
