"""The heads beacon: once a second, per owned partition, which weddings changed lately and where they stand (design D8).

Core NATS is at most once, so a lost last envelope shows only here; a partition where nothing changed says so too, so that
gateways can tell quiet from silence. Started by the host's duty.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from actors.contract.envelopes import Head, Heads
from actors.contract.subjects import heads_subject
from actors.runtime.partition import Partition
from actors.runtime.publish import send
from actors.runtime.resources import Resources

#: A beacon message stays below 64 KB: a head is at most 64 bytes of id and four integers.
HEADS_PER_MESSAGE: Final = 450
_encode: Final = msgspec.json.Encoder().encode


class Beacon:
    """The beacon of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        self._resources = resources
        self._partitions = partitions

    async def run(self) -> None:
        settings = self._resources.settings
        while True:
            await asyncio.sleep(settings.heads_interval_seconds)
            oldest = self._resources.now() - settings.heads_window_seconds
            for partition in list(self._partitions.values()):
                if partition.is_serving:
                    subject = heads_subject(settings.region, partition.number)
                    messages = beacon_of(partition, self._resources.identity.generation, oldest)
                    await send(self._resources.bus, self._resources.counters, [(subject, _encode(heads)) for heads in messages])


def beacon_of(partition: Partition, generation: int, oldest: float) -> list[Heads]:
    """Return the messages for the weddings that changed after `oldest`, at least one; older ones are forgotten."""
    while partition.changed:
        actor, changed_at = next(iter(partition.changed.items()))
        if changed_at >= oldest:
            break
        del partition.changed[actor]
    heads = [
        Head(actor.kind, actor.id, actor.state.position, actor.state.rev, actor.state.acl)
        for actor in partition.changed
        if actor.state is not None
    ]
    return [Heads(generation, partition.number, partition.settled, piece) for piece in _pieces(heads)]


def _pieces(heads: Iterable[Head]) -> Iterator[tuple[Head, ...]]:
    waiting = tuple(heads)
    yield waiting[:HEADS_PER_MESSAGE]
    for start in range(HEADS_PER_MESSAGE, len(waiting), HEADS_PER_MESSAGE):
        yield waiting[start : start + HEADS_PER_MESSAGE]
