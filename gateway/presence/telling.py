"""How the sockets of a wedding are told who is here, in two ways: everybody by name, or a crowd in numbers (see `crowd`).

A frame is built once for all sockets that see the same. `told` says for whom a change is enough; who is not in it gets the whole,
as after a frame that was dropped for a slow socket. The room chooses the way and calls `tell`.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, cast

import msgspec

from actors.contract.channels import Rights
from actors.contract.server_frames import PresenceFrame, PresenceSummary
from gateway.presence.fields import Presence
from gateway.presence.gathering import Gathering
from gateway.presence.masking import places_of
from gateway.wire.frames import struct_frame


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

    def send_presence(self, frame: bytes, *, is_echo: bool = False) -> bool:
        """Send a ready text frame, or drop it and return False when the socket is slow; a whole follows later.

        An echo tells a connection what it said itself, which may take longer.
        """
        ...


class Telling(Protocol):
    """One way of telling."""

    told: dict[str, Hashable]

    def is_up_to_date(self, listener: Listener) -> bool:
        """Whether what the socket was told is still what its rights show."""
        ...

    def tell(self, version: int, listeners: Iterable[Listener], changed: set[str], said_by: str = "") -> None:
        """Send what changed to everybody, and the whole to who is not in `told`. One connection may have said all of it."""
        ...


class ByName:
    """Everybody hears of everybody; frames differ only where readers see different places."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        #: By connection, the rights under which it was told everything so far.
        self.told: dict[str, Hashable] = {}

    def is_up_to_date(self, listener: Listener) -> bool:
        """See Telling."""
        return self.told.get(listener.connection) == listener.rights

    def tell(self, version: int, listeners: Iterable[Listener], changed: set[str], said_by: str = "") -> None:
        """See Telling."""
        self._gathering.sight.look_around()
        seen_by_user = {user: self._gathering.seen(user) for user in changed}
        places = {place for seen in seen_by_user.values() if seen for place in places_of(seen)}
        sight, told = self._gathering.sight, self.told
        diffs: dict[Hashable, bytes] = {}
        wholes: dict[Rights, bytes] = {}
        for listener in listeners:
            connection, rights = listener.connection, listener.rights
            if told.get(connection) != rights:
                self._send_whole(listener, version, wholes)
            elif seen_by_user:
                eyes = tuple([sight.of(place, rights) for place in places])
                frame = diffs.get(eyes)
                if frame is None:
                    frame = diffs[eyes] = self._diff(version, seen_by_user, rights)
                if not listener.send_presence(frame, is_echo=connection == said_by):
                    del told[connection]

    def _diff(self, version: int, seen_by_user: Mapping[str, Presence | None], rights: Rights) -> bytes:
        masked = self._gathering.masked
        return presence_frame(version, {user: seen and masked(seen, rights) for user, seen in seen_by_user.items()}, whole=False)

    def _send_whole(self, listener: Listener, version: int, wholes: dict[Rights, bytes]) -> None:
        rights = listener.rights
        frame = wholes.get(rights)
        if frame is None:
            everybody = self._gathering.everybody()
            masked = {user: self._gathering.masked(seen, rights) for user, seen in everybody.items()}
            frame = wholes[rights] = presence_frame(version, masked, whole=True)
        if listener.send_presence(frame):
            self.told[listener.connection] = rights
        else:
            self.told.pop(listener.connection, None)


def presence_frame(
    version: int, presence: Mapping[str, Presence | None], *, whole: bool, summary: PresenceSummary | None = None
) -> bytes:
    """The bytes of one `presence_update`."""
    # The shape says `dict`; nobody writes to it.
    return struct_frame(PresenceFrame(version, whole, cast("dict[str, Any]", presence), summary or msgspec.UNSET))
