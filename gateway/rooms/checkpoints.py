"""The checkpoint that a room keeps for joins, resumes, grants and repairs, and the envelopes around it (design D8).

One question to the owner serves everybody who asks meanwhile, so that a storm of joins does not reach it. Used by the room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.errors import OwnerUnreachable, TooOld
from gateway.rooms.checkpoint import Checkpoint
from gateway.rooms.recent import RecentEnvelopes

if TYPE_CHECKING:
    from gateway.rooms.owner import Owner, WeddingState
    from gateway.rooms.room import Room
    from gateway.rooms.room_caches import RoomCaches

_MOST_CALLS: Final = 3


class Checkpoints:
    """See the module. Every checkpoint that it gives was reached by the room, and `recent` holds everything behind it."""

    def __init__(self, room: Room, owner: Owner, recent: RecentEnvelopes, first: WeddingState) -> None:
        self._room = room
        self._owner = owner
        self._recent = recent
        #: The newest head, and the newest with content.
        self._head: Checkpoint | None = Checkpoint(first)
        self._whole: Checkpoint | None = None
        self._calls: dict[bool, asyncio.Task[Checkpoint]] = {}
        self._extending = asyncio.Lock()
        #: Where this cache counts among those of the gateway; the hub sets it.
        self.caches: RoomCaches | None = None

    @property
    def cached_bytes(self) -> int:
        """What the room keeps for joins."""
        return self._recent.size_bytes + (0 if self._whole is None else self._whole.size_bytes)

    def drop_state(self) -> int:
        """See RoomCache."""
        freed, self._whole = 0 if self._whole is None else self._whole.size_bytes, None
        return freed

    def drop_envelopes(self) -> int:
        """See RoomCache."""
        return self._recent.clear()

    async def get(self, *, content: bool, rev: int, at_least: Mapping[str, int]) -> Checkpoint:
        """Return one from `rev` on that includes these channel sequences, if the owner knows them; raises OwnerUnreachable."""
        if self.caches is not None:
            self.caches.used(self)
        at_least = await self._known(at_least)
        for _ in range(_MOST_CALLS):
            for known in (self._whole,) if content else (self._whole, self._head):
                if known is not None and known.rev >= rev and self._is_usable(known, at_least):
                    return known
            # It may have been too large to keep.
            fresh = await self._called(content)
            if fresh.rev >= rev and self._is_usable(fresh, at_least):
                return fresh
        raise OwnerUnreachable

    async def _known(self, at_least: Mapping[str, int]) -> Mapping[str, int]:
        """Return what of these sequences there is: clients claim them, and one that saw more elsewhere may well be right.

        The owner is asked once, and for heads alone, however many claim however much: the room has reached what it answers.
        """
        channels = self._room.channels
        if all(sequence <= channels.get(name, 0) for name, sequence in at_least.items()):
            return at_least
        if (begun := self._calls.get(False)) is not None:
            # It may have been answered before the claim was true.
            await asyncio.shield(begun)
        await self._called(content=False)
        return {name: min(sequence, channels.get(name, 0)) for name, sequence in at_least.items()}

    async def _called(self, content: bool) -> Checkpoint:
        """Ask the owner, together with everybody who asks meanwhile."""
        call = self._calls.get(content)
        if call is None:
            call = self._calls[content] = asyncio.create_task(self._ask(content))
            call.add_done_callback(partial(self._answered, content))
        return await asyncio.shield(call)

    def kept(self) -> list[Checkpoint]:
        """Return what joins and resumes are served from at present."""
        return [each for each in (self._head, self._whole) if each is not None and self._is_usable(each, {})]

    def forget(self) -> None:
        """Drop everything that is kept; whoever comes next gets it anew from the owner."""
        self._head = self._whole = None
        self._recent.clear()

    async def events(self, wanted: dict[str, tuple[int, int]]) -> dict[str, list[bytes] | None]:
        """As RecentEnvelopes.events, after asking the owner once for what it still keeps of what is gone here."""
        found = self._recent.events(wanted)
        if None not in found.values():
            return found
        async with self._extending:
            found = self._recent.events(wanted)
            missing = {channel: wanted[channel][0] for channel, events in found.items() if events is None}
            if missing:
                await self._extend(missing)
                found = self._recent.events(wanted)
        return found

    def _is_usable(self, checkpoint: Checkpoint, at_least: Mapping[str, int]) -> bool:
        return (
            not self._room.is_unsure
            and self._recent.floor <= checkpoint.rev <= self._room.rev
            and all(checkpoint.channels.get(name, (0, ""))[0] >= sequence for name, sequence in at_least.items())
        )

    async def _ask(self, content: bool) -> Checkpoint:
        state = await self._owner.state(self._room.wedding, content=content)
        self._room.notice_head(state.stand.generation, state.stand.rev)
        await self._room.reached(state.stand.rev)
        checkpoint = Checkpoint(state)
        if content:
            self._keep(checkpoint)
        else:
            self._head = checkpoint
        return checkpoint

    def _keep(self, checkpoint: Checkpoint) -> None:
        """Keep a whole state, unless it is too large: then it serves those who wait for it and goes."""
        caches = self.caches
        before = self.drop_state()
        if caches is None or checkpoint.size_bytes <= caches.most_bytes_per_room:
            self._whole = checkpoint
        if caches is not None:
            checkpoint.on_growth = partial(self._frames_were_made, checkpoint)
            caches.grew((0 if self._whole is None else checkpoint.size_bytes) - before)

    def _frames_were_made(self, checkpoint: Checkpoint, size_bytes: int) -> None:
        if self.caches is None or checkpoint is not self._whole:
            return
        self.caches.grew(size_bytes)
        if checkpoint is self._whole and checkpoint.size_bytes > self.caches.most_bytes_per_room:
            self.caches.grew(-self.drop_state())

    def _answered(self, content: bool, call: asyncio.Task[Checkpoint]) -> None:
        del self._calls[content]
        if not call.cancelled():
            # Looked at here too: everybody who asked may have gone away meanwhile.
            call.exception()

    async def _extend(self, channels: dict[str, int]) -> None:
        try:
            since = await self._owner.since(self._room.wedding, channels=channels)
        except TooOld:
            return
        if since.stand.generation == self._room.generation:
            self._recent.prepend(since.envelopes)
