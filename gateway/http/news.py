"""What is new in a wedding's channels since a caller's sequences: events, or a snapshot where events are not kept or wanted.

The same choice as at a socket's resume (gateway.sessions.resume), told in one JSON object instead of frames.
"""

from typing import Any

import msgspec

from actors.contract.channels import Rights, may_read
from actors.contract.client_frames import Resume
from config.limits import Limits
from gateway.errors import OwnerUnreachable
from gateway.rooms.checkpoint import Checkpoint
from gateway.rooms.room import Room
from gateway.sessions.resume import Choice, choose, withdrawn
from gateway.sessions.sync import chosen_events

_MOST_TRIES = 4


async def news_of(room: Room, rights: Rights, since: Resume, limits: Limits) -> dict[str, Any]:
    """`{channel: {...}}` for every readable channel that moved on, up to what the room has reached now."""
    at_least = dict(room.channels)
    needs_content = False
    for _ in range(_MOST_TRIES):
        checkpoint = await room.checkpoint(content=needs_content, at_least=at_least)
        readable = {name: sequence for name, (sequence, _) in checkpoint.channels.items() if may_read(rights, name)}
        choices = choose(since, room.generation, readable, limits.resume_events)
        events = await chosen_events(room, readable, choices, limits)
        if all(choice.mode == "events" for choice in choices.values()) or checkpoint.chunks is not None:
            gone = {channel: {"mode": "withdrawn"} for channel in withdrawn(since, readable)}
            return gone | _told(checkpoint, choices, events)
        needs_content = True
    raise OwnerUnreachable


def _told(checkpoint: Checkpoint, choices: dict[str, Choice], events: dict[str, list[bytes]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, choice in choices.items():
        sequence, digest = checkpoint.channels[name]
        entry: dict[str, Any] = {"mode": choice.mode, "reason": choice.reason, "sequence": sequence, "digest": digest}
        if choice.mode == "snapshot":
            told[name] = entry | {"state": _state(checkpoint, name)}
        elif events[name]:
            told[name] = entry | {"events": [msgspec.Raw(event) for event in events[name]]}
    return told


def _state(checkpoint: Checkpoint, channel: str) -> Any:
    """A channel's items as one JSON object; a large one comes from the owner in several pieces."""
    chunks = [] if checkpoint.chunks is None else checkpoint.chunks.get(channel, [])
    if len(chunks) == 1:
        return chunks[0].state
    state: dict[str, dict[str, msgspec.Raw]] = {}
    for chunk in chunks:
        for collection, items in msgspec.json.decode(chunk.state, type=dict[str, dict[str, msgspec.Raw]]).items():
            state.setdefault(collection, {}).update(items)
    return state
