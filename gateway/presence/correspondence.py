"""The rooms that are open at this gateway, kept in step with the other gateways: changes with versions, questions, and losses.

Who notices a gap asks for the whole; a gateway that fell silent is forgotten with all its people, and every room is asked for
when it is heard again. Times of a gateway whose clock is wrong are moved to ours. Used by the hub alone.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from actors.contract.presence import PresenceAsk, PresenceBeat, PresenceDiff
from actors.contract.subjects import presence_subject
from config.settings import Settings
from gateway.presence.gathering import Wedding
from gateway.presence.neighbours import Neighbours, decoded, diff_head
from gateway.presence.people import Source
from gateway.presence.room import BeforeTurnEnds, PresenceRoom
from gateway.presence.seats import Seats
from store.bus import Bus, BusSubscription, Message

#: Beats name the rooms that changed within this time.
_CHANGED_LATELY_SECONDS: Final = 10.0
#: The pause between two questions for the same whole.
_ASK_AGAIN_SECONDS: Final = 0.5
#: Clocks that differ by less are held to agree: the difference cannot be told from the way of the message.
_CLOCK_STEP_MS: Final = 1000


class _OtherGateways:
    """The readers of one room's diffs."""

    def __init__(self, neighbours: Neighbours, subject: str) -> None:
        self._neighbours = neighbours
        self._subject = subject

    def has_any(self) -> bool:
        """See gateway.presence.room.Readers."""
        return self._neighbours.has_any

    def publish(self, diff: PresenceDiff) -> None:
        """See gateway.presence.room.Readers."""
        self._neighbours.send(self._subject, diff)


class OpenRoom:
    """A room, this gateway's seats in it, its subscription, and which gateways still owe their whole."""

    def __init__(self, room: PresenceRoom, seats: Seats, now: float) -> None:
        self.room = room
        self.seats = seats
        self.used_at = now
        self.subscription: BusSubscription | None = None
        self.opening: asyncio.Task[None] | None = None
        self.awaited: set[Source] = set()
        self.is_whole = asyncio.Event()
        self.asked_at: dict[str, float] = {}


class Correspondence:
    """See the module. `changed` is called when other gateways' parts of a room changed for these persons."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        own: Source,
        wedding: Callable[[str], Wedding | None],
        before_turn_ends: BeforeTurnEnds,
        *,
        changed: Callable[[str, OpenRoom, set[str]], None],
    ) -> None:
        self.rooms: dict[str, OpenRoom] = {}
        self.on_gateway_lost: list[Callable[[Source], None]] = []
        self._bus = bus
        self._settings = settings
        self._own = own
        #: What our own changes begin with, which come back to us and need not be read.
        self._own_head = diff_head(own)
        self._wedding = wedding
        self._before_turn_ends = before_turn_ends
        self._tell_changed = changed
        #: Rooms that open again go on from here: versions never go back within a boot.
        self._version = 0
        self.neighbours = Neighbours(
            bus,
            settings,
            own,
            versions=self._changed_lately,
            appeared=self._on_appeared,
            beat=self._on_beat,
            lost=self._on_lost,
        )

    async def start(self) -> None:
        """Begin to listen to the other gateways."""
        await self.neighbours.start()
        self._bus.on_reconnect.append(self._resume)

    @property
    def is_connected(self) -> bool:
        """Whether the other gateways can be heard."""
        return self._bus.connected

    async def stop(self) -> None:
        """Send what waits and close all rooms."""
        if self._resume in self._bus.on_reconnect:
            self._bus.on_reconnect.remove(self._resume)
        await self.neighbours.stop()
        for wedding in list(self.rooms):
            await self.close(wedding)

    def open(self, wedding: str) -> OpenRoom:
        """The room of a wedding, a new one if need be."""
        opened = self.rooms.get(wedding)
        now = time.monotonic()
        if opened is None:
            subject = presence_subject(self._settings.region, wedding)
            readers = _OtherGateways(self.neighbours, subject)
            room = PresenceRoom(
                self._settings, self._own, self._version, readers, lambda: self._wedding(wedding), self._before_turn_ends
            )
            opened = self.rooms[wedding] = OpenRoom(room, Seats(self._settings), now)
            opened.opening = asyncio.create_task(self._listen(wedding, opened))
        opened.used_at = now
        return opened

    async def close(self, wedding: str) -> None:
        """Forget a room."""
        opened = self.rooms.pop(wedding)
        opened.room.close()
        self._version = max(self._version, opened.room.version)
        if opened.opening is not None and not opened.opening.done():
            opened.opening.cancel()
        if opened.subscription is not None:
            await opened.subscription.unsubscribe()

    async def _listen(self, wedding: str, opened: OpenRoom) -> None:
        async def on_message(message: Message) -> None:
            self._on_room_message(wedding, opened, message.data)

        subject = presence_subject(self._settings.region, wedding)
        opened.subscription = await self._bus.subscribe(subject, on_message)
        opened.awaited = self.neighbours.alive()
        if not opened.awaited:
            opened.is_whole.set()
        self._ask(wedding, opened, "")

    def _on_room_message(self, wedding: str, opened: OpenRoom, data: bytes) -> None:
        if data.startswith(self._own_head):
            return
        message = decoded(data)
        if isinstance(message, PresenceAsk):
            if message.asker != self._own.boot and message.gateway in ("", self._own.gateway):
                opened.room.tell_whole()
        elif isinstance(message, PresenceDiff):
            source = Source(message.gateway, message.boot)
            self.neighbours.hear(source)
            users = opened.room.people.follow(_by_our_clock(message))
            if users is None:
                self._ask(wedding, opened, message.gateway)
                return
            self._changed(wedding, opened, users)
            self._has_answered(opened, source)

    def _on_appeared(self, source: Source) -> None:
        """A gateway that is new, or that was held to be dead, may have people in any room."""
        for wedding, opened in self.rooms.items():
            self._ask(wedding, opened, source.gateway)

    def _on_beat(self, beat: PresenceBeat) -> None:
        source = Source(beat.gateway, beat.boot)
        for wedding, version in beat.versions.items():
            opened = self.rooms.get(wedding)
            if opened is not None and opened.room.people.version(source) < version:
                self._ask(wedding, opened, beat.gateway)

    def _on_lost(self, source: Source) -> None:
        for wedding, opened in self.rooms.items():
            self._changed(wedding, opened, opened.room.people.drop_source(source))
            self._has_answered(opened, source)
        for listener in self.on_gateway_lost:
            listener(source)

    def _changed(self, wedding: str, opened: OpenRoom, users: set[str]) -> None:
        opened.room.changed(users)
        self._tell_changed(wedding, opened, users)

    @staticmethod
    def _has_answered(opened: OpenRoom, source: Source) -> None:
        opened.awaited.discard(source)
        if not opened.awaited:
            opened.is_whole.set()

    def _changed_lately(self) -> dict[str, int]:
        lately = time.monotonic() - _CHANGED_LATELY_SECONDS
        return {wedding: opened.room.version for wedding, opened in self.rooms.items() if opened.room.changed_at > lately}

    def _ask(self, wedding: str, opened: OpenRoom, gateway: str) -> None:
        now = time.monotonic()
        if now - opened.asked_at.get(gateway, -_ASK_AGAIN_SECONDS) >= _ASK_AGAIN_SECONDS:
            opened.asked_at[gateway] = now
            self.neighbours.send(presence_subject(self._settings.region, wedding), PresenceAsk(gateway, self._own.boot))

    def _resume(self) -> None:
        """After a reconnection changes were missed on both sides."""
        self.neighbours.forgive()
        for wedding, opened in self.rooms.items():
            opened.room.tell_whole()
            opened.asked_at.clear()
            self._ask(wedding, opened, "")


def _by_our_clock(diff: PresenceDiff) -> PresenceDiff:
    """The same by our clock, when the sender's is wrong by seconds: who is ahead must not be the latest for ever."""
    steps = round((time.time_ns() // 1_000_000 - diff.sent_ms) / _CLOCK_STEP_MS) if diff.sent_ms else 0
    if not steps:
        return diff
    connections = {name: record and record.moved(steps * _CLOCK_STEP_MS) for name, record in diff.connections.items()}
    return PresenceDiff(diff.gateway, diff.boot, diff.version, diff.whole, connections, diff.sent_ms)
