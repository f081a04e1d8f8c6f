"""Messages between actors, as the fold sees them: read at the receiver, numbered and addressed at the sender (design D6).

No actor waits for another: what was asked is a state, and the answer is a message of its own. Whether a message came before is a
matter of `turns`. Called by `kinds` and `decide`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from actors.contract.correspondence import MAX_HOPS, Correspondent, correspondent_of, message_body, message_number, principal_of
from actors.contract.decisions import Effect, SendMessage
from actors.contract.ops import LogEntry, Op
from actors.domain.errors import Refused
from actors.domain.items import Letter, Plan, PlannedEffect
from actors.domain.state import ActorState


class Message(NamedTuple):
    """A message in its turn, with the actor that sent it."""

    state: ActorState
    op: Op
    sender: Correspondent


#: What a kind of actor makes of a message, by type and action of its op.
Readers = Mapping[tuple[str, str], Callable[[Message], Plan]]


def read(readers: Readers, state: ActorState, entry: LogEntry, principal: str) -> Plan:
    """Return what a message does; raises Refused."""
    sender = correspondent_of(principal)
    if sender is None:
        raise Refused("not_allowed", f"{principal} is no actor.")
    if entry.hops > MAX_HOPS:
        raise Refused("not_allowed", f"The message follows from {entry.hops - 1} others; at most {MAX_HOPS} may follow in a row.")
    reader = readers.get((entry.op.type, entry.op.action))
    if reader is None:
        raise Refused("unknown_type", f"No actor of kind {state.kind} knows the message {entry.op.type[:80]}.")
    return reader(Message(state, entry.op, sender))


def addressed(state: ActorState, effects: Iterable[PlannedEffect], hops: int) -> tuple[Effect, ...]:
    """Return the effects, each letter as the next message to its receiver; `hops` are those of the op that they follow from."""
    sent: dict[str, int] = {}
    principal = principal_of(state.kind, state.id)

    def address(effect: PlannedEffect) -> Effect:
        if not isinstance(effect, Letter):
            return effect
        receiver = principal_of(effect.kind, effect.id)
        number = sent[receiver] = sent.get(receiver, state.sent.get(receiver, 0)) + 1
        return SendMessage(effect.kind, effect.id, number, message_body(principal, number, effect.op, hops + 1), hops + 1)

    return tuple([address(effect) for effect in effects])


def missing_before(state: ActorState, entry: LogEntry, principal: str) -> int:
    """Return how many messages of its sender were never met before this one; 0 for what is no message in its turn."""
    number = message_number(entry.op.id, principal) if entry.source == "actor" else None
    return 0 if number is None else max(number - state.received.get(principal, 0) - 1, 0)
