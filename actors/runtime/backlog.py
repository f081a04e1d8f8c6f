"""What happened since: the envelopes that somebody missed (design D4, D8); histories are in past_events.

Taken from the actor's last envelopes, then from its unflushed decisions, then from the stored changes; what the live actor does
meanwhile is included. Raises NotRemembered when it is further back than the limits allow. Called by calls.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

import msgspec

from actors.contract.calls import SinceQuestion
from actors.contract.decisions import Decision
from actors.contract.envelopes import Envelope
from actors.runtime.actor import Actor
from actors.runtime.errors import NotRemembered
from actors.runtime.ports import Store
from config.limits import Limits

PAGE: Final = 500
_decode_envelope: Final = msgspec.json.Decoder(Envelope).decode
#: A decision's place in the channels: its rev, and the sequence of each of its parts.
Trace = tuple[int, list[tuple[str, int]]]


async def envelopes_since(store: Store, actor: Actor, question: SinceQuestion, limits: Limits) -> list[bytes]:
    """Return the encoded envelopes from the first that is missed to the head, without a hole; raises NotRemembered."""
    rev = question.rev
    if rev is None:
        rev = await _rev_before(store, actor, _missed(actor, question.channels or {}, limits))
    found: list[bytes] = []
    size = 0
    while rev < actor.awake_state.rev:
        newer = _remembered(actor, rev)
        if newer is None:
            stored = await store.read_after(actor.kind, actor.id, rev, limit_decisions=PAGE)
            if not stored or stored[0].rev != rev + 1:
                raise NotRemembered
            newer = _encoded(actor, stored)
        found += newer
        size += sum(map(len, newer))
        rev += len(newer)
        if size > limits.resume_bytes:
            raise NotRemembered
    return found


def _missed(actor: Actor, channels: dict[str, int], limits: Limits) -> dict[str, int]:
    """Return the first missed sequence per channel that has news."""
    missed = {}
    for channel, known in channels.items():
        state = actor.awake_state.channels.get(channel)
        sequence = 0 if state is None else state.sequence
        if known > sequence or sequence - known > limits.resume_events:
            raise NotRemembered
        if known < sequence:
            missed[channel] = known + 1
    return missed


async def _rev_before(store: Store, actor: Actor, missed: dict[str, int]) -> int:
    """Return the rev just before the earliest of these channel sequences."""
    rev = actor.awake_state.rev
    waiting = dict(missed)
    if not waiting:
        return rev
    async for trace_rev, parts in _backwards(store, actor):
        for channel, sequence in parts:
            if waiting.get(channel) == sequence:
                del waiting[channel]
                rev = trace_rev - 1
        if not waiting:
            return rev
    raise NotRemembered


async def _backwards(store: Store, actor: Actor) -> AsyncIterator[Trace]:
    """Yield the traces of all decisions, the newest first."""
    rev = actor.awake_state.rev + 1
    for trace in _backwards_in_memory(actor):
        rev = trace[0]
        yield trace
    while rev > 1:
        stored = await store.read_before(actor.kind, actor.id, rev - 1, limit_decisions=PAGE)
        if not stored or stored[-1].rev != rev - 1:
            raise NotRemembered
        for decision in reversed(stored):
            yield _trace(decision)
        rev = stored[0].rev


def _backwards_in_memory(actor: Actor) -> Iterator[Trace]:
    rev = actor.awake_state.rev + 1
    for rev, encoded in reversed(list(actor.tail)):
        yield rev, [(part.channel, part.sequence) for part in _decode_envelope(encoded).parts]
    for waiting in reversed(list(actor.unflushed)):
        if waiting.decision.rev < rev:
            yield _trace(waiting.decision)


def _trace(decision: Decision) -> Trace:
    return decision.rev, [(part.channel, part.sequence) for part in decision.parts]


def _remembered(actor: Actor, rev: int) -> list[bytes] | None:
    """Return the envelopes above `rev` if the memory reaches back so far."""
    if actor.tail and actor.tail[0][0] <= rev + 1:
        return [encoded for number, encoded in actor.tail if number > rev]
    if actor.unflushed and actor.unflushed[0].decision.rev <= rev + 1:
        return _encoded(actor, (waiting.decision for waiting in actor.unflushed if waiting.decision.rev > rev))
    return None


def _encoded(actor: Actor, decisions: Iterable[Decision]) -> list[bytes]:
    """Encode past decisions under today's `acl`: whoever gets them looks at today's permissions first."""
    acl = actor.awake_state.acl
    return [actor.partition.publisher.encoded(decision, actor.id, acl) for decision in decisions]
