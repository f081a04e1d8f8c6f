"""Presence for WebSocket sessions: their sockets as listeners of the hub (the port of gateway.ports.PresenceHub)."""

import msgspec

from actors.contract.channels import Rights
from actors.contract.client_frames import PresenceUpdate
from gateway.presence.hub import PresenceHub
from gateway.rooms.room import Room
from gateway.wire.socket import Socket


class _SocketListener:
    """A socket that is told who is here; a slow one misses frames, which is told by their absence and made good by a whole."""

    __slots__ = ("_most_buffered", "_socket", "connection", "principal")

    def __init__(self, socket: Socket, most_buffered_bytes: int) -> None:
        self._socket = socket
        self.connection = socket.id
        self.principal = socket.principal
        self._most_buffered = most_buffered_bytes

    @property
    def rights(self) -> Rights:
        return self._socket.rights

    def send_presence(self, frame: bytes, *, is_echo: bool = False) -> bool:
        """Write the frame, unless half of what may wait is waiting already: presence goes first."""
        if self._socket.is_stale or self._socket.buffered_bytes > self._most_buffered:
            return False
        if is_echo:
            self._socket.write_patiently(frame)
        else:
            self._socket.write(frame)
        return True


class SocketPresence:
    """See the module."""

    def __init__(self, hub: PresenceHub, socket_buffer_bytes: int) -> None:
        self.hub = hub
        self._most_buffered = socket_buffer_bytes // 2

    def join(self, room: Room, socket: Socket) -> None:
        self.hub.join(room.wedding, _SocketListener(socket, self._most_buffered))

    def update(self, socket: Socket, frame: PresenceUpdate) -> None:
        if isinstance(frame.presence, msgspec.UnsetType):
            self.hub.signal(socket.wedding, socket.id, is_active=frame.active)
        else:
            self.hub.update(socket.wedding, socket.principal, socket.id, frame.presence or {}, is_active=frame.active)

    def active(self, socket: Socket) -> None:
        self.hub.active(socket.wedding, socket.id)

    def leave(self, room: Room, socket: Socket) -> None:
        self.hub.leave(room.wedding, socket.id)
