"""One channel's state at a sequence after a checkpoint: the checkpoint's items and the events since, as every client does it.

Serves grants and repairs, which must stand exactly where the socket stands, without a question to the owner. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from actors.contract.calls import CHUNK_BYTES
from actors.contract.changes import ChannelItems, apply_changes
from actors.contract.digest import channel_digest
from actors.contract.events import EventData
from gateway.errors import OwnerUnreachable
from gateway.wire.frames import sync_frame

if TYPE_CHECKING:
    from actors.contract.server_frames import Reason
    from gateway.rooms.checkpoint import Checkpoint
    from gateway.rooms.recent import RecentEnvelopes
    from gateway.rooms.room import Room

EMPTY_DIGEST: Final = "0" * 16


class _EventChanges(msgspec.Struct):
    """The part of an event that changes state."""

    data: EventData


_encode = msgspec.json.Encoder().encode
_decode_items = msgspec.json.Decoder(ChannelItems).decode
_decode_event = msgspec.json.Decoder(_EventChanges).decode


def items_at(checkpoint: Checkpoint, recent: RecentEnvelopes, channel: str, sequence: int) -> ChannelItems | None:
    """Return the channel's items at `sequence`, None where that cannot be known; the checkpoint must have content."""
    start, _ = checkpoint.channels.get(channel, (0, EMPTY_DIGEST))
    if sequence < start or checkpoint.chunks is None:
        return None
    events = recent.events({channel: (start, sequence)})[channel]
    if events is None:
        return None
    items: ChannelItems = {}
    for chunk in checkpoint.chunks.get(channel, ()):
        for collection, entries in _decode_items(chunk.state).items():
            items.setdefault(collection, {}).update(entries)
    for event in events:
        apply_changes(items, _decode_event(event).data.changes)
    return items


def digest_at(checkpoint: Checkpoint, recent: RecentEnvelopes, channel: str, sequence: int) -> str | None:
    """Return the channel's digest at `sequence`, None where that cannot be known."""
    start, digest = checkpoint.channels.get(channel, (0, EMPTY_DIGEST))
    if sequence == start:
        return digest
    return items_digest_at(checkpoint, recent, channel, sequence)


def items_digest_at(checkpoint: Checkpoint, recent: RecentEnvelopes, channel: str, sequence: int) -> str | None:
    """Return the digest that the items themselves give at `sequence`, None where they are not known."""
    items = items_at(checkpoint, recent, channel, sequence)
    return None if items is None else channel_digest(items)


def frames_now(room: Room, checkpoint: Checkpoint, channel: str, reason: Reason) -> list[bytes]:
    """The frames of the channel's whole state where the room stands; raises OwnerUnreachable when the checkpoint is too old."""
    sequence = room.channels[channel]
    if checkpoint.channels.get(channel, (0, EMPTY_DIGEST))[0] == sequence:
        return checkpoint.snapshot_frames(channel, reason)
    items = items_at(checkpoint, room.recent, channel, sequence)
    if items is None:
        raise OwnerUnreachable
    digest = channel_digest(items)
    states = list(_chunks(items))
    return [
        sync_frame(channel, reason, sequence, digest, state=state, more=number < len(states))
        for number, state in enumerate(states, 1)
    ]


def _chunks(items: ChannelItems) -> Iterator[bytes]:
    """Cut the items into states of at most CHUNK_BYTES each; an empty channel gives one empty state."""
    chunk: ChannelItems = {}
    size = 0
    for collection, entries in items.items():
        for identifier, fields in entries.items():
            item_size = len(_encode(fields)) + len(identifier) + 4
            if size + item_size > CHUNK_BYTES and chunk:
                yield _encode(chunk)
                chunk, size = {}, 0
            chunk.setdefault(collection, {})[identifier] = fields
            size += item_size
    yield _encode(chunk)
