"""Waking weddings: newest snapshot, stored changes, then the ops that came meanwhile (design D3, D7).

`load` is also what the silent fold starts from. While Postgres is away a wedding is tried again for as long as somebody needs it;
its ops wait and hold the checkpoint back. One whose stored form is damaged is left to `unreadable`. Called by partitions.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from actors.domain.errors import SnapshotUnreadable
from actors.domain.evolve import evolve
from actors.domain.snapshot_form import FORMAT, decode
from actors.domain.state import ActorState, new_state
from actors.runtime.actor import Actor, Lifecycle
from actors.runtime.ports import Store
from actors.runtime.publish import Publication, send
from store.errors import PASSING

if TYPE_CHECKING:
    from actors.runtime.resources import Background, Resources
    from actors.runtime.unreadable import Unreadable

#: Decisions read at once, and ops folded at once, before others have their turn.
PAGE: Final = 1000
BURST: Final = 200
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
log = structlog.get_logger()


async def load(store: Store, kind: str, identifier: str) -> tuple[ActorState, int]:
    """Return an actor as Postgres has it, and the rev of the snapshot it was built from; raises StoreError."""
    state = await _from_snapshot(store, kind, identifier)
    snapshot_rev = state.rev
    while True:
        decisions = await store.read_after(kind, identifier, state.rev, limit_decisions=PAGE)
        for decision in decisions:
            evolve(state, decision)
        if len(decisions) < PAGE:
            return state, snapshot_rev


async def _from_snapshot(store: Store, kind: str, identifier: str) -> ActorState:
    """Return the newest state that can be read: one that is damaged or of a newer version is passed over for the one before."""
    row = await store.newest_snapshot(kind, identifier)
    while row is not None:
        try:
            return decode(row.state, kind)
        except SnapshotUnreadable as error:
            found = {"rev": row.rev, "format": row.format, "known_format": FORMAT}
            log.warning("snapshot_passed_over", kind=kind, id=identifier, error=str(error), **found)
        row = await store.newest_snapshot(kind, identifier, row.rev - 1)
    return new_state(identifier, kind)


class Waker:
    """Activates actors, a few at a time so that flushes always find a free connection."""

    def __init__(self, resources: "Resources", background: "Background", unreadable: "Unreadable") -> None:
        self._resources = resources
        self._background = background
        self.unreadable = unreadable

    def wake(self, actor: Actor) -> None:
        """Begin; the actor is WAKING until its state and its queue are folded."""
        self._background.start(self._wake(actor), f"wake {actor.id}")

    async def _wake(self, actor: Actor) -> None:
        attempt = 0
        while not actor.partition.is_dropped:
            try:
                async with self._resources.reading:
                    state, actor.snapshot_rev = await load(self._resources.store, actor.kind, actor.id)
            except PASSING as error:
                self._resources.counters.activation_failures += 1
                log.warning("activation_waits", kind=actor.kind, id=actor.id, error=str(error), queued=len(actor.queue))
                if not actor.queue and not actor.has_waiters():
                    actor.partition.let_go(actor)
                    return
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
                continue
            except Exception as error:
                self._resources.counters.activation_failures += 1
                if not actor.partition.is_dropped:
                    actor.partition.cannot_read(actor, error)
                return
            await self._catch_up(actor, state)
            return

    async def _catch_up(self, actor: Actor, state: ActorState) -> None:
        """Fold what came meanwhile; the queue is empty and the actor awake in one step."""
        partition = actor.partition
        actor.state = state
        actor.used_at = self._resources.now()
        if state.rev > actor.snapshot_rev:
            partition.unsnapshotted[actor] = actor.used_at
        if actor.queue and actor.queue[0].position <= state.position:
            # Somebody else decided and stored it; gateways may have missed the envelope and learn of it by the beacon.
            partition.mark_changed(actor)
        while actor.queue:
            publications: list[Publication] = []
            for _ in range(min(BURST, len(actor.queue))):
                publications += actor.fold(partition.next_queued(actor))
            await send(self._resources.bus, self._resources.counters, publications)
            await asyncio.sleep(0)
        if partition.is_dropped:
            return
        actor.step(Lifecycle.AWAKE)
        self._resources.counters.activations += 1
        actor.release_waiters()
