"""One owned partition: its actors, how far it has been read and stored, and what its actors report (design D2, D3, D7).

Positions are those of the partition's log stream. `checkpoint` is what Postgres has; `position` how far the log was read;
`settled` how far everything is decided, which an op that waits behind an activation holds back. Called by reader, calls, flusher.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

from actors.contract.conflicts import strategies_of
from actors.contract.decisions import Decision
from actors.contract.markers import SkipOp
from actors.runtime.activation import Waker
from actors.runtime.actor import Actor, Lifecycle, Unflushed
from actors.runtime.directives import Directives
from actors.runtime.errors import DecidedOtherwise, NotOwned, RulesUnknown, StillWaking, StoreWentBack
from actors.runtime.log_messages import LogMessage, Marker
from actors.runtime.publish import Publication
from actors.runtime.resources import Resources
from store.rules import MarkerRow

if TYPE_CHECKING:
    from actors.runtime.log_reader import Reader
    from actors.runtime.look_ups import LookUps

#: How finely the time of a wedding's last change is kept.
CHANGED_EVERY_SECONDS: Final = 0.1
NEVER: Final = 2**63  # above every position of a log
log = structlog.get_logger()


class Partition:
    """See the module. `read_before` is how far the log was read before the reader of today began."""

    def __init__(
        self,
        resources: Resources,
        waker: Waker,
        look_ups: "LookUps",
        number: int,
        checkpoint: int,
        serve_from: int,
        directives: Directives,
    ) -> None:
        self.resources = resources
        self.publisher, self.counters, self.now = resources.publisher, resources.counters, resources.now
        self.region, self.count = resources.settings.region, resources.settings.partitions
        self.number = number
        self.checkpoint = checkpoint
        self.moved_at = self.now()
        #: The stream's last position when this host took over; before it is read, nothing is answered.
        self.serve_from = serve_from
        self.read_before = checkpoint
        #: Up to here decisions were thrown away and must come from a silent fold.
        self.gap_end = checkpoint
        #: The first op of a wedding that cannot be read: from there on nothing can be stored.
        self.held_from = NEVER
        #: Stale: a wedding that could not be read can be, so the partition is to be taken anew, from its checkpoint on.
        self.is_dropped = self.is_stale = False
        self.reader: Reader | None = None
        #: With which rules each op is decided.
        self.directives = directives
        #: The first position that this build cannot decide, since it does not know the rules.
        self.halted_at: int | None = None
        self.actors: dict[tuple[str, str], Actor] = {}  # by kind and id
        #: Actors with ops that wait behind their activation.
        self.waiting: dict[Actor, None] = {}
        #: Actors with decisions that are not stored yet.
        self.dirty: dict[Actor, None] = {}
        #: When each wedding changed last, the longest ago first; for the heads beacon.
        self.changed: dict[Actor, float] = {}
        #: Actors that changed since their last snapshot, and when that began.
        self.unsnapshotted: dict[Actor, float] = {}
        self._waker, self.look_ups = waker, look_ups

    @property
    def position(self) -> int:
        """How far every op was handed to its actor or its queue."""
        return self._decidable(self.read_before if self.reader is None else max(self.read_before, self.reader.position))

    @property
    def settled(self) -> int:
        """How far every op is decided."""
        position = min(self.position, self.held_from - 1)
        for actor in self.waiting:
            position = min(position, actor.queue[0].position - 1)
        return position

    @property
    def is_serving(self) -> bool:
        """Tell whether it has read what the log held when this host took over (design D2 c)."""
        return not self.is_dropped and self.position >= self.serve_from

    @property
    def may_go_on(self) -> bool:
        """Tell whether it is still owned, and by a build that knows its rules."""
        return not self.is_dropped and self.halted_at is None

    @property
    def is_held(self) -> bool:
        return self.held_from < NEVER

    @property
    def has_gap(self) -> bool:
        return self.gap_end > self.checkpoint or self.is_held

    @property
    def fold_upto(self) -> int:
        """How far a silent fold may write what was thrown away; at or below the checkpoint there is nothing for it to do."""
        return min(self.gap_end, self.held_from - 1)

    def obey(self, marker: Marker) -> None:
        """Decide what follows as the marker says; a version that this build does not know halts the partition.

        Raises DecidedOtherwise when an op is to be skipped that was decided here.
        """
        skip = marker.directive
        if (
            isinstance(skip, SkipOp)
            and skip.position not in self.directives.skips
            and self.checkpoint < skip.position <= self.settled
        ):
            raise DecidedOtherwise(f"partition {self.number}: the op at {skip.position} is skipped at {marker.position}")
        try:
            self.directives.obey(marker)
        except RulesUnknown as error:
            self.halt(error)

    def halt(self, error: RulesUnknown) -> None:
        """Decide nothing more, since it would be with rules of another time; other partitions go on."""
        self.halted_at = max(error.position, self.checkpoint + 1)
        log.critical("partition_halted", partition=self.number, code=error.code, error=str(error))

    def _decidable(self, position: int) -> int:
        return position if self.halted_at is None else min(position, self.halted_at - 1)

    def deliver(self, message: LogMessage) -> list[Publication]:
        """Fold the op at once when its wedding is awake, else queue it behind the activation; returns what to send."""
        actor = self._actor(message.kind, message.id)
        actor.used_at = self.now()
        if actor.lifecycle is Lifecycle.FALLING_ASLEEP:
            actor.step(Lifecycle.AWAKE)
        if actor.lifecycle is Lifecycle.AWAKE:
            return actor.fold(message)
        if actor.is_unreadable:
            self.hold(message.position)
            return []
        actor.queue.append(message)
        self.waiting[actor] = None
        self.resources.mailbox.add(message.size)
        return []

    def cannot_read(self, actor: Actor, error: Exception) -> None:
        """Let an actor's ops wait in the log instead of in memory, where they would keep out those of others."""
        actor.is_unreadable = True
        if actor.queue:
            self.hold(actor.queue[0].position)
            self.resources.mailbox.remove(sum(message.size for message in actor.queue))
            actor.queue.clear()
            del self.waiting[actor]
        self._waker.unreadable.watch(self, actor.kind, actor.id, error)

    def cannot_fold(self, message: LogMessage, error: Exception) -> None:
        """Take note that a silent fold gets no further than before this op."""
        self.hold(message.position)
        self._waker.unreadable.watch(self, message.kind, message.id, error)

    def hold(self, position: int) -> None:
        """Store nothing from this op on; what is decided is not kept, since the partition is taken anew once that is over."""
        if position < self.held_from:
            self.held_from = position
            self.throw_away()

    def next_queued(self, actor: Actor) -> LogMessage:
        """Take the first waiting op of an actor; the caller decides it before anything else happens."""
        message = actor.queue.popleft()
        if not actor.queue:
            del self.waiting[actor]
        self.resources.mailbox.remove(message.size)
        return message

    async def awake(self, kind: str, identifier: str, within_seconds: float) -> Actor:
        """Return an actor, awake; raises StillWaking or NotOwned."""
        actor = self._actor(kind, identifier)
        actor.used_at = self.now()
        if actor.lifecycle is Lifecycle.FALLING_ASLEEP:
            actor.step(Lifecycle.AWAKE)
        if actor.lifecycle is not Lifecycle.AWAKE:
            waiter = asyncio.get_running_loop().create_future()
            actor.waiters.append(waiter)
            try:
                await asyncio.wait_for(waiter, within_seconds)
            except TimeoutError:
                raise StillWaking from None
        if self.is_dropped:
            raise NotOwned
        return actor

    def _actor(self, kind: str, identifier: str) -> Actor:
        if self.is_dropped:
            raise NotOwned
        actor = self.actors.get((kind, identifier))
        if actor is None:
            actor = self.actors[kind, identifier] = Actor(self, kind, identifier)
            actor.step(Lifecycle.WAKING)
            self._waker.wake(actor)
        return actor

    def let_go(self, actor: Actor) -> None:
        """Forget an actor that has reached ASLEEP."""
        actor.step(Lifecycle.ASLEEP)
        self.actors.pop((actor.kind, actor.id), None)
        self.unsnapshotted.pop(actor, None)

    def forget_unknown(self, actor: Actor) -> None:
        """Forget a wedding that was only asked about and never existed."""
        if actor.may_sleep and actor.awake_state.rev == 0:
            actor.step(Lifecycle.FALLING_ASLEEP)
            self.let_go(actor)

    def record(self, actor: Actor, decision: Decision, size: int) -> None:
        """Take note of a decision: it is to be stored and to be told in the beacon."""
        counters = self.counters
        counters.folded_ops += 1
        if decision.refusal is not None:
            counters.refused_ops += 1
        for strategy in strategies_of(decision.parts):
            counters.count_conflict(strategy)
        self.mark_changed(actor)
        self.unsnapshotted.setdefault(actor, actor.used_at)
        if not self.is_held and decision.position > max(self.gap_end, self.checkpoint):
            if not actor.unflushed:
                self.dirty[actor] = None
            actor.unflushed.append(Unflushed(decision, size))
            self.resources.buffer.add(size)

    def mark_changed(self, actor: Actor) -> None:
        """Take note that the wedding changed when it was last used, which is now; to a tenth of a second."""
        if actor.used_at - self.changed.get(actor, 0.0) > CHANGED_EVERY_SECONDS:
            self.changed.pop(actor, None)
            self.changed[actor] = actor.used_at

    def note_snapshot(self, kind: str, identifier: str, rev: int) -> None:
        """Take note that an actor's state at `rev` was written down; what has changed since waits from now on."""
        actor = self.actors.get((kind, identifier))
        # It may have slept and be waking anew: then it reads which snapshot there is.
        if actor is not None and actor.state is not None:
            actor.snapshot_rev = rev
            self.unsnapshotted.pop(actor, None)
            if actor.state.rev > rev:
                self.unsnapshotted[actor] = self.now()

    def markers_between(self, old: int, new: int) -> list[MarkerRow]:
        """Return what a flush from `old` to `new` stores of the rules."""
        return [MarkerRow(self.number, *marker) for marker in self.directives.between(old, new)]

    def settle(self, old: int, new: int, refused: Mapping[int, int]) -> None:
        """Take note of a flush from `old` to `new`; raises StoreWentBack, DecidedOtherwise when it passed an op to be skipped."""
        stored = refused.get(self.number, new)
        if refused.get(self.number) == old:
            raise DecidedOtherwise(f"partition {self.number}: an op above {old} is skipped, and was decided here")
        if stored < old:
            raise StoreWentBack(f"partition {self.number} was stored up to {old} and now says {stored}")
        if not self.is_dropped:
            self._move(stored)

    def _move(self, stored: int) -> None:
        self.checkpoint = stored
        self.gap_end = max(self.gap_end, stored)
        self.moved_at = self.now()
        for actor in list(self.dirty):
            self.resources.buffer.remove(*actor.forget_stored(stored))
            if not actor.unflushed:
                del self.dirty[actor]

    def throw_away(self) -> None:
        """Drop every unflushed decision; a silent fold writes them later (design D7)."""
        read = self.position if self.reader is None else self._decidable(max(self.position, self.reader.received))
        decided = max((actor.unflushed[-1].decision.position for actor in self.dirty), default=0)
        self.gap_end = max(self.gap_end, read, decided)
        for actor in self.dirty:
            self.resources.buffer.remove(*actor.forget_stored(self.gap_end))
        self.dirty.clear()

    def drop(self) -> None:
        """Give the partition up: nothing of it is kept, and whoever waits is told."""
        self.is_dropped = True
        for actor in self.actors.values():
            self.resources.buffer.remove(*actor.forget_stored(actor.unflushed[-1].decision.position if actor.unflushed else 0))
            self.resources.mailbox.remove(sum(message.size for message in actor.queue))
            actor.queue.clear()
            actor.release_waiters(NotOwned())
        self.actors.clear()
        self.waiting.clear()
        self.dirty.clear()
        self.changed.clear()
        self.unsnapshotted.clear()
