"""The presence of one wedding at one gateway: its listeners, and changes coalesced into one frame and one diff per tick.

The first change goes with the loop turn in which it came, later ones once per tick, a longer one in large rooms (design D9). A
gateway that is behind has many changes in one turn, and so less to do for each. How sockets are told is in `telling` and `crowd`.
The hub gives this room its loop and carries its diffs to the other gateways; nothing here talks to NATS.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from actors.contract.channels import Rights
from actors.contract.presence import PresenceDiff, PresenceRecord
from actors.contract.server_frames import PresenceSummary
from config.settings import Settings
from gateway.presence.crowd import InNumbers
from gateway.presence.fields import Presence
from gateway.presence.gathering import Gathering, Wedding, crowd_of
from gateway.presence.people import People, Source
from gateway.presence.telling import ByName, Listener, Telling

#: At the largest presence that limits allow, a message stays below the server's `max_payload`.
_CONNECTIONS_PER_MESSAGE = 100
#: How long a socket that was too slow for presence is left alone.
_TRY_SLOW_AGAIN_SECONDS = 0.25
#: A tick of a large room lasts at least so many times as long as the flush before it took.
_TICK_PER_FLUSH = 10
#: A crowd that shrinks is told by name again below this share of what made it one, so that it does not go back and forth.
_CROWD_ENDS_AT = 0.9


#: Calls something at the end of this turn of the loop, just before sockets are flushed (`gateway.wire.socket.WriteTurn`).
BeforeTurnEnds = Callable[[Callable[[], None]], None]


class Readers(Protocol):
    """The other gateways, as far as a room knows them."""

    def has_any(self) -> bool:
        """Whether somebody would hear a change; who does not live yet asks for the whole later."""
        ...

    def publish(self, diff: PresenceDiff) -> None:
        """Send a change of this gateway's part."""
        ...


class PresenceRoom:
    """One wedding's presence; everything here is synchronous and runs on the event loop."""

    def __init__(
        self,
        settings: Settings,
        own: Source,
        version: int,
        readers: Readers,
        wedding: Callable[[], Wedding | None],
        before_turn_ends: BeforeTurnEnds,
    ) -> None:
        self.people = People()
        self.gathering = Gathering(self.people, wedding)
        self.listeners: dict[str, Listener] = {}
        #: The version of this gateway's own part, and when it last changed by the clock that does not go back.
        self.version = version
        self.changed_at = 0.0
        self._settings = settings
        self._own = own
        self._readers = readers
        self._frame_version = 0
        self._unsent: dict[str, PresenceRecord | None] = {}
        self._was_told = False
        self._changed: set[str] = set()
        #: Whether all that changed was said by connections of this gateway, which are in `_unsent`.
        self._is_own = True
        self._telling: Telling = ByName(self.gathering)
        self._flushed_at = self._flush_seconds = 0.0
        self._before_turn_ends = before_turn_ends
        self._is_due = False
        self._tick: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether the next change goes out at once."""
        return self._tick is None and not self._is_due and time.monotonic() >= self._flushed_at + self._tick_seconds()

    def join(self, listener: Listener) -> None:
        """Add a socket: it gets the whole at the next flush, together with everybody else who comes."""
        self.listeners[listener.connection] = listener

    def leave(self, connection: str) -> None:
        """Remove a socket; what it said is forgotten by `put`."""
        self.listeners.pop(connection, None)
        self._telling.told.pop(connection, None)

    def is_told(self, connection: str) -> bool:
        """Whether a socket has been told everything so far."""
        return connection in self._telling.told

    def put(self, connection: str, record: PresenceRecord | None) -> str | None:
        """Set or forget what a connection of this gateway says; returns the person concerned."""
        if record is not None:
            user = record.user
            self.people.put(self._own, connection, record)
        else:
            left = self.people.drop(self._own, connection)
            if left is None:
                return None
            user = left
        self._changed.add(user)
        self._unsent[connection] = record
        self._flush_when_due()
        return user

    def changed(self, users: set[str]) -> None:
        """Note that what these persons show has changed otherwise than by `put`."""
        if users:
            self._changed |= users
            self._is_own = False
            self._flush_when_due()

    def refresh(self) -> None:
        """Look at everybody's roles and rights again."""
        others = self.gathering.users_with_other_roles()
        self._changed |= others
        self._is_own = self._is_own and not others
        if self._changed or not all(map(self._telling.is_up_to_date, self.listeners.values())):
            self.flush()

    def tell_whole(self) -> None:
        """Publish this gateway's whole part again, for who asked."""
        self._send_pieces(dict(self.people.connections_of(self._own)), whole=True)

    def view(self, rights: Rights) -> tuple[dict[str, Presence], PresenceSummary]:
        """Everybody who is here, as a reader with these rights sees them, and the same in numbers."""
        everybody = self.gathering.everybody()
        summary = self.gathering.summary(crowd_of(everybody.values()), rights)
        return {user: self.gathering.masked(seen, rights) for user, seen in everybody.items()}, summary

    def close(self) -> None:
        """Send nothing more by itself."""
        for timer in (self._tick, self._retry):
            if timer is not None:
                timer.cancel()
        self._tick = self._retry = None
        self._is_due = False

    def flush(self) -> None:
        """Send what waits, now."""
        self._is_due = False
        if self._tick is not None or self._retry is not None:
            self.close()
        self._flushed_at = time.monotonic()
        said_by = next(iter(self._unsent)) if self._is_own and len(self._unsent) == 1 else ""
        self._is_own = True
        if self._unsent:
            self.changed_at = self._flushed_at
            unsent, self._unsent = self._unsent, {}
            self._send_pieces(unsent, whole=not self._was_told)
            self._was_told = True
        changed, self._changed = self._changed, set()
        self._choose_telling()
        self._frame_version += 1
        self._telling.tell(self._frame_version, list(self.listeners.values()), changed, said_by)
        self._flush_seconds = time.monotonic() - self._flushed_at
        self._look_after_slow_sockets()

    def _flush_when_due(self) -> None:
        """With this turn after a quiet time, else at the end of the tick."""
        if self._tick is not None or self._is_due:
            return
        wait_seconds = self._flushed_at + self._tick_seconds() - time.monotonic()
        if wait_seconds <= 0:
            self._is_due = True
            self._before_turn_ends(self._turn_ends)
        else:
            self._tick = asyncio.get_running_loop().call_later(wait_seconds, self._tick_over)

    def _look_after_slow_sockets(self) -> None:
        """Try again by itself what was dropped for them; a change of somebody comes earlier."""
        if len(self._telling.told) < len(self.listeners):
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(_TRY_SLOW_AGAIN_SECONDS, self._tick_over)

    def _choose_telling(self) -> None:
        """Who is told in another way from now on gets the whole first."""
        count, most = self.people.count(), self._settings.presence_summary_members
        is_by_name = isinstance(self._telling, ByName)
        if is_by_name and count >= most:
            self._telling = InNumbers(self.gathering, self._settings.presence_summary_shown)
        elif not is_by_name and count < most * _CROWD_ENDS_AT:
            self._telling = ByName(self.gathering)

    def _send_pieces(self, connections: Mapping[str, PresenceRecord | None], *, whole: bool) -> None:
        """Publish in pieces that fit a NATS message; what follows the first piece of a whole is a change like any other."""
        if not (whole or self._readers.has_any()):
            self.version += 1
            return
        entries = list(connections.items())
        sent_ms = time.time_ns() // 1_000_000
        for start in range(0, max(len(entries), 1), _CONNECTIONS_PER_MESSAGE):
            self.version += 1
            piece = dict(entries[start : start + _CONNECTIONS_PER_MESSAGE])
            self._readers.publish(PresenceDiff(*self._own, self.version, whole and start == 0, piece, sent_ms))

    def _turn_ends(self) -> None:
        if self._is_due:
            self.flush()

    def _tick_over(self) -> None:
        self._tick = None
        if self._unsent or self._changed or len(self._telling.told) < len(self.listeners):
            self.flush()

    def _tick_seconds(self) -> float:
        if self.people.count() <= self._settings.presence_large_room_members:
            return self._settings.presence_tick_seconds
        # However many people there are, telling them of each other leaves most of the time to everything else.
        return max(self._settings.presence_tick_large_room_seconds, _TICK_PER_FLUSH * self._flush_seconds)
