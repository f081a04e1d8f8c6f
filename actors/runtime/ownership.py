"""The partitions that this host owns, and the readers that feed them (design D2, D3).

`take` and `give_up` change the set; a stream's reader is made anew when its partitions change, and each partition drops what it
has read before. Nothing is taken whose log does not hold what its checkpoint says was read. Called by the host's duty.
"""

from collections import defaultdict
from collections.abc import Iterable

import structlog

from actors.contract.subjects import log_stream
from actors.domain.rules import NEWEST
from actors.runtime.activation import Waker
from actors.runtime.directives import Directives
from actors.runtime.errors import LogLost, RulesUnknown
from actors.runtime.log_reader import Reader
from actors.runtime.look_ups import LookUps
from actors.runtime.partition import Partition
from actors.runtime.poison import skips_of
from actors.runtime.resources import Background, Resources
from actors.runtime.unreadable import Unreadable

log = structlog.get_logger()


class Ownership:
    """See the module. `partitions` is the one dictionary that every other part of the host looks at."""

    def __init__(self, resources: Resources, background: Background) -> None:
        self.partitions: dict[int, Partition] = {}
        self._resources = resources
        self._background = background
        self.unreadable = Unreadable(resources, background)
        self._waker = Waker(resources, background, self.unreadable)
        self._look_ups = LookUps(resources, background)
        self._readers: dict[int, Reader] = {}
        #: Streams whose reader does not fit the partitions owned now.
        self._stale: set[int] = set()

    async def take(self, numbers: Iterable[int]) -> None:
        """Own these partitions too, from their checkpoints on; raises StoreError, LogLost."""
        resources = self._resources
        by_stream = self._by_stream(numbers)
        # While others store and trim, a beginning is covered by checkpoints read later, and an end covers those read before.
        firsts = {stream: (await resources.log.positions(log_stream(stream)))[0] for stream in by_stream}
        checkpoints = await resources.store.checkpoints()
        markers = await resources.store.rules_markers(begin_with=NEWEST)
        skips = await skips_of(resources, by_stream, checkpoints)
        taken = []
        for stream, members in by_stream.items():
            _, last = await resources.log.positions(log_stream(stream))
            for number in members:
                require_log(number, checkpoints[number], firsts[stream], last)
                taken.append(self._partition(number, checkpoints[number], last, markers[number], skips[number]))
        self.partitions.update({partition.number: partition for partition in taken})
        await self._read_anew(by_stream)
        log.info("partitions_taken", count=len(taken), owned=len(self.partitions))

    def _partition(
        self, number: int, checkpoint: int, serve_from: int, markers: list[tuple[int, int]], skips: set[int]
    ) -> Partition:
        """Make a partition that decides with the rules in force at its checkpoint, or not at all when they are not known here."""
        try:
            return Partition(
                self._resources, self._waker, self._look_ups, number, checkpoint, serve_from, Directives(markers, skips)
            )
        except RulesUnknown as error:
            partition = Partition(self._resources, self._waker, self._look_ups, number, checkpoint, serve_from, Directives())
            partition.halt(error)
            return partition

    async def require_servers(self, numbers: Iterable[int]) -> None:
        """Raise StoreError when these partitions could not be taken at this moment, before they are given up to be taken anew."""
        for stream in self._by_stream(numbers):
            await self._resources.log.positions(log_stream(stream))
        await self._resources.store.checkpoints()

    async def give_up(self, numbers: Iterable[int]) -> None:
        """Stop owning these partitions; nothing of them is kept."""
        by_stream = self._by_stream(numbers)
        for members in by_stream.values():
            for number in members:
                self.partitions.pop(number).drop()
        await self._read_anew(by_stream)
        log.info("partitions_given_up", count=sum(map(len, by_stream.values())), owned=len(self.partitions))

    async def _read_anew(self, streams: Iterable[int]) -> None:
        self._stale.update(streams)
        await self.mend()

    async def mend(self) -> None:
        """Make the readers anew whose partitions changed or that could not be made; raises StoreError, LogMismatch."""
        for stream in list(self._stale):
            await self._stop_reader(stream)
            members = {
                number: each for number, each in self.partitions.items() if number % self._resources.identity.streams == stream
            }
            if members:
                reader = Reader(self._resources, self._background, log_stream(stream), members)
                await reader.start()
                self._readers[stream] = reader
                for partition in members.values():
                    partition.reader = reader
            self._stale.discard(stream)

    async def _stop_reader(self, stream: int) -> None:
        reader = self._readers.pop(stream, None)
        if reader is None:
            return
        await reader.stop()
        for partition in self.partitions.values():
            if partition.reader is reader:
                partition.read_before = partition.position
                partition.reader = None

    async def stop_reading(self) -> None:
        """Stop every reader and keep the partitions; for an orderly end."""
        for stream in list(self._readers):
            await self._stop_reader(stream)

    async def drop(self) -> None:
        """Stop everything and keep nothing."""
        await self.stop_reading()
        for partition in self.partitions.values():
            partition.drop()
        self.partitions.clear()

    def _by_stream(self, numbers: Iterable[int]) -> dict[int, list[int]]:
        by_stream: defaultdict[int, list[int]] = defaultdict(list)
        for number in numbers:
            by_stream[number % self._resources.identity.streams].append(number)
        return dict(by_stream)


def require_log(partition: int, checkpoint: int, first: int, last: int) -> None:
    """Raise LogLost when the log ends before the checkpoint or begins with a hole above it (design D12)."""
    if last < checkpoint:
        raise LogLost(f"Partition {partition} was stored up to {checkpoint}, but the log ends at {last}; restore or re-seed it.")
    if first > checkpoint + 1:
        raise LogLost(
            f"Partition {partition} was stored up to {checkpoint}, but the log begins at {first}; restore or re-seed it."
        )
