"""What a wedding and a supplier say to each other about the supplier's hours: ask, release, answer (rule V1).

The wedding names one of its own items of `vendors` and a span of time; the supplier answers with the state of that booking and
the span it is for, so that an answer to an older question is told from one to the newest. Used by the domain at both ends.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from actors.contract.events import instant_of
from actors.contract.field_kinds import instant
from actors.contract.ops import Op, Target

ASK: Final = ("vendor_booking", "ask")
RELEASE: Final = ("vendor_booking", "release")
ANSWER: Final = ("vendor_assignment", "answer")


class Span(NamedTuple):
    """From `start` to before `end`: UTC instants with milliseconds, so that their texts compare like the times."""

    start: str
    end: str

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


def span_of(data: Mapping[str, object], start_field: str = "start", end_field: str = "end") -> Span | None:
    """Return the span between two fields, None unless both are instants and time passes between them."""
    start, end = data.get(start_field), data.get(end_field)
    if instant(start) is not None or instant(end) is not None:
        return None
    span = Span(_normal(start), _normal(end))
    return span if span.start < span.end else None


def _normal(value: object) -> str:
    return instant_of(round(datetime.fromisoformat(str(value)).timestamp() * 1000))


def ask_op(item: str, span: Span) -> Op:
    """A wedding asks for hours under one of its items, in place of those that it asked for under this item before."""
    return Op(*ASK, Target("bookings", item), data=span._asdict())


def release_op(item: str) -> Op:
    """A wedding gives back what it asked for under one of its items."""
    return Op(*RELEASE, Target("bookings", item))


def answer_op(item: str, span: Span, booking: str) -> Op:
    """A supplier says how the booking of a span under a wedding's item stands."""
    return Op(*ANSWER, Target("vendors", item), data={**span._asdict(), "booking": booking})
