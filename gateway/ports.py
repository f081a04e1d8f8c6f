"""What the core of the gateway asks of its edge: presence, and observers of connections.

Protocols only; gateway.edge fills them.
"""

from typing import Protocol

from actors.contract.client_frames import PresenceUpdate
from gateway.rooms.room import Room
from gateway.wire.socket import Socket


class PresenceHub(Protocol):
    """Who is here and what they do. Bad input of a client is raised as Refused."""

    def join(self, room: Room, socket: Socket) -> None:
        """The socket has been synced."""
        ...

    def update(self, socket: Socket, frame: PresenceUpdate) -> None:
        """The person does something else now, or its client says whether somebody is at it."""
        ...

    def active(self, socket: Socket) -> None:
        """The person has just asked an op."""
        ...

    def leave(self, room: Room, socket: Socket) -> None:
        """Called once for every join."""
        ...


class ConnectionObserver(Protocol):
    """Somebody who keeps account of connections: projections, metrics."""

    def joined(self, socket: Socket) -> None:
        """A socket has been synced."""
        ...

    def renewed(self, socket: Socket) -> None:
        """A socket goes on with another token."""
        ...

    def left(self, socket: Socket) -> None:
        """Called once for every socket that joined."""
        ...
