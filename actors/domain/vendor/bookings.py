"""A supplier's calendar: weddings ask for hours, and the first to ask for an hour has it (rule V1).

Each wedding hears of its own booking and nothing of any other; that two overlap stands in the calendar alone, which only the
supplier reads. Hours that are given back go to whoever has waited longest for them. Called through the table in `kinds`.
"""

from collections.abc import Iterable
from typing import Any, Final

from actors.contract.bookings import ASK, RELEASE, Span, answer_op, span_of
from actors.contract.changes import Change
from actors.contract.channels import Rights
from actors.contract.ids import is_token
from actors.contract.ops import Op
from actors.contract.subjects import WEDDING
from actors.domain.correspondence import Message, Readers
from actors.domain.errors import Refused
from actors.domain.items import Letter, Plan, PlannedPart
from actors.domain.state import ActorState

COLLECTION: Final = "bookings"
CHANNEL: Final = "bookings.vendor"
#: A calendar that holds more, or so many of one wedding, answers `clash` to every further question and keeps nothing of it.
MAX_BOOKINGS: Final = 5000
MAX_OF_WEDDING: Final = 20

#: One booking: wedding, item, start, end, booking (`confirmed` or `clash`), asked (the rev at which it was asked for).
Booking = dict[str, Any]
Calendar = dict[str, Booking]


def judge(state: ActorState, op: Op, principal: str, version: int, client: str, now_ms: int) -> tuple[Rights, Plan]:
    """Refuse what a person asks: weddings alone write a calendar so far."""
    del op, version, client, now_ms
    raise Refused("not_allowed", f"{principal} does not write the calendar of {state.id}.", "Book hours in a wedding.")


def ask(message: Message) -> Plan:
    """Book the hours, or keep the question as a clash; the same question again gets the answer of today again."""
    key, wedding, item = _place(message)
    span = span_of(message.op.data)
    if span is None:
        raise Refused("bad_value", "A booking needs `start` and `end`, instants in order.")
    calendar = _calendar(message.state)
    known = calendar.pop(key, None)
    if known is not None and _span(known) == span:
        return Plan((), (_answer(known),))
    asked = {"wedding": wedding, "item": item, "start": span.start, "end": span.end, "booking": "clash"}
    if known is None and _is_full(calendar, wedding):
        return Plan((), (_answer(asked),))
    served = {} if known is None else _give_to_waiting(calendar, known)
    booking = {**asked, "booking": _state_of(calendar.values(), span), "asked": message.state.rev + 1}
    change = Change(COLLECTION, key, insert=booking) if known is None else Change(COLLECTION, key, set=booking)
    return _plan(change, served, booking)


def release(message: Message) -> Plan:
    """Give the hours back."""
    key, _, _ = _place(message)
    calendar = _calendar(message.state)
    known = calendar.pop(key, None)
    if known is None:
        return Plan(())
    return _plan(Change(COLLECTION, key, remove=True), _give_to_waiting(calendar, known))


READERS: Final[Readers] = {ASK: ask, RELEASE: release}


def clashes(bookings: Iterable[Booking], booking: Booking) -> list[Booking]:
    """Return the other bookings of a calendar that overlap this one, for the supplier to see."""
    span, place = _span(booking), (booking["wedding"], booking["item"])
    return [other for other in bookings if (other["wedding"], other["item"]) != place and _span(other).overlaps(span)]


def _place(message: Message) -> tuple[str, str, str]:
    """Return the booking's key, its wedding and the wedding's item; the wedding is who speaks, whatever the message says."""
    kind, wedding = message.sender
    item = message.op.target.id
    if kind != WEDDING or not is_token(item):
        raise Refused("not_allowed", "Weddings alone book hours, each under an item of its own.")
    return f"{wedding}.{item}", wedding, item


def _calendar(state: ActorState) -> Calendar:
    return {key: item.fields for key, item in state.items.get(COLLECTION, {}).items()}


def _span(booking: Booking) -> Span:
    return Span(booking["start"], booking["end"])


def _is_full(calendar: Calendar, wedding: str) -> bool:
    return len(calendar) >= MAX_BOOKINGS or sum(each["wedding"] == wedding for each in calendar.values()) >= MAX_OF_WEDDING


def _state_of(others: Iterable[Booking], span: Span) -> str:
    is_taken = any(other["booking"] == "confirmed" and _span(other).overlaps(span) for other in others)
    return "clash" if is_taken else "confirmed"


def _give_to_waiting(calendar: Calendar, given_back: Booking) -> Calendar:
    """Confirm, in the calendar at hand, those who waited for these hours and can have theirs now; returns them."""
    served: Calendar = {}
    if given_back["booking"] != "confirmed":
        return served
    span = _span(given_back)
    waiting = [key for key, each in calendar.items() if each["booking"] == "clash" and _span(each).overlaps(span)]
    for key in sorted(waiting, key=lambda each: int(calendar[each]["asked"])):
        if _state_of(calendar.values(), _span(calendar[key])) == "confirmed":
            served[key] = calendar[key] = {**calendar[key], "booking": "confirmed"}
    return served


def _plan(change: Change, served: Calendar, *answered: Booking) -> Plan:
    """Put one booking's change, and the confirmation of those who waited, into the calendar; each wedding hears of its own."""
    confirmed = tuple([Change(COLLECTION, key, set={"booking": "confirmed"}) for key in served])
    return Plan((PlannedPart(CHANNEL, (change, *confirmed)),), tuple([_answer(each) for each in (*served.values(), *answered)]))


def _answer(booking: Booking) -> Letter:
    return Letter(WEDDING, booking["wedding"], answer_op(booking["item"], _span(booking), booking["booking"]))
