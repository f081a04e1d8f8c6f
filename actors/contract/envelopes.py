"""Envelopes: one op's decision, or an answer, on its way from the owner to the gateways; and the heads beacon.

`rev`, position and `acl` stay inside; clients see channel sequences only (design D4).
"""

import msgspec

from actors.contract.conflicts import strategies_of
from actors.contract.decisions import Answer, Decision, Refusal
from actors.contract.events import encode_event
from actors.contract.ids import parse_op_id

#: An envelope with more bytes of events than this is sent without them, and gateways fetch it (design D8).
MAX_ENVELOPE_BYTES = 512 * 1024


class EnvelopePart(msgspec.Struct, frozen=True, array_like=True):
    """One channel's event, already encoded."""

    channel: str
    sequence: int
    event: msgspec.Raw


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """`decided` envelopes have contiguous revs; an answer carries the rev at which it was given and is for its author alone.

    `next` is the number that the wedding takes next from this client (0 for ops that came over NATS). `fetch` says that the
    parts were left out for their size and must be fetched by rev, `waits` that the op's decision is still to come;
    `conflicts` are the strategies of those that it records.
    """

    generation: int
    position: int
    rev: int
    acl: int
    decided: bool
    op: str
    principal: str
    next: int
    refusal: Refusal | None
    parts: tuple[EnvelopePart, ...] = ()
    fetch: bool = False
    waits: bool = False
    conflicts: tuple[str, ...] = ()


class Head(msgspec.Struct, frozen=True, array_like=True):
    """Where a wedding stands."""

    kind: str
    id: str
    position: int
    rev: int
    acl: int


class Heads(msgspec.Struct, frozen=True, array_like=True):
    """The beacon of one partition: the weddings changed in the last 10 s, split at 64 KB."""

    generation: int
    partition: int
    position: int
    heads: tuple[Head, ...]


def envelope_of(decision: Decision, wedding: str, generation: int, acl: int) -> Envelope:
    """Build a decision's envelope; `acl` is the rev of the wedding's last permission change, this decision's included."""
    parts = tuple(
        [EnvelopePart(part.channel, part.sequence, msgspec.Raw(encode_event(decision, part, wedding))) for part in decision.parts]
    )
    following = decision.number + 1 if decision.number else 0
    return Envelope(
        generation,
        decision.position,
        decision.rev,
        acl,
        True,
        decision.op,
        decision.principal,
        following,
        decision.refusal,
        parts,
        waits=decision.waits is not None,
        conflicts=strategies_of(decision.parts),
    )


def answer_envelope(answer: Answer, generation: int, rev: int, acl: int) -> Envelope:
    """Build the envelope of an answer that decides nothing."""
    return Envelope(generation, answer.position, rev, acl, False, answer.op, answer.principal, answer.next, answer.refusal)


def without_events(envelope: Envelope) -> Envelope:
    """Leave the parts out; gateways then fetch the envelope by its rev."""
    return msgspec.structs.replace(envelope, parts=(), fetch=True)


def client_of(envelope: Envelope) -> str | None:
    """Return the client of a numbered op, None for one that came over NATS."""
    return parse_op_id(envelope.op).client if envelope.next else None
