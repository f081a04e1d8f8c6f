"""What new permissions mean for the sockets of a room (design D4): channels withdrawn at once, channels granted as their state.

Between the two a socket sees only what both the old and the new rights allow, so that nothing of a granted channel comes
before its state. Called by the room: `withdraw` while it holds its envelopes, `grant` when it has a checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.contract.channels import may_read
from gateway.errors import GatewayError
from gateway.rooms.audience import lost_channels
from gateway.rooms.channel_state import frames_now
from gateway.wire.close_codes import NOT_ALLOWED
from gateway.wire.frames import withdrawn_frame

if TYPE_CHECKING:
    from gateway.rooms.checkpoint import Checkpoint
    from gateway.rooms.room import Room


def withdraw(room: Room) -> bool:
    """Take away what may no longer be read; who is no member any more is sent away. Tells whether somebody gained something."""
    is_gain = False
    for socket in list(room.audience.sockets):
        rights = room.rights(socket.principal)
        if rights is None:
            socket.close(NOT_ALLOWED, GatewayError("not_allowed", "You are no longer a member of this wedding."))
            room.audience.remove(socket)
            continue
        socket.role = room.role(socket.principal) or ""
        if rights == socket.rights:
            continue
        for channel in lost_channels(socket, room.channels, rights):
            socket.write(withdrawn_frame(channel))
        if any(may_read(rights, channel) and not may_read(socket.rights, channel) for channel in room.channels):
            socket.withheld += (socket.rights,)
            is_gain = True
        socket.rights = rights
    room.audience.rights_changed()
    return is_gain


def grant(room: Room, checkpoint: Checkpoint) -> None:
    """Bring the gained channels as they stand now; later envelopes of theirs follow as usual."""
    for socket in room.audience.sockets:
        if not socket.withheld or socket.is_stale:
            # A stale one gets everything when it is resumed.
            continue
        for channel in room.channels:
            if may_read(socket.rights, channel) and not socket.may_see(channel):
                for frame in frames_now(room, checkpoint, channel, "granted"):
                    socket.write(frame)
        socket.withheld = ()
    room.audience.rights_changed()
