"""Events: one channel's part of a decision, as clients, integrators and histories read it (docs/protocol.md)."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from actors.contract.changes import Change
from actors.contract.decisions import Decision, Part


class EventData(msgspec.Struct, frozen=True):
    """The changes of an event, enough for a client to apply it without knowing any rule."""

    changes: tuple[Change, ...]


class Causality(msgspec.Struct, frozen=True, rename={"with_ops": "with"}):
    """How the op stands to earlier writes of the same fields in this channel."""

    relation: str
    with_ops: tuple[str, ...]


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """One op as the readers of one channel see it."""

    id: str
    type: str
    wedding_id: str
    user_id: str
    timestamp: str
    channel: str
    sequence: int
    data: EventData
    vector_clock: dict[str, int]
    causality: Causality
    metadata: dict[str, object]


_encode = msgspec.json.Encoder().encode


def instant_of(milliseconds: int) -> str:
    """Write Unix milliseconds as RFC 3339 UTC with milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second_of(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=256)
def _second_of(seconds: int) -> str:
    # Ops come many to a second, and writing a date takes longer than writing the rest of an event.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def event_of(decision: Decision, part: Part, wedding: str) -> Event:
    """Build the event of one part."""
    metadata: dict[str, object] = {"source": decision.source, "clientVersion": decision.client_version}
    if decision.undoes:
        metadata["undoes"] = decision.undoes
    return Event(
        decision.op,
        decision.type,
        wedding,
        decision.principal,
        instant_of(decision.now_ms),
        part.channel,
        part.sequence,
        EventData(part.changes),
        part.clock,
        Causality(part.relation, part.concurrent_with),
        metadata,
    )


def encode_event(decision: Decision, part: Part, wedding: str) -> bytes:
    """Build and encode the event of one part; the same decision gives the same bytes on every host."""
    return _encode(event_of(decision, part, wedding))
