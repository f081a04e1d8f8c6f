"""The confirmed state of one wedding as its events made it, channel by channel. Pure: no IO, no clock.

It follows an event only when its sequence is the next one, so it never holds half of anything; what it cannot follow it reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from actors.contract.changes import ChannelItems, apply_changes
from actors.contract.client_frames import ChannelClaim
from actors.contract.digest import channel_digest
from actors.contract.events import Event
from actors.contract.server_frames import ChannelSync, Reason

_decode_event: Final = msgspec.json.Decoder(Event).decode


class Followed(Enum):
    """What became of a live event."""

    APPLIED = "it was the next one"
    KNOWN = "it was applied before"
    GAP = "events before it are missing"


class ChannelCopy:
    """One channel's items and the sequence of the last event in them."""

    def __init__(self) -> None:
        self.sequence = 0
        self.items: ChannelItems = {}

    def digest(self) -> str:
        """The digest of the items, computed from scratch."""
        return channel_digest(self.items)


class SyncReport(NamedTuple):
    """What a sync did: the events it applied, and whether the digest then was the server's."""

    channel: str
    snapshot: bool
    reason: Reason
    events: list[Event]
    digest_agrees: bool


class Replica:
    """Every channel that we hold, under one generation of the log."""

    def __init__(self) -> None:
        self.generation: int | None = None
        self.channels: dict[str, ChannelCopy] = {}

    def sequences(self) -> dict[str, int]:
        """Where each channel stands."""
        return {name: copy.sequence for name, copy in self.channels.items()}

    def digests(self) -> dict[str, str]:
        """The digest of each channel."""
        return {name: copy.digest() for name, copy in self.channels.items()}

    def claims(self, channels: Iterable[str]) -> dict[str, ChannelClaim]:
        """What we hold of these channels, for the server to compare."""
        copies = {name: self.channels.get(name) for name in channels}
        return {
            name: ChannelClaim(0) if copy is None else ChannelClaim(copy.sequence, copy.digest()) for name, copy in copies.items()
        }

    def holds(self, channel: str, collection: str, identifier: str) -> bool:
        """Whether an item stands in this channel."""
        copy = self.channels.get(channel)
        return copy is not None and identifier in copy.items.get(collection, {})

    def channel_holding(self, collection: str, identifier: str) -> str | None:
        """The channel of an item, None when we hold no such item."""
        return next((name for name in self.channels if self.holds(name, collection, identifier)), None)

    def items(self) -> ChannelItems:
        """All items of all channels, `{collection: {id: fields}}`; the fields are ours and must not be changed."""
        merged: ChannelItems = {}
        for copy in self.channels.values():
            for collection, items in copy.items.items():
                merged.setdefault(collection, {}).update(items)
        return merged

    def keep_only(self, channels: Iterable[str]) -> list[str]:
        """Drop every other channel and return the names of those dropped."""
        dropped = [name for name in self.channels if name not in set(channels)]
        for name in dropped:
            del self.channels[name]
        return dropped

    def withdraw(self, channel: str) -> None:
        """Drop a channel that may no longer be read."""
        self.channels.pop(channel, None)

    def follow(self, event: Event) -> Followed:
        """Apply a live event if it is the next one of its channel."""
        copy = self.channels.get(event.channel) or ChannelCopy()
        if event.sequence <= copy.sequence:
            return Followed.KNOWN
        if event.sequence != copy.sequence + 1:
            return Followed.GAP
        self.channels[event.channel] = copy
        apply_changes(copy.items, event.data.changes)
        copy.sequence = event.sequence
        return Followed.APPLIED

    def install(self, frames: Sequence[ChannelSync]) -> SyncReport:
        """Bring one channel to where its sync says; `frames` are all the chunks of it, in order."""
        last = frames[-1]
        snapshot = last.mode == "snapshot"
        copy = ChannelCopy() if snapshot else self.channels.get(last.channel) or ChannelCopy()
        applied: list[Event] = []
        for frame in frames:
            if frame.state is not msgspec.UNSET:
                _merge(copy.items, frame.state)
            for raw in () if frame.events is msgspec.UNSET else frame.events:
                event = _decode_event(raw)
                if event.sequence == copy.sequence + 1:
                    apply_changes(copy.items, event.data.changes)
                    copy.sequence = event.sequence
                    applied.append(event)
        agrees = copy.digest() == last.digest and (snapshot or copy.sequence == last.sequence)
        if snapshot:
            copy.sequence = last.sequence
        self.channels[last.channel] = copy
        return SyncReport(last.channel, snapshot, last.reason, applied, agrees)


def _merge(items: ChannelItems, chunk: Mapping[str, Mapping[str, dict[str, object]]]) -> None:
    for collection, entries in chunk.items():
        items.setdefault(collection, {}).update(entries)
