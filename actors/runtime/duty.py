"""One life of a host: it joins, owns its share of the partitions, and works for them until it ends or has missed itself.

A host that missed its own heartbeats drops this and begins another one (design D2 d); nothing is carried over but connections and
counters. Owned by the host.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from actors.runtime.beacon import Beacon
from actors.runtime.calls import Calls
from actors.runtime.flusher import Flusher
from actors.runtime.heartbeats import Heartbeats
from actors.runtime.housekeeping import Housekeeping
from actors.runtime.log_reader import reached
from actors.runtime.outbox import OutboxSender
from actors.runtime.ownership import Ownership
from actors.runtime.placement import partitions_of
from actors.runtime.resources import Background, Resources
from actors.runtime.sleeper import Sleeper
from actors.runtime.timers import TimerSender
from actors.runtime.trimmer import Trimmer
from store.errors import GenerationChanged, LogMismatch, StoreError

#: How often the share is looked at when nobody is heard.
LOOK_SECONDS: Final = 0.1
#: How long a host that goes still folds, while its successors take over and wake the weddings that are busy.
HAND_OVER_SECONDS: Final = 1.0
DRAIN_POLL_SECONDS: Final = 0.01
log = structlog.get_logger()


class Duty:
    """See the module."""

    def __init__(self, resources: Resources) -> None:
        settings = resources.settings
        self._resources = resources
        self.buffer = resources.buffer
        self.mailbox = resources.mailbox
        self._background = Background(resources.failure)
        self._heartbeats = Heartbeats(resources.bus, settings, resources.new_boot(), resources.now)
        self.ownership = Ownership(resources, self._background)
        partitions = self.ownership.partitions
        self._outbox = OutboxSender(resources, partitions)
        self._timers = TimerSender(resources, partitions)
        self.flusher = Flusher(resources, partitions, self._outbox, self._timers)
        self.calls = Calls(resources, self._background, partitions, self._heartbeats.is_current)
        self._parts = (
            self._heartbeats, self.flusher, self._outbox, self._timers, Beacon(resources, partitions),
            Sleeper(resources, partitions), Housekeeping(resources, partitions), Trimmer(resources, partitions),
            resources.dead_letters,
        )  # fmt: skip
        #: Until when partitions that belong to another host by now are kept, in monotonic seconds.
        self._kept_until: dict[int, float] = {}

    async def begin(self) -> None:
        """Join and take the first share; returns when all of it is read up to what the log held. Raises StoreError, LogLost."""
        await self._heartbeats.join()
        for part in self._parts:
            self._background.start(part.run(), type(part).__name__)
        await self._take_share()
        # What an earlier life met may be over; nobody waits until PostgreSQL has taken note.
        self._background.start(self.ownership.unreadable.tell(), "withdraw alarms")
        for partition in list(self.ownership.partitions.values()):
            while partition.may_go_on and not await reached(partition, 0, LOOK_SECONDS):
                if self._resources.failure.done():
                    self._resources.failure.result()

    async def until_lost(self) -> None:
        """Keep the share right; returns when this host has missed its own beats and must begin anew."""
        heard = self._heartbeats.heard
        while self._heartbeats.is_current():
            try:
                await self._take_share()
            except (GenerationChanged, LogMismatch):
                raise
            except StoreError as error:
                log.warning("share_put_off", error=str(error))
            heard.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), LOOK_SECONDS)

    async def _take_share(self) -> None:
        """Take what belongs to this host now, and give up what has belonged to another one for the length of the overlap."""
        settings = self._resources.settings
        share = partitions_of(settings.host_id, self._heartbeats.alive(), settings.partitions)
        owned = self.ownership.partitions.keys()
        now = self._resources.now()
        until = now + settings.member_timeout_seconds
        self._kept_until = {number: self._kept_until.get(number, until) for number in owned - share}
        over = {number for number, end in self._kept_until.items() if now >= end}
        over |= await self._to_be_taken_anew(owned & share)
        if over:
            await self.calls.listen_to(owned - over)
            await self.ownership.give_up(over)
        if gained := share - owned:
            await self.ownership.take(gained)
            self._outbox.nudge()
            self._timers.nudge()
        await self.ownership.mend()
        await self.calls.listen_to(owned)

    async def _to_be_taken_anew(self, numbers: set[int]) -> set[int]:
        """Return the stale ones; none while a server is away, since nobody would own them until it is back."""
        stale = {number for number in numbers if self.ownership.partitions[number].is_stale}
        try:
            if stale:
                await self.ownership.require_servers(stale)
        except (GenerationChanged, LogMismatch):
            raise
        except StoreError as error:
            log.warning("partitions_not_taken_anew", count=len(stale), error=str(error))
            return set()
        return stale

    async def drain(self) -> None:
        """End in good order: say so, hand over, stop reading, store and snapshot everything; raises StoreError."""
        settings = self._resources.settings
        await self._heartbeats.leave()
        if self._heartbeats.alive() - {settings.host_id}:
            # It answers no reads any more, but what it decides reaches everybody at once; receivers drop what comes twice.
            await asyncio.sleep(min(HAND_OVER_SECONDS, settings.drain_seconds / 4))
        await self.ownership.stop_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.drain_seconds / 2):
                await self._decide_what_waits()
        await self.flusher.drain()
        await self.ownership.unreadable.end()

    async def _decide_what_waits(self) -> None:
        while any(partition.waiting for partition in self.ownership.partitions.values()):  # noqa: ASYNC110  # once in a life
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    async def end(self) -> None:
        """Drop everything."""
        await self._background.stop()
        await self.calls.listen_to(())
        await self._heartbeats.stop()
        await self.ownership.drop()
