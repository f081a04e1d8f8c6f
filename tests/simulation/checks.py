"""What must be true of every history when all faults are over (rules INV1, INV2, INV4): plain comparisons, no time passes.

The truth is the whole log, decided again from nothing. Compared with it: what is stored, what snapshots hold, what a fresh owner
would load, what the owners of today hold in memory, and everything that was said. Called by history.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from actors.contract.decisions import Decision
from actors.contract.envelopes import envelope_of
from actors.contract.subjects import WEDDING, log_stream
from actors.domain import snapshot_form, views
from actors.domain.state import ActorState
from actors.runtime.activation import load
from actors.runtime.log_messages import LogMessage, Marker, Undecodable, decode_message
from tests.simulation.clients import Client
from tests.simulation.observer import Observer
from tests.simulation.world import World
from tests.support.refold import Key, Refold, fold_messages

_encode: Final = msgspec.json.Encoder().encode
#: Answers that are no outcome of the op that they name.
_NO_OUTCOMES: Final = frozenset({"resend_from", "client_expired", "bad_id"})


class Moment(NamedTuple):
    """A wedding at one rev: its channels as `digest` tells them, and the rev of the last permission change."""

    heads: bytes
    acl: int


class Truth(NamedTuple):
    """The log, decided again."""

    fold: Refold
    moments: dict[tuple[Key, int], Moment]


def truth_of(world: World) -> Truth:
    """Decide everything that the log ever held."""
    moments: dict[tuple[Key, int], Moment] = {}

    def look(state: ActorState) -> None:
        moments[(state.kind, state.id), state.rev] = Moment(_heads(state), state.acl)

    return Truth(fold_messages(0, list(_messages(world)), world.database.markers, look), moments)


def _messages(world: World) -> Iterator[LogMessage | Marker]:
    for index in range(world.identity.streams):
        for record in world.streams.streams[log_stream(index)].records:
            try:
                yield decode_message(*record)
            except Undecodable:
                continue


def _heads(state: ActorState) -> bytes:
    return _encode(views.channel_heads(state))


def offences_of(world: World, clients: Iterable[Client], observer: Observer) -> Iterator[str]:
    """Yield a sentence for each promise that this history has broken."""
    truth = truth_of(world)
    yield from _saved(truth, clients)
    for wedding, decided in truth.fold.decisions.items():
        yield from _stored(world, wedding, decided)
        yield from _loaded(world, truth.fold.states[wedding])
        yield from _settled(truth.fold.states[wedding])
    yield from _positions(world)
    yield from _snapshots(world, truth)
    yield from _in_memory(world, truth)
    yield from _said(observer, truth)


def _saved(truth: Truth, clients: Iterable[Client]) -> Iterator[str]:
    """Every saved op has exactly one decision."""
    counts = {
        wedding: Counter((decision.principal, decision.op) for decision in decided)
        for wedding, decided in truth.fold.decisions.items()
    }
    for client in clients:
        for op in client.saved:
            count = counts.get((WEDDING, client.wedding), Counter())[client.person, op]
            if count != 1:
                yield f"{client.wedding}: the saved op {op} of {client.person} has {count} decisions"


def _stored(world: World, wedding: Key, decided: list[Decision]) -> Iterator[str]:
    """The stored decisions are those of the log, in one row of revs and one of sequences per channel."""
    stored = list(world.database.decisions(*wedding))
    if [each.rev for each in stored] != list(range(1, len(decided) + 1)):
        yield f"{wedding}: the log gives {len(decided)} decisions, stored are the revs {[each.rev for each in stored]}"
    sequences: Counter[str] = Counter()
    for found, right in zip(stored, decided, strict=False):
        if found != right:
            yield f"{wedding}: stored is {found}, the log gives {right}"
            return
        for part in found.parts:
            sequences[part.channel] += 1
            if part.sequence != sequences[part.channel]:
                yield f"{wedding}: {part.channel} has {part.sequence} where {sequences[part.channel]} should come"


def _loaded(world: World, right: ActorState) -> Iterator[str]:
    """Newest snapshot and stored changes give the state of the log."""
    state, _ = world.scheduler.run(world.ground, load(world.store_of(world.ground), right.kind, right.id))
    if snapshot_form.encode(state) != snapshot_form.encode(right):
        yield f"{right.id}: stored is a state of rev {state.rev} that is not that of the log at rev {right.rev}"


def _settled(state: ActorState) -> Iterator[str]:
    """Every question to a supplier has its answer, and nothing waits for a time that is over."""
    for item in state.items.get("vendors", {}).values():
        if item.fields.get("booking") == "asked":
            yield f"{state.id}: {item.fields} never got an answer"
    if state.timers.armed:
        yield f"{state.id}: {state.timers.armed} never fired"


def _positions(world: World) -> Iterator[str]:
    for partition, position in world.database.positions.items():
        last = world.streams.streams[log_stream(partition % world.identity.streams)].last
        if position > last:
            yield f"the checkpoint of partition {partition} is {position}, the log ends at {last}"


def _snapshots(world: World, truth: Truth) -> Iterator[str]:
    for wedding, rows in world.database.snapshots.items():
        for row in rows:
            moment = truth.moments.get((wedding, row.rev))
            if moment is None or _heads(snapshot_form.decode(row.state, row.kind)) != moment.heads:
                yield f"{wedding}: the snapshot of rev {row.rev} is not the state of the log"
            if row.position > world.database.positions[row.partition]:
                yield f"{wedding}: the snapshot at {row.position} is beyond the checkpoint"


def _in_memory(world: World, truth: Truth) -> Iterator[str]:
    for life in world.living():
        partitions = life.host.duty.ownership.partitions.values() if life.host is not None else ()
        for partition in partitions:
            for wedding, actor in partition.actors.items():
                right = truth.fold.states.get(wedding)
                if (
                    actor.state is not None
                    and right is not None
                    and snapshot_form.encode(actor.state) != snapshot_form.encode(right)
                ):
                    yield f"{wedding}: {life.name} holds rev {actor.state.rev}, which is not the log at rev {right.rev}"


def _said(observer: Observer, truth: Truth) -> Iterator[str]:
    """Every envelope, repeated answer and digest is what the log gives."""
    outcomes = {
        (wedding, each.principal, each.op): each.refusal for wedding, decided in truth.fold.decisions.items() for each in decided
    }
    for wedding, heard in observer.envelopes.items():
        decided = truth.fold.decisions.get(wedding, [])
        for rev, said in heard.items():
            moment = truth.moments.get((wedding, rev))
            if moment is None or said != _encode(envelope_of(decided[rev - 1], wedding[1], 1, moment.acl)):
                yield f"{wedding}: heard of rev {rev} {said!r}, which the log does not give"
    for wedding, answer in observer.answers:
        if answer.refusal is None or answer.refusal.code not in _NO_OUTCOMES:
            right = outcomes.get((wedding, answer.principal, answer.op))
            if right != answer.refusal:
                yield f"{wedding}: the repeat of {answer.op} got {answer.refusal}, the op itself {right}"
    for wedding, rev, digests in observer.digests:
        moment = truth.moments.get((wedding, rev))
        if moment is None or digests != moment.heads:
            yield f"{wedding}: a digest at rev {rev} that the log does not give"
