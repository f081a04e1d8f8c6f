"""The presence of one wedding at one gateway: its listeners, and changes coalesced into one frame and one diff per tick.

The first change goes at once, later ones once per tick, a longer one in large rooms (design D9). Masked frames are built once
per set of rights. The hub gives this room its loop and carries its diffs to the other gateways; nothing here talks to NATS.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.contract.channels import Rights
from actors.contract.presence import PresenceDiff, PresenceRecord
from actors.contract.server_frames import PresenceFrame
from config.settings import Settings
from gateway.frames import struct_frame
from gateway.presence.masking import mask
from gateway.presence.people import People, Source

#: At the largest presence that limits allow, a message stays below the server's `max_payload`.
_CONNECTIONS_PER_MESSAGE = 100


class Listener(Protocol):
    """What a socket must offer to be told who is here."""

    @property
    def connection(self) -> str: ...

    @property
    def principal(self) -> str: ...

    @property
    def rights(self) -> Rights:
        """What the person may read now."""
        ...

    def send_presence(self, frame: bytes) -> bool:
        """Send a ready text frame, or drop it and return False when the socket is slow; a whole follows later."""
        ...


class PresenceRoom:
    """One wedding's presence; everything here is synchronous and runs on the event loop."""

    def __init__(self, settings: Settings, own: Source, version: int, publish: Callable[[PresenceDiff], None]) -> None:
        self.people = People()
        self.listeners: dict[str, Listener] = {}
        self._settings = settings
        self._own = own
        self._publish = publish
        self._version = version
        self._frame_version = 0
        self._unsent: dict[str, PresenceRecord | None] = {}
        self._was_told = False
        self._changed: set[str] = set()
        #: The rights under which a listener was told everything so far; absent when it needs the whole.
        self._told: dict[str, Rights] = {}
        self._tick: asyncio.TimerHandle | None = None

    @property
    def version(self) -> int:
        """The version of this gateway's own part."""
        return self._version

    def join(self, listener: Listener) -> None:
        """Add a socket: it gets the whole at the next flush, together with everybody else who comes."""
        self.listeners[listener.connection] = listener

    def leave(self, connection: str) -> None:
        """Remove a socket; what it said is forgotten by `put`."""
        self.listeners.pop(connection, None)
        self._told.pop(connection, None)

    def put(self, connection: str, record: PresenceRecord | None) -> str | None:
        """Set or forget what a connection of this gateway says; returns the person concerned."""
        user = self.people.drop(self._own, connection)
        if record is not None:
            self.people.put(self._own, connection, record)
            user = record.user
        elif user is None:
            return None
        self._changed.add(user)
        self._unsent[connection] = record
        self._wake()
        return user

    def changed(self, users: set[str]) -> None:
        """Note that other gateways' parts changed for these persons."""
        if users:
            self._changed |= users
            self._wake()

    def refresh(self) -> None:
        """Look at everybody's rights again."""
        if any(self._told.get(each.connection) != each.rights for each in self.listeners.values()):
            self._tell({})

    def tell_whole(self) -> None:
        """Publish this gateway's whole part again, for who asked."""
        self._send_pieces(dict(self.people.connections_of(self._own)), whole=True)

    def view(self, rights: Rights) -> dict[str, dict[str, Any]]:
        """Everybody who is here, as a reader with these rights sees them."""
        return {user: mask(seen, rights) for user in self.people.users() if (seen := self.people.seen(user)) is not None}

    def close(self) -> None:
        """Stop the tick."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _wake(self) -> None:
        if self._tick is None:
            self.flush()

    def flush(self) -> None:
        """Send what waits, now."""
        self.close()
        if self._unsent:
            self._send_pieces(self._unsent, whole=not self._was_told)
            self._was_told = True
            self._unsent = {}
        changes = {user: self.people.seen(user) for user in self._changed}
        self._changed = set()
        told_all = self._tell(changes)
        if changes or not told_all:
            self._tick = asyncio.get_running_loop().call_later(self._tick_seconds(), self._tick_over)

    def _send_pieces(self, connections: Mapping[str, PresenceRecord | None], *, whole: bool) -> None:
        """Publish in pieces that fit a NATS message; what follows the first piece of a whole is a change like any other."""
        entries = list(connections.items())
        for start in range(0, max(len(entries), 1), _CONNECTIONS_PER_MESSAGE):
            self._version += 1
            piece = dict(entries[start : start + _CONNECTIONS_PER_MESSAGE])
            self._publish(PresenceDiff(*self._own, self._version, whole=whole and start == 0, connections=piece))

    def _tick_over(self) -> None:
        self._tick = None
        if self._unsent or self._changed or len(self._told) < len(self.listeners):
            self.flush()

    def _tick_seconds(self) -> float:
        large = self.people.count() > self._settings.presence_large_room_members
        return self._settings.presence_tick_large_room_seconds if large else self._settings.presence_tick_seconds

    def _tell(self, changes: dict[str, dict[str, Any] | None]) -> bool:
        """Send what changed to every listener; False when a slow one dropped it."""
        self._frame_version += 1
        diffs: dict[Rights, bytes] = {}
        wholes: dict[Rights, bytes] = {}
        for listener in list(self.listeners.values()):
            rights = listener.rights
            if self._told.get(listener.connection) != rights:
                self._send_whole(listener, wholes)
                continue
            if not changes:
                continue
            frame = diffs.get(rights)
            if frame is None:
                masked = {user: seen if seen is None else mask(seen, rights) for user, seen in changes.items()}
                frame = diffs[rights] = _frame(self._frame_version, masked, whole=False)
            if not listener.send_presence(frame):
                del self._told[listener.connection]
        return len(self._told) == len(self.listeners)

    def _send_whole(self, listener: Listener, wholes: dict[Rights, bytes]) -> None:
        rights = listener.rights
        frame = wholes.get(rights)
        if frame is None:
            frame = wholes[rights] = _frame(self._frame_version, self.view(rights), whole=True)
        if listener.send_presence(frame):
            self._told[listener.connection] = rights
        else:
            self._told.pop(listener.connection, None)


def _frame(version: int, presence: Any, *, whole: bool) -> bytes:
    return struct_frame(PresenceFrame(version, whole, presence))
