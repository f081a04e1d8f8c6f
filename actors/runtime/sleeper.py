"""Putting idle weddings to sleep, so that only awake ones cost memory (design D3, INV7).

An actor sleeps when nobody has used it for a while and Postgres has all of it; its snapshot is written first, and an op or a read
that comes meanwhile makes it stay. One that was never created does not stay at all. Started by the host's duty.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from actors.runtime.actor import Actor, Lifecycle
from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from actors.runtime.snapshot_policy import snapshot_of
from store.errors import GenerationChanged, StoreError

LOOK_SECONDS: Final = 1.0
log = structlog.get_logger()


class Sleeper:
    """Looks after the actors of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions

    async def run(self) -> None:
        idle_seconds = self._resources.settings.idle_actor_sleep_seconds
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, idle_seconds / 4))
            try:
                for actor in list(self._tired(self._resources.now() - idle_seconds)):
                    await self._put_to_sleep(actor)
            except GenerationChanged:
                raise
            except StoreError as error:
                log.warning("sleep_put_off", error=str(error))

    def _tired(self, used_before: float) -> Iterator[Actor]:
        for partition in self._partitions.values():
            if not partition.has_gap:
                for actor in partition.actors.values():
                    if actor.may_sleep and (actor.is_unknown or actor.used_at < used_before):
                        yield actor

    async def _put_to_sleep(self, actor: Actor) -> None:
        """Write the snapshot if there is news, then forget the actor unless it was needed meanwhile."""
        # With a gap it may have decided what nobody has stored: its decisions were thrown away after it had been found tired.
        if not actor.may_sleep or actor.partition.is_dropped or actor.partition.has_gap:
            return
        actor.step(Lifecycle.FALLING_ASLEEP)
        try:
            if actor.awake_state.rev > actor.snapshot_rev and not actor.is_unknown:
                row = snapshot_of(actor)
                self._resources.counters.snapshots += await self._resources.store.write_snapshots([row])
                actor.partition.note_snapshot(row.kind, row.id, row.rev)
        except StoreError:
            if actor.lifecycle is Lifecycle.FALLING_ASLEEP:
                actor.step(Lifecycle.AWAKE)
            raise
        if actor.lifecycle is Lifecycle.FALLING_ASLEEP and not actor.partition.is_dropped:
            actor.partition.let_go(actor)
            self._resources.counters.sleeps += 1
