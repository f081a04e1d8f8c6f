"""Presence of all weddings at one gateway: what sessions, HTTP and intake call, and the talk with the other gateways (design D9).

A room is open while somebody here looks at it. Gateways tell each other changes with a version per room and a heartbeat; who
notices a gap asks for the whole, and a gateway that fell silent is forgotten with all its people. Nothing enters the log.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from actors.contract.channels import Rights
from actors.contract.presence import PresenceAsk, PresenceBeat, PresenceDiff, PresenceRecord
from actors.contract.subjects import presence_subject
from config.settings import Settings
from gateway.errors import Refused
from gateway.presence.masking import check_presence
from gateway.presence.neighbours import Neighbours, decoded
from gateway.presence.people import Source
from gateway.presence.room import Listener, PresenceRoom
from gateway.rate import TokenBucket
from store.bus import Bus, BusSubscription, Message

#: A room without listeners stays open this long, so that repeated questions find it.
_LINGER_SECONDS: Final = 10.0
#: Beats name the rooms that changed within this time.
_CHANGED_LATELY_SECONDS: Final = 10.0
#: How long a question for the whole waits for the other gateways, and the pause between two such questions.
_ANSWER_SECONDS: Final = 0.25
_ASK_AGAIN_SECONDS: Final = 0.5
_SWEEP_SECONDS: Final = 1.0

_log = structlog.get_logger()


class _OpenRoom:
    """A room, its subscription, and which gateways still owe their whole."""

    def __init__(self, room: PresenceRoom, now: float) -> None:
        self.room = room
        self.used_at = now
        self.changed_at = now
        self.subscription: BusSubscription | None = None
        self.opening: asyncio.Task[None] | None = None
        self.awaited: set[Source] = set()
        self.is_whole = asyncio.Event()
        self.asked_at: dict[str, float] = {}
        self.expires_at: dict[str, float] = {}
        self.buckets: dict[str, TokenBucket] = {}


class PresenceHub:
    """See the module. Methods that are not coroutines may be called from anywhere on the loop."""

    def __init__(self, bus: Bus, settings: Settings, boot: str) -> None:
        self._bus = bus
        self._settings = settings
        self._own = Source(settings.gateway_id, boot)
        self._rooms: dict[str, _OpenRoom] = {}
        #: Rooms that open again go on from here: versions never go back within a boot.
        self._version = 0
        self._neighbours = Neighbours(
            bus, settings, self._own, versions=self._changed_lately, heard=self._on_beat, lost=self._on_lost
        )
        self._tidying: asyncio.Task[None] | None = None
        #: Called with wedding, person and what that person now shows here, None when gone.
        self.on_change: list[Callable[[str, str, dict[str, Any] | None], None]] = []
        self.on_gateway_lost: list[Callable[[Source], None]] = []
        self.updates = 0

    async def start(self) -> None:
        """Begin to listen to the other gateways and to tell them that this one lives."""
        await self._neighbours.start()
        self._bus.on_reconnect.append(self._resume)
        self._tidying = asyncio.create_task(self._keep_tidy())

    async def stop(self) -> None:
        """Take leave: whoever is still here is gone for the other gateways."""
        for wedding, opened in self._rooms.items():
            for connection in list(opened.room.people.connections_of(self._own)):
                opened.room.leave(connection)
                self._set(wedding, connection, None)
            opened.room.flush()
        if self._tidying is not None:
            self._tidying.cancel()
            self._bus.on_reconnect.remove(self._resume)
        await self._neighbours.stop()
        for opened in list(self._rooms.values()):
            await self._close(opened)

    @property
    def room_count(self) -> int:
        return len(self._rooms)

    def join(self, wedding: str, listener: Listener) -> None:
        """A socket is here: its person appears to the others, and it gets the whole, then what changes."""
        room = self._open(wedding).room
        room.join(listener)
        self._set(wedding, listener.connection, PresenceRecord(listener.principal, _now_ms(), {"status": "online"}))

    def leave(self, wedding: str, connection: str) -> None:
        """A socket is gone."""
        opened = self._rooms.get(wedding)
        if opened is not None:
            opened.buckets.pop(connection, None)
            opened.room.leave(connection)
            self._set(wedding, connection, None)

    def update(self, wedding: str, principal: str, connection: str, presence: Mapping[str, Any] | None) -> None:
        """A connection says where its person is, None for nowhere; raises Refused bad_value, too_large or slow_down."""
        opened = self._open(wedding)
        now = time.monotonic()
        bucket = opened.buckets.get(connection)
        if bucket is None:
            rate = self._settings.limits.presence_per_second
            bucket = opened.buckets[connection] = TokenBucket(rate, 2 * rate, now)
        if bucket.wait_seconds(now):
            raise Refused("slow_down", "Too many presence updates at once.", "Send the latest one again in a moment.")
        bucket.take()
        if presence is not None:
            check_presence(presence, self._settings.limits.presence_bytes)
        self.updates += 1
        record = None if presence is None else PresenceRecord(principal, _now_ms(), dict(presence))
        self._set(wedding, connection, record)

    def announce(self, wedding: str, principal: str, presence: Mapping[str, Any] | None, *, entrance: str) -> None:
        """The same from an entrance without a socket: it is forgotten by itself after a while. Raises as `update`."""
        connection = f"{entrance}-{principal}"
        self.update(wedding, principal, connection, presence)
        self._rooms[wedding].expires_at[connection] = time.monotonic() + self._settings.presence_without_socket_seconds

    def rights_changed(self, wedding: str) -> None:
        """Somebody's rights changed: who sees something else now gets the whole again."""
        opened = self._rooms.get(wedding)
        if opened is not None:
            opened.room.refresh()

    async def whole(self, wedding: str, rights: Rights) -> dict[str, dict[str, Any]]:
        """Everybody who is in a wedding, as a reader with these rights sees them: {person: presence}."""
        opened = self._open(wedding)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await opened.is_whole.wait()
        except TimeoutError:
            # A gateway that does not answer has nobody there, or is about to be forgotten.
            opened.is_whole.set()
        return opened.room.view(rights)

    def _set(self, wedding: str, connection: str, record: PresenceRecord | None) -> None:
        room = self._rooms[wedding].room
        user = room.put(connection, record)
        if user is not None:
            seen = room.people.seen(user)
            for listener in self.on_change:
                listener(wedding, user, seen)

    def _open(self, wedding: str) -> _OpenRoom:
        opened = self._rooms.get(wedding)
        now = time.monotonic()
        if opened is None:
            subject = presence_subject(self._settings.region, wedding)

            def publish(diff: PresenceDiff) -> None:
                self._version = max(self._version, diff.version)
                made.changed_at = time.monotonic()
                self._neighbours.send(subject, diff)

            made = _OpenRoom(PresenceRoom(self._settings, self._own, self._version, publish), now)
            opened = self._rooms[wedding] = made
            made.opening = asyncio.create_task(self._listen(wedding, made))
        opened.used_at = now
        return opened

    async def _listen(self, wedding: str, opened: _OpenRoom) -> None:
        async def on_message(message: Message) -> None:
            self._on_room_message(wedding, opened, message.data)

        subject = presence_subject(self._settings.region, wedding)
        opened.subscription = await self._bus.subscribe(subject, on_message)
        opened.awaited = self._neighbours.alive()
        if not opened.awaited:
            opened.is_whole.set()
        self._ask(wedding, opened, "")

    def _on_room_message(self, wedding: str, opened: _OpenRoom, data: bytes) -> None:
        message = decoded(data)
        if isinstance(message, PresenceAsk):
            if message.asker != self._own.boot and message.gateway in ("", self._own.gateway):
                opened.room.tell_whole()
        elif isinstance(message, PresenceDiff) and message.boot != self._own.boot:
            users = opened.room.people.follow(message)
            if users is None:
                self._ask(wedding, opened, message.gateway)
                return
            opened.room.changed(users)
            opened.awaited.discard(Source(message.gateway, message.boot))
            if not opened.awaited:
                opened.is_whole.set()

    def _on_beat(self, beat: PresenceBeat, had_been_lost: bool) -> None:
        source = Source(beat.gateway, beat.boot)
        behind = list(self._rooms)
        if not had_been_lost:
            behind = [
                wedding
                for wedding, version in beat.versions.items()
                if (opened := self._rooms.get(wedding)) is not None and opened.room.people.version(source) < version
            ]
        for wedding in behind:
            self._ask(wedding, self._rooms[wedding], beat.gateway)

    def _on_lost(self, source: Source) -> None:
        for opened in self._rooms.values():
            opened.awaited.discard(source)
            opened.room.changed(opened.room.people.drop_source(source))
        for listener in self.on_gateway_lost:
            listener(source)

    def _changed_lately(self) -> dict[str, int]:
        lately = time.monotonic() - _CHANGED_LATELY_SECONDS
        return {wedding: opened.room.version for wedding, opened in self._rooms.items() if opened.changed_at > lately}

    def _ask(self, wedding: str, opened: _OpenRoom, gateway: str) -> None:
        now = time.monotonic()
        if now - opened.asked_at.get(gateway, -_ASK_AGAIN_SECONDS) >= _ASK_AGAIN_SECONDS:
            opened.asked_at[gateway] = now
            self._neighbours.send(presence_subject(self._settings.region, wedding), PresenceAsk(gateway, self._own.boot))

    def _resume(self) -> None:
        """After a reconnection changes were missed on both sides."""
        self._neighbours.reconnected()
        for wedding, opened in self._rooms.items():
            opened.room.tell_whole()
            opened.asked_at.clear()
            self._ask(wedding, opened, "")

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self._sweep(time.monotonic())
            except Exception:
                _log.exception("presence_sweep_failed")

    async def _sweep(self, now: float) -> None:
        """Forget what was said without a socket long ago, and close rooms that nobody looks at."""
        for wedding, opened in list(self._rooms.items()):
            for connection in [each for each, until in opened.expires_at.items() if until < now]:
                del opened.expires_at[connection]
                opened.buckets.pop(connection, None)
                self._set(wedding, connection, None)
            in_use = opened.room.listeners or opened.room.people.connections_of(self._own)
            if not in_use and now - max(opened.used_at, opened.changed_at) > _LINGER_SECONDS:
                del self._rooms[wedding]
                await self._close(opened)

    @staticmethod
    async def _close(opened: _OpenRoom) -> None:
        opened.room.close()
        if opened.opening is not None and not opened.opening.done():
            opened.opening.cancel()
        if opened.subscription is not None:
            await opened.subscription.unsubscribe()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
