"""Brings one socket to where its room stands: when it joins, and again after it read too slowly (INV4, INV7).

A reader whose unsent bytes pass three quarters of the limit gets no more events: it is *stale*. Once it has read what waits, it
is told which channels went on without it and resumes on the same socket, by events or snapshots, as if it had come back; one
that does not get there in time is closed with 4408. Nobody waits for it meanwhile. Called by sessions.
"""

import asyncio
from functools import partial

import structlog

from actors.contract.client_frames import Resume
from actors.contract.server_frames import Stale
from config.limits import Limits
from gateway.counts import Counts
from gateway.errors import GatewayError
from gateway.rooms.room import Room
from gateway.sessions.sync import Sync, prepare
from gateway.wire.close_codes import INTERNAL_ERROR, RESTART
from gateway.wire.frames import SYNCED, applied_frame, struct_frame
from gateway.wire.socket import Socket

_log = structlog.get_logger()


async def bring(socket: Socket, room: Room, sync: Sync, limits: Limits) -> bool:
    """Write the sync, as fast as it is read, then what came meanwhile; where that fails, the socket is closed."""
    room.audience.arriving.add(socket)
    try:
        return await _brought(socket, room, sync, limits)
    finally:
        room.audience.arriving.discard(socket)


async def _brought(socket: Socket, room: Room, sync: Sync, limits: Limits) -> bool:
    acl = room.acl
    unsent = 0
    for frame in sync.frames:
        socket.write(frame)
        unsent += len(frame)
        if unsent > limits.socket_buffer_bytes // 2:
            await socket.drained(limits.stale_seconds_per_socket)
            unsent = 0
            if room.acl != acl:
                # What is left may be of channels that may no longer be read.
                break
    tail = room.recent.after(sync.rev)
    if tail is None or room.acl != acl or room.ended_with is not None:
        # While a slow reader took its state, the room went on too far: it comes again.
        socket.close(RESTART)
    if socket.closed or tail is None:
        return False
    socket.write(SYNCED)
    socket.is_stale = False
    socket.withheld = ()
    room.audience.catch_up(socket, tail)
    return True


def watch_over(socket: Socket, room: Room, limits: Limits, counts: Counts) -> None:
    """From now on let the socket go stale when it reads too slowly; it is live in the room."""
    socket.on_full = partial(_leave_behind, socket, room, limits, counts)


def _leave_behind(socket: Socket, room: Room, limits: Limits, counts: Counts) -> None:
    """Called right after everything that the room has delivered was handed over: this is where the socket stands."""
    stands = {channel: sequence for channel, sequence in room.channels.items() if socket.may_see(channel)}
    socket.is_stale = True
    counts.sockets_stale += 1
    room.audience.rights_changed()
    socket.recovery = asyncio.create_task(_recover(socket, room, stands, limits, counts))


async def _recover(socket: Socket, room: Room, stands: dict[str, int], limits: Limits, counts: Counts) -> None:
    """Whatever goes wrong, nobody stays without events: the client comes back by itself."""
    try:
        await socket.drained(limits.stale_seconds_per_socket)
        await _resume(socket, room, stands, limits, counts)
    except GatewayError:
        socket.close(RESTART)
    except Exception:
        _log.exception("stale_socket_not_resumed", connection=socket.id)
        socket.close(INTERNAL_ERROR)


async def _resume(socket: Socket, room: Room, stands: dict[str, int], limits: Limits, counts: Counts) -> None:
    """Tell what went by, and bring the socket from where it stands to where the room is."""
    while True:
        rights = socket.rights
        sync = await prepare(room, rights, Resume(room.generation, stands), limits, counts, reason="stale")
        if socket.rights == rights:
            break
    if socket.closed:
        return
    missed = {channel: sequence for channel, sequence in stands.items() if sync.channels.get(channel, sequence) != sequence}
    socket.write(struct_frame(Stale(missed)))
    if not await bring(socket, room, sync, limits):
        return
    room.audience.rights_changed()
    for op in socket.take_missed_answers():
        socket.write(applied_frame(op))
