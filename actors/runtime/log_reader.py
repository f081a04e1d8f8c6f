"""Reading one log stream for the partitions that a host owns, and handing every op to its partition (design D3).

Ops of awake weddings are folded before the callback awaits anything; those of sleeping ones queue, and a full mailbox pauses the
stream instead of dropping. A reader lives as long as the set of its partitions; ownership makes a new one when that changes.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from actors.contract.subjects import log_filter
from actors.runtime.log_messages import Marker, Undecodable, decode_message
from actors.runtime.partition import Partition
from actors.runtime.publish import send
from actors.runtime.resources import Background, Resources

#: How often waiting reads look whether an idle log has been read far enough.
IDLE_POLL_SECONDS: Final = 0.02
log = structlog.get_logger()


class Reader:
    """One stream's ops on their way to their partitions."""

    def __init__(self, resources: Resources, background: Background, stream: str, partitions: Mapping[int, Partition]) -> None:
        """Read after the least that any of the partitions has; the others drop what they have."""
        self._resources = resources
        self._partitions = partitions
        #: The op that waits for room in the mailbox.
        self._undecided: int | None = None
        #: The last position that came in, decided or not.
        self.received = 0
        self._consumer = resources.log.reader(
            stream,
            [log_filter(resources.settings.region, number) for number in sorted(partitions)],
            min(partition.read_before for partition in partitions.values()),
            self._on_message,
            on_reset=lambda reason: log.warning("log_reader_recreated", stream=stream, reason=reason),
            on_broken=background.fail,
        )

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    @property
    def position(self) -> int:
        """How far every op was handed over."""
        return self._consumer.position if self._undecided is None else self._undecided - 1

    async def _on_message(self, position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        self.received = position
        try:
            message = decode_message(position, timestamp_ms, subject, data)
        except Undecodable as error:
            self._report_undecodable(position, subject, data, error)
            return
        partition = self._partitions.get(message.partition)
        if partition is None or position <= partition.read_before or partition.halted_at is not None:
            return
        if isinstance(message, Marker):
            partition.obey(message)
            return
        if self._resources.mailbox.is_full:
            await self._wait_for_room(position)
        if partition.is_dropped:
            return
        publications = partition.deliver(message)
        if publications:
            await send(self._resources.bus, self._resources.counters, publications)

    async def _wait_for_room(self, position: int) -> None:
        self._undecided = position
        try:
            await self._resources.mailbox.wait_for_room()
        finally:
            self._undecided = None

    def _report_undecodable(self, position: int, subject: str, data: bytes, error: Undecodable) -> None:
        self._resources.counters.undecodable_messages += 1
        log.error("log_message_undecodable", subject=subject, position=position, error=str(error))
        self._resources.dead_letters.put("undecodable", subject, position, str(error), data)


async def reached(partition: Partition, position: int, within_seconds: float) -> bool:
    """Wait until the partition serves and has read up to `position`; False when that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while not (partition.is_serving and partition.position >= position):
        if partition.is_dropped or loop.time() >= deadline:
            return False
        await asyncio.sleep(IDLE_POLL_SECONDS)
    return True
