"""Presence of all weddings at one gateway: what sessions, HTTP and intake call (design D9).

A room is open while somebody here looks at it, and a while longer; `correspondence` keeps it in step with the other gateways.
Nothing enters the log. Methods that are not coroutines may be called from anywhere on the loop.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from actors.contract.channels import Rights
from actors.contract.presence import PresenceRecord
from actors.contract.server_frames import PresenceSummary
from config.settings import Settings
from gateway.errors import LimitMet, Refused
from gateway.presence.correspondence import Correspondence, OpenRoom
from gateway.presence.fields import Presence, checked
from gateway.presence.gathering import Wedding
from gateway.presence.people import Source
from gateway.presence.room import BeforeTurnEnds
from gateway.presence.seats import Now, Seat
from gateway.presence.telling import Listener
from store.bus import Bus

#: A room without listeners stays open this long, so that repeated questions find it.
LINGER_SECONDS: Final = 10.0
#: How long a question for the whole waits for the other gateways.
_ANSWER_SECONDS: Final = 0.25
_SWEEP_SECONDS: Final = 1.0

_log = structlog.get_logger()


class PresenceHub:
    """See the module. `wedding` finds the room of a wedding that is open at this gateway: it knows roles and channels."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        boot: str,
        before_turn_ends: BeforeTurnEnds,
        wedding: Callable[[str], Wedding | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._own = Source(settings.gateway_id, boot)
        self.correspondence = Correspondence(bus, settings, self._own, wedding, before_turn_ends, changed=self._told_by_others)
        self._tidying: asyncio.Task[None] | None = None
        #: Called with wedding and person when what that person shows has changed and this gateway speaks for it.
        self.on_change: list[Callable[[str, str], None]] = []
        self.updates = 0

    async def start(self) -> None:
        """Begin to listen to the other gateways and to tell them that this one lives."""
        await self.correspondence.start()
        self._tidying = asyncio.create_task(self._keep_tidy())

    async def stop(self) -> None:
        """Take leave: whoever is still here is gone for the other gateways."""
        if self._tidying is not None:
            self._tidying.cancel()
        for wedding, opened in self.correspondence.rooms.items():
            for connection in list(opened.room.people.connections_of(self._own)):
                opened.room.leave(connection)
                self._put(wedding, opened, connection, None)
            opened.room.flush()
        await self.correspondence.stop()

    @property
    def room_count(self) -> int:
        return len(self.correspondence.rooms)

    def join(self, wedding: str, listener: Listener) -> None:
        """A socket is here: its person appears to the others, and it gets the whole, then what changes."""
        opened = self.correspondence.open(wedding)
        opened.room.join(listener)
        seat = opened.seats.take(listener.connection, listener.principal, _now())
        self._put(wedding, opened, listener.connection, seat.record)

    def leave(self, wedding: str, connection: str) -> None:
        """A socket is gone."""
        opened = self.correspondence.rooms.get(wedding)
        if opened is not None:
            opened.seats.leave(connection)
            opened.room.leave(connection)
            self._put(wedding, opened, connection, None)

    def update(
        self, wedding: str, principal: str, connection: str, presence: Mapping[str, Any], *, is_active: bool = True
    ) -> None:
        """A connection says where its person is; raises Refused bad_value, too_large or slow_down."""
        opened = self.correspondence.open(wedding)
        now = _now()
        seat = opened.seats.take(connection, principal, now)
        self._limit_rate(seat, now)
        kept = checked(presence, self._settings.limits.presence_bytes)
        self.updates += 1
        self._put(wedding, opened, connection, seat.says(kept, now, is_active=is_active))

    def announce(self, wedding: str, principal: str, presence: Mapping[str, Any], *, entrance: str) -> None:
        """The same from an entrance without a socket: it is forgotten by itself after a while. Raises as `update`."""
        connection = f"{entrance}-{principal}"
        opened = self.correspondence.open(wedding)
        now = _now()
        seat = opened.seats.take(connection, principal, now)
        if seat.expires_at is None:
            seat.expires_at = now.monotonic + self._settings.presence_without_socket_seconds
        self.update(wedding, principal, connection, presence)
        seat.expires_at = now.monotonic + self._settings.presence_without_socket_seconds

    def _limit_rate(self, seat: Seat, now: Now) -> None:
        if wait_seconds := seat.bucket.wait_seconds(now.monotonic):
            met = LimitMet("presencePerSecond", self._settings.limits.presence_per_second, int(wait_seconds * 1000) + 1)
            raise Refused("slow_down", "Too many presence updates at once.", "Send the latest one again in a moment.", met=met)
        seat.bucket.take()

    def active(self, wedding: str, connection: str) -> None:
        """Somebody does something at this connection: who was away by idleness is back."""
        opened = self.correspondence.rooms.get(wedding)
        seat = None if opened is None else opened.seats.get(connection)
        if opened is not None and seat is not None and (record := seat.is_used(_now())) is not None:
            self._put(wedding, opened, connection, record)

    def signal(self, wedding: str, connection: str, *, is_active: bool) -> None:
        """Its client says whether somebody is at it; raises Refused slow_down."""
        opened = self.correspondence.rooms.get(wedding)
        seat = None if opened is None else opened.seats.get(connection)
        if opened is None or seat is None:
            return
        now = _now()
        self._limit_rate(seat, now)
        if (record := seat.is_used(now) if is_active else seat.is_left_alone()) is not None:
            self._put(wedding, opened, connection, record)

    def person_active(self, wedding: str, principal: str) -> None:
        """A person did something without a socket: all its connections here count as used."""
        opened = self.correspondence.rooms.get(wedding)
        if opened is not None:
            for connection in opened.room.people.connections_of_user(self._own, principal):
                self.active(wedding, connection)

    def rights_changed(self, wedding: str) -> None:
        """Somebody's rights or role changed: who sees something else now gets the whole again."""
        opened = self.correspondence.rooms.get(wedding)
        if opened is not None:
            opened.room.refresh()

    async def whole(self, wedding: str, rights: Rights) -> tuple[dict[str, Presence], PresenceSummary]:
        """Everybody who is in a wedding, as a reader with these rights sees them: {person: presence}, and in numbers."""
        opened = self.correspondence.open(wedding)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await opened.is_whole.wait()
        except TimeoutError:
            # A gateway that does not answer has nobody there, or is about to be forgotten.
            opened.is_whole.set()
        return opened.room.view(rights)

    def seen(self, wedding: str, user: str) -> Presence | None:
        """What a person shows to who may read everything; None when not here."""
        opened = self.correspondence.rooms.get(wedding)
        return None if opened is None else opened.room.gathering.seen(user)

    def _put(self, wedding: str, opened: OpenRoom, connection: str, record: PresenceRecord | None) -> None:
        user = opened.room.put(connection, record)
        if user is not None and opened.room.people.speaks_for(user) in (None, self._own):
            for listener in self.on_change:
                listener(wedding, user)

    def _told_by_others(self, wedding: str, opened: OpenRoom, users: set[str]) -> None:
        """Other gateways' parts changed: for whom is this gateway the one that speaks now?"""
        for user in users:
            if opened.room.people.speaks_for(user) == self._own:
                for listener in self.on_change:
                    listener(wedding, user)

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self.sweep(_now())
            except Exception:
                _log.exception("presence_sweep_failed")

    async def sweep(self, now: Now) -> None:
        """Mark who has become idle, forget what was said without a socket long ago, and close rooms that nobody looks at."""
        for wedding, opened in list(self.correspondence.rooms.items()):
            for connection, record in opened.seats.look(now).items():
                self._put(wedding, opened, connection, record)
            in_use = opened.room.listeners or opened.seats or not opened.room.is_quiet
            if not in_use and now.monotonic - max(opened.used_at, opened.room.changed_at) > LINGER_SECONDS:
                await self.correspondence.close(wedding)


def _now() -> Now:
    return Now(time.monotonic(), time.time_ns() // 1_000_000)
