"""A wedding as it was at an earlier moment: the nearest snapshot before it, and the stored decisions from there on (design D7).

What that costs is bounded by what is kept: besides the newest ones a snapshot per week, so at most a week of decisions is
followed, a page at a time, between which live ops have their turn. Called by calls and by undo_plans.
"""

import asyncio
from typing import Final, NamedTuple

import structlog

from actors.contract.calls import PastQuestion
from actors.contract.decisions import Decision
from actors.domain.errors import SnapshotUnreadable
from actors.domain.evolve import evolve
from actors.domain.snapshot_form import decode
from actors.domain.state import ActorState, new_state, sequence_of
from actors.runtime.actor import Actor
from actors.runtime.past_decisions import decisions_after
from actors.runtime.ports import Store

#: Decisions that are followed at once, before live ops have their turn.
BURST: Final = 200
log = structlog.get_logger()


class AtRev(NamedTuple):
    """Right after the op of a rev."""

    rev: int

    def includes(self, decision: Decision) -> bool:
        return decision.rev <= self.rev

    def reaches(self, state: ActorState) -> bool:
        return state.rev <= self.rev


class AtInstant(NamedTuple):
    """Right after the last op that was decided up to an instant of the log, in Unix milliseconds."""

    milliseconds: int

    def includes(self, decision: Decision) -> bool:
        return decision.now_ms <= self.milliseconds

    def reaches(self, state: ActorState) -> bool:
        return state.now_ms <= self.milliseconds


class AtSequence(NamedTuple):
    """Right after the op that gave a channel its sequence; before everything for 0."""

    channel: str
    sequence: int

    def includes(self, decision: Decision) -> bool:
        return all(part.channel != self.channel or part.sequence <= self.sequence for part in decision.parts)

    def reaches(self, state: ActorState) -> bool:
        return sequence_of(state, self.channel) <= self.sequence


Moment = AtRev | AtInstant | AtSequence


def moment_of(question: PastQuestion) -> Moment:
    """Return the moment that a question names."""
    if question.channel:
        return AtSequence(question.channel, question.sequence)
    return AtInstant(question.at_ms)


async def state_at(store: Store, actor: Actor, moment: Moment) -> ActorState:
    """Return a state of its own as it was then; raises StoreError."""
    state = await _snapshot_before(store, actor, moment)
    followed = 0
    async for decision in decisions_after(store, actor, state.rev):
        if not moment.includes(decision):
            break
        evolve(state, decision)
        followed += 1
        if followed % BURST == 0:
            await asyncio.sleep(0)
        if isinstance(moment, AtSequence) and sequence_of(state, moment.channel) == moment.sequence:
            break
    return state


async def _snapshot_before(store: Store, actor: Actor, moment: Moment) -> ActorState:
    row = await store.newest_snapshot(actor.kind, actor.id, moment.rev if isinstance(moment, AtRev) else None)
    while row is not None:
        try:
            state = decode(row.state, actor.kind)
        except SnapshotUnreadable as error:
            log.warning("snapshot_passed_over", kind=actor.kind, id=actor.id, rev=row.rev, error=str(error))
        else:
            if moment.reaches(state):
                return state
        row = await store.newest_snapshot(actor.kind, actor.id, row.rev - 1)
    return new_state(actor.id, actor.kind)
