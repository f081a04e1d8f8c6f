"""The other gateways: which of them live, and the way of this gateway's presence messages to them (design D9).

A gateway that is silent for `member_timeout_seconds`, or that comes back under another boot, is lost with all its people; any
sign of life of an unknown one makes it known. Messages leave in order through one queue. Knows no rooms: the hub names the
changed ones for the beat and is told who appeared, beat or was lost.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from actors.contract.presence import PresenceBeat, PresenceDiff, PresenceMessage
from actors.contract.subjects import presence_beat_subject
from config.settings import Settings
from gateway.errors import UNREADABLE
from gateway.presence.people import Source
from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError

#: Messages that may wait for NATS, two for each room of a full gateway; what is dropped beyond it shows as a gap.
_OUTBOX_MESSAGES: Final = 40_000
_FAREWELL_SECONDS: Final = 0.5

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[PresenceMessage] = msgspec.json.Decoder(PresenceMessage)


def decoded(data: bytes) -> PresenceMessage | None:
    """Read a presence message; what cannot be read is dropped with a log line."""
    try:
        return _decoder.decode(data)
    except UNREADABLE:
        _log.warning("presence_unreadable", size=len(data))
        return None


def diff_head(source: Source) -> bytes:
    """The bytes that every diff of this gateway's life begins with."""
    return _encode(PresenceDiff(*source, 0, whole=False, connections={})).partition(b",0,")[0] + b","


class Neighbours:
    """`appeared` is called with a gateway that was unknown or lost, `beat` with each beat, `lost` with a gateway that is gone."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        own: Source,
        *,
        versions: Callable[[], Mapping[str, int]],
        appeared: Callable[[Source], None],
        beat: Callable[[PresenceBeat], None],
        lost: Callable[[Source], None],
    ) -> None:
        self._bus = bus
        self._own = own
        self._subject = presence_beat_subject(settings.region)
        self._interval_seconds = settings.heartbeat_interval_seconds
        self._timeout_seconds = settings.member_timeout_seconds
        self._versions = versions
        self._appeared = appeared
        self._on_each_beat = beat
        self._on_lost = lost
        self._heard_at: dict[Source, float] = {}
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_OUTBOX_MESSAGES)
        self._is_dropping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._subscription: BusSubscription | None = None

    async def start(self) -> None:
        """Begin to listen, and to tell the others that this gateway lives."""
        self._subscription = await self._bus.subscribe(self._subject, self._on_beat)
        self._tasks = [asyncio.create_task(self._send_outbox()), asyncio.create_task(self._keep_alive())]

    async def stop(self) -> None:
        """Send what waits, for a moment, and fall silent."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._outbox.join(), _FAREWELL_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def alive(self) -> set[Source]:
        """The other gateways that live."""
        return set(self._heard_at)

    @property
    def has_any(self) -> bool:
        return bool(self._heard_at)

    def hear(self, source: Source) -> None:
        """Something came from this gateway; one that sent a change and died before its first beat must not stay for ever."""
        if source in self._heard_at:
            return
        for other in [known for known in self._heard_at if known.gateway == source.gateway]:
            self._lose(other)
        self._heard_at[source] = time.monotonic()
        self._appeared(source)

    def forgive(self) -> None:
        """While NATS was away, or this process asleep, nobody could be heard: everybody's time begins anew."""
        self._heard_at = dict.fromkeys(self._heard_at, time.monotonic())

    def send(self, subject: str, message: PresenceMessage) -> None:
        """Queue a message; it is dropped when NATS is away or too slow."""
        if self._outbox.full():
            if not self._is_dropping:
                _log.warning("presence_dropped", waiting=self._outbox.qsize())
            self._is_dropping = True
            return
        self._is_dropping = False
        self._outbox.put_nowait((subject, _encode(message)))

    async def _on_beat(self, message: Message) -> None:
        beat = decoded(message.data)
        if not isinstance(beat, PresenceBeat) or beat.boot == self._own.boot:
            return
        source = Source(beat.gateway, beat.boot)
        self.hear(source)
        self._heard_at[source] = time.monotonic()
        self._on_each_beat(beat)

    async def _keep_alive(self) -> None:
        woke_at = time.monotonic()
        while True:
            now = time.monotonic()
            try:
                self.send(self._subject, PresenceBeat(*self._own, dict(self._versions())))
                # Who was itself asleep, or cut off, has no right to call others dead.
                if not self._bus.connected or now - woke_at > 3 * self._interval_seconds:
                    self.forgive()
                else:
                    self._lose_the_silent(now)
            except Exception:
                _log.exception("presence_beat_failed")
            woke_at = now
            await asyncio.sleep(self._interval_seconds)

    def _lose_the_silent(self, now: float) -> None:
        for source in [each for each, heard in self._heard_at.items() if now - heard > self._timeout_seconds]:
            self._lose(source)

    def _lose(self, source: Source) -> None:
        del self._heard_at[source]
        _log.info("presence_gateway_lost", gateway=source.gateway)
        self._on_lost(source)

    async def _send_outbox(self) -> None:
        while True:
            subject, payload = await self._outbox.get()
            try:
                await self._bus.publish(subject, payload)
            except StoreError:
                # Nothing is sent late: after the reconnection everybody asks for the whole.
                pass
            except Exception:
                _log.exception("presence_not_sent")
            finally:
                self._outbox.task_done()
