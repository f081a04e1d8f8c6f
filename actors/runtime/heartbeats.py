"""Beating, and hearing the others beat (design D2 d, D3): the one place that feeds `Members` from NATS and the monotonic clock.

A newcomer asks for beats, so that it knows the others before it takes partitions. `is_current` is what every answer to a read
depends on. Started by the host's duty, one per life.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from actors.contract.subjects import members_subject
from actors.domain.rules import NEWEST
from actors.runtime.membership import Heartbeat, Members
from actors.runtime.ports import Bus, Subscription
from config.settings import Settings
from store.bus import Message
from store.errors import BusDown

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Heartbeat).decode


class Heartbeats:
    """One life of one host among the others."""

    def __init__(self, bus: Bus, settings: Settings, boot: str, now: Callable[[], float]) -> None:
        self._bus = bus
        self._now = now
        self._subject = members_subject(settings.region)
        self._interval_seconds = settings.heartbeat_interval_seconds
        self._own = Heartbeat(settings.host_id, boot, rules=NEWEST)
        self._members = Members(settings.host_id, settings.member_timeout_seconds)
        self._subscription: Subscription | None = None
        self._has_left = False
        #: Set whenever somebody was heard.
        self.heard = asyncio.Event()

    async def join(self) -> None:
        """Begin to listen, ask everybody to beat, and return when it is known who is there; waits for NATS."""
        self._subscription = await self._bus.subscribe(self._subject, self._on_beat)
        while self._members.lost_itself(self._now()):
            self.heard.clear()
            await self._beat(msgspec.structs.replace(self._own, joining=True))
            try:
                await asyncio.wait_for(self.heard.wait(), self._interval_seconds)
            except TimeoutError:
                continue
        # The others answer at once; half an interval is plenty.
        await asyncio.sleep(self._interval_seconds / 2)

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await self._beat(self._own)
            await asyncio.sleep(self._interval_seconds)

    async def leave(self) -> None:
        """Say that this host goes, so that the others need not wait for its silence; it beats no more."""
        await self._beat(msgspec.structs.replace(self._own, leaving=True))
        self._has_left = True

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def alive(self) -> frozenset[str]:
        """Return the hosts that are alive."""
        return self._members.alive(self._now())

    def is_current(self) -> bool:
        """Tell whether this host has heard itself all the time; one that has not may not answer and begins anew."""
        return not self._members.lost_itself(self._now())

    async def _beat(self, beat: Heartbeat) -> None:
        if not self._has_left:
            # Without a connection nobody hears it anyway, this host included, and begins anew.
            with suppress(BusDown):
                await self._bus.publish(self._subject, _encode(beat))

    async def _on_beat(self, message: Message) -> None:
        try:
            beat = _decode(message.data)
        except msgspec.MsgspecError:
            return
        self._members.hear(beat, self._now())
        self.heard.set()
        if beat.joining and beat.host != self._own.host:
            await self._beat(self._own)
