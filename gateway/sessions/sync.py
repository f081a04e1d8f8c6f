"""Brings one client up to date: chooses events or snapshot per channel, gathers the frames at one rev, and compares for repairs.

Called by sessions. The choice itself is pure (`resume`); states come from the room's checkpoint, so that a storm of joins does
not reach the owner (design D8).
"""

from collections.abc import Mapping
from typing import NamedTuple

from actors.contract.channels import Rights, may_read
from actors.contract.client_frames import ChannelClaim, Resume
from actors.contract.server_frames import Reason
from config.limits import Limits
from gateway.counts import Counts
from gateway.errors import OwnerUnreachable
from gateway.rooms.channel_state import digest_at, frames_now
from gateway.rooms.checkpoint import Checkpoint
from gateway.rooms.room import Room
from gateway.sessions.resume import Choice, choose, withdrawn
from gateway.wire.frames import sync_frame, withdrawn_frame
from gateway.wire.socket import Socket

_MOST_TRIES = 4


class Sync(NamedTuple):
    """Everything between `welcome` and `synced`, as of `rev`."""

    rev: int
    channels: dict[str, int]
    frames: list[bytes]


async def prepare(
    room: Room, rights: Rights, resume: Resume | None, limits: Limits, counts: Counts, reason: Reason | None = None
) -> Sync:
    """Gather the frames for somebody with these rights; raises OwnerUnreachable. `reason` replaces each channel's own."""
    needs_content = resume is None or resume.generation != room.generation
    for _ in range(_MOST_TRIES):
        # Where the room stands now: at `synced` a client has everything that anybody here has seen.
        checkpoint = await room.checkpoint(content=needs_content, rev=room.rev, at_least=_claims(room, rights, resume))
        readable = {name: sequence for name, (sequence, _) in checkpoint.channels.items() if may_read(rights, name)}
        choices = choose(resume, room.generation, readable, limits.resume_events)
        events = await chosen_events(room, readable, choices, limits)
        needs_content = needs_content or any(choice.mode == "snapshot" for choice in choices.values())
        if needs_content and checkpoint.chunks is None:
            continue
        frames = [withdrawn_frame(channel) for channel in withdrawn(resume, readable)]
        for name, choice in choices.items():
            told = reason or choice.reason
            counts.syncs_by_reason[told] += 1
            if choice.mode == "snapshot":
                frames += checkpoint.snapshot_frames(name, told)
            else:
                frames += _event_frames(checkpoint, name, told, events[name], limits)
        return Sync(checkpoint.rev, readable, frames)
    raise OwnerUnreachable


async def chosen_events(
    room: Room, readable: Mapping[str, int], choices: dict[str, Choice], limits: Limits
) -> dict[str, list[bytes]]:
    """The events that were chosen; where they are gone or too many bytes, the choice becomes a snapshot."""
    wanted = {name: (choice.after, readable[name]) for name, choice in choices.items() if choice.mode == "events"}
    events: dict[str, list[bytes]] = {}
    for name, found in (await room.events(wanted)).items():
        if found is None or sum(map(len, found)) > limits.resume_bytes:
            choices[name] = Choice("snapshot", "too_old")
        else:
            events[name] = found
    return events


def repair_frames(
    room: Room, checkpoint: Checkpoint, socket: Socket, claims: Mapping[str, ChannelClaim], *, is_gap: bool = False
) -> list[bytes]:
    """A `data_sync` for each claimed channel whose digest differs from ours at that sequence, `withdrawn` for unreadable ones.

    Who reports a gap has got a later event already, so a claim that is behind the room is answered as well.
    """
    frames: list[bytes] = []
    for channel, claim in claims.items():
        if channel not in room.channels or not socket.may_see(channel):
            if not may_read(socket.rights, channel):
                frames.append(withdrawn_frame(channel))
        elif (is_gap and claim.sequence < room.channels[channel]) or (
            digest_at(checkpoint, room.recent, channel, claim.sequence) != claim.digest
        ):
            frames += frames_now(room, checkpoint, channel, "repair")
    return frames


def _claims(room: Room, rights: Rights, resume: Resume | None) -> dict[str, int]:
    """The sequences that a returning client has: its sync must not fall behind them, even where it saw more than this gateway."""
    if resume is None or resume.generation != room.generation:
        return {}
    return {channel: sequence for channel, sequence in resume.channels.items() if may_read(rights, channel)}


def _event_frames(checkpoint: Checkpoint, channel: str, reason: Reason, events: list[bytes], limits: Limits) -> list[bytes]:
    """The events in frames of at most one chunk each; sequence and digest are those after the last."""
    sequence, digest = checkpoint.channels[channel]
    groups: list[list[bytes]] = [[]]
    size = 0
    for event in events:
        if size + len(event) > limits.snapshot_chunk_bytes and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(event)
        size += len(event) + 1
    return [
        sync_frame(channel, reason, sequence, digest, events=group, more=number < len(groups))
        for number, group in enumerate(groups, 1)
    ]
