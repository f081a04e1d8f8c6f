"""A wedding's channels at one rev, with the frames that bring somebody to it: encoded once, sent to everybody who joins.

Made from an owner's answer, never changed afterwards; the room keeps one and sends the later envelopes behind it.
"""

from collections.abc import Callable, Mapping

from actors.contract.calls import ChannelChunk
from actors.contract.server_frames import Reason
from gateway.rooms.owner import WeddingState
from gateway.wire.frames import sync_frame


class Checkpoint:
    """`channels` maps to (sequence, digest); `chunks` is None where only the head is known."""

    def __init__(self, state: WeddingState) -> None:
        self.generation = state.stand.generation
        self.rev = state.stand.rev
        self.acl = state.stand.acl
        self.channels: Mapping[str, tuple[int, str]] = state.head.channels
        self.chunks: Mapping[str, list[ChannelChunk]] | None = state.chunks
        self._frames: dict[tuple[str, Reason], list[bytes]] = {}
        #: Bytes of the states and of the frames made from them; whoever counts is told of growth.
        self.size_bytes = sum(len(memoryview(chunk.state)) for chunks in (self.chunks or {}).values() for chunk in chunks)
        self.on_growth: Callable[[int], None] | None = None

    def snapshot_frames(self, channel: str, reason: Reason) -> list[bytes]:
        """The frames of one channel's whole state; needs `chunks`."""
        frames = self._frames.get((channel, reason))
        if frames is None:
            frames = self._frames[channel, reason] = self._build(channel, reason)
            size_bytes = sum(map(len, frames))
            self.size_bytes += size_bytes
            if self.on_growth is not None:
                self.on_growth(size_bytes)
        return frames

    def _build(self, channel: str, reason: Reason) -> list[bytes]:
        assert self.chunks is not None  # noqa: S101  # the caller asked for a checkpoint with content
        sequence, digest = self.channels[channel]
        states = [bytes(chunk.state) for chunk in self.chunks.get(channel, ())] or [b"{}"]
        return [
            sync_frame(channel, reason, sequence, digest, state=state, more=number < len(states))
            for number, state in enumerate(states, 1)
        ]
