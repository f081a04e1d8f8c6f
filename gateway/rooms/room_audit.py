"""One gateway's part of `ensureConsistency`: what its room keeps, and what its clients hold, against the owner's heads.

Clients are asked by the frame `verify` and say what they hold in a `ping`. With `repair` what the room keeps is dropped and read
anew, and each channel of a client that differs is brought to it again, that channel alone. Called by audits.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from actors.contract.client_frames import ChannelClaim
from actors.contract.consistency import Finding, GatewayOrder, Heads, differing
from actors.contract.server_frames import Verify
from gateway.counts import Counts
from gateway.errors import OwnerUnreachable
from gateway.rooms.channel_state import digest_at, frames_now, items_digest_at
from gateway.rooms.checkpoint import Checkpoint
from gateway.rooms.room import Room
from gateway.wire.frames import struct_frame
from gateway.wire.socket import Socket

REACHED_SECONDS: Final = 2.0
CLAIMS_SECONDS: Final = 2.0
Claims = Mapping[str, ChannelClaim]
_log = structlog.get_logger()


async def audit_room(room: Room, order: GatewayOrder, counts: Counts, gateway: str) -> list[Finding]:
    """Compare, and with `order.repair` mend; never raises for what it finds."""
    try:
        await asyncio.wait_for(room.reached(order.rev), REACHED_SECONDS)
    except (TimeoutError, OwnerUnreachable):
        return [Finding("gateway", None, gateway, reason=f"it is behind, at rev {room.rev}")]
    kept = judge_kept(room, order.heads, gateway)
    if kept.agrees is False:
        counts.divergences_by_place["gateway"] += 1
        _log.error("cache_differs", wedding=room.wedding, channels=sorted(kept.channels))
        if order.repair:
            room.checkpoints.forget()
            counts.repairs_by_place["gateway"] += 1
            kept = Finding("gateway", agrees=False, name=gateway, channels=kept.channels, repaired=True)
    return [kept, *await _audit_clients(room, order, counts)]


def judge_kept(room: Room, heads: Heads, gateway: str) -> Finding:
    """Compare what joins are served from, at the sequences of the heads, as far as the room still knows them."""
    found: Heads = {}
    checkpoints = room.checkpoints.kept()
    for checkpoint in checkpoints:
        for channel, (sequence, digest) in heads.items():
            told = checkpoint.channels.get(channel)
            if told is not None and told[0] == sequence and told[1] != digest:
                found[channel] = told
            # From the items, not from the digest that came with them.
            given = items_digest_at(checkpoint, room.recent, channel, sequence)
            if given is not None and given != digest:
                found[channel] = (sequence, given)
    reason = "" if any(each.chunks is not None for each in checkpoints) else "no state is kept here"
    return Finding("gateway", agrees=not found, name=gateway, channels=found, reason=reason)


async def _audit_clients(room: Room, order: GatewayOrder, counts: Counts) -> list[Finding]:
    claims = await _ask_clients(room)
    try:
        checkpoint = await room.checkpoint(content=True) if claims else None
    except OwnerUnreachable:
        return [Finding("client", None, _name(socket), reason="the owner does not answer") for socket in claims]
    findings = []
    for socket, said in claims.items():
        if said is None or checkpoint is None:
            findings.append(Finding("client", None, _name(socket), reason="it did not answer"))
            continue
        wrong = _differing(room, checkpoint, order.heads, socket, said)
        repaired = False
        if wrong:
            counts.divergences_by_place["client"] += 1
            repaired = order.repair and _repair(room, checkpoint, socket, wrong)
            counts.repairs_by_place["client"] += repaired
        findings.append(Finding("client", agrees=not wrong, name=_name(socket), channels=wrong, repaired=repaired))
    return findings


async def _ask_clients(room: Room) -> dict[Socket, Claims | None]:
    """Ask every live socket what it holds; None for those that do not say in time."""
    said: dict[Socket, Claims | None] = {}
    everybody = asyncio.Event()
    sockets = [socket for socket in room.audience.sockets if not socket.closed and not socket.is_stale]

    def take(socket: Socket, claims: Claims) -> None:
        said[socket] = claims
        if len(said) == len(sockets):
            everybody.set()

    frame = struct_frame(Verify())
    for socket in sockets:
        socket.on_claims = partial(take, socket)
        socket.write(frame)
    if sockets:
        with suppress(TimeoutError):
            await asyncio.wait_for(everybody.wait(), CLAIMS_SECONDS)
    for socket in sockets:
        socket.on_claims = None
    return {socket: said.get(socket) for socket in sockets if not socket.closed}


def _differing(room: Room, checkpoint: Checkpoint, heads: Heads, socket: Socket, said: Claims) -> Heads:
    """Return the channels in which a client holds something else than was true at the sequence where it stands."""
    claimed: Heads = {}
    truth: Heads = {}
    for channel, claim in said.items():
        if channel not in room.channels or not socket.may_see(channel):
            continue
        sequence, digest = heads.get(channel, (0, ""))
        known = digest if sequence == claim.sequence else digest_at(checkpoint, room.recent, channel, claim.sequence)
        if known is not None or claim.sequence > room.channels[channel]:
            claimed[channel] = (claim.sequence, claim.digest)
            truth[channel] = (claim.sequence, known or "")
    return differing(claimed, truth)


def _repair(room: Room, checkpoint: Checkpoint, socket: Socket, wrong: Heads) -> bool:
    try:
        frames = [frame for channel in wrong for frame in frames_now(room, checkpoint, channel, "repair")]
    except OwnerUnreachable:
        return False
    for frame in frames:
        socket.write(frame)
    return True


def _name(socket: Socket) -> str:
    return f"{socket.principal}/{socket.client}"
