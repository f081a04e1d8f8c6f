"""The suppliers of one wedding: an item that names an `account` and its hours books them with that supplier's actor (rule V1).

`booking` is the server's: `asked` from the op on that asks, then what the supplier answers. Nobody waits for the answer; the
outbox sends the question until it is in the supplier's log, and the supplier answers each. Called through `rules` and `kinds`.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from actors.contract.bookings import ANSWER, Span, ask_op, release_op, span_of
from actors.contract.changes import Change, merge_fields
from actors.contract.correspondence import principal_of
from actors.contract.subjects import VENDOR
from actors.domain import items
from actors.domain.correspondence import Message, Readers
from actors.domain.errors import Refused
from actors.domain.items import Letter, Plan, PlannedPart, Request
from actors.domain.state import find_item

COLLECTION: Final = "vendors"
#: With how many suppliers a wedding corresponds, over all its life.
MAX_ACCOUNTS: Final = 500


class Wish(NamedTuple):
    """Whose hours an item of `vendors` books, and which."""

    account: str
    span: Span


def insert(request: Request) -> Plan:
    """Take a supplier in, and ask for its hours if the item names them and an account."""
    wish = wish_of(request.op.data)
    return items.insert(_with_booking(request, wish))._replace(effects=_letters(request, None, wish))


def update(request: Request) -> Plan:
    """Change the item; another account or other hours are asked for anew, and what was booked there is given back."""
    before = items.writable(request).fields
    after = dict(before)
    merge_fields(after, request.op.data)
    old, new = wish_of(before), wish_of(after)
    if old == new:
        return items.update(request)
    return items.update(_with_booking(request, new))._replace(effects=_letters(request, old, new))


def delete(request: Request) -> Plan:
    """Take the item away and give back what it booked."""
    before = items.writable(request).fields
    return items.delete(request)._replace(effects=_letters(request, wish_of(before), None))


def answer(message: Message) -> Plan:
    """Note what the supplier says of a booking; an answer to a question that is no longer asked changes nothing."""
    identifier, said = message.op.target.id, message.op.data
    item = find_item(message.state, COLLECTION, identifier)
    wish = None if item is None else wish_of(item.fields)
    if item is None or wish is None or message.sender != (VENDOR, wish.account) or wish.span != span_of(said):
        return Plan(())
    booking = said.get("booking")
    if booking not in ("confirmed", "clash"):
        raise Refused("bad_value", f"{booking!r} is no answer to a booking.")
    if booking == item.fields.get("booking"):
        return Plan(())
    change = Change(COLLECTION, identifier, set={"booking": booking})
    return Plan((PlannedPart(item.channel, (change,), (item.last_write("booking"),)),))


READERS: Final[Readers] = {ANSWER: answer}


def wish_of(fields: Mapping[str, Any]) -> Wish | None:
    """Return what an item books; nothing without an account or without hours in order."""
    account, span = fields.get("account"), span_of(fields, "contractStart", "contractEnd")
    return None if account is None or span is None else Wish(account, span)


def _with_booking(request: Request, wish: Wish | None) -> Request:
    """Let the op set `booking` too: asked, or nothing where nothing is booked."""
    booking: dict[str, object] = {"booking": "asked"} if wish is not None else {"booking": None}
    if wish is None and request.op.action == "insert":
        return request
    return request._replace(op=msgspec.structs.replace(request.op, data=request.op.data | booking))


def _letters(request: Request, old: Wish | None, new: Wish | None) -> tuple[Letter, ...]:
    """Return what to tell the suppliers; a question takes the place of the one before to the same account."""
    item = request.op.target.id
    letters = []
    if old is not None and (new is None or new.account != old.account):
        letters.append(Letter(VENDOR, old.account, release_op(item)))
    if new is not None:
        known = request.state.sent
        if principal_of(VENDOR, new.account) not in known and len(known) >= MAX_ACCOUNTS:
            raise Refused("too_many", f"A wedding deals with at most {MAX_ACCOUNTS} accounts of suppliers.", "Name a known one.")
        letters.append(Letter(VENDOR, new.account, ask_op(item, new.span)))
    return tuple(letters)
