"""What the rooms of a gateway keep for joins, within a number of bytes: what was used longest ago goes first (design D8, INV7).

A room's cache is its newest whole state with the frames made from it, and its last envelopes. What has gone is fetched from the
owner by whoever needs it next. Told by gateway.rooms.checkpoints; the hub looks now and then at what grew without being told.
"""

from collections import OrderedDict
from typing import Protocol


class RoomCache(Protocol):
    """One room's part."""

    @property
    def cached_bytes(self) -> int: ...

    def drop_state(self) -> int:
        """Give up the whole state; returns its bytes."""
        ...

    def drop_envelopes(self) -> int:
        """Give up the last envelopes; returns their bytes."""
        ...


class RoomCaches:
    """All of them in the order of their last use."""

    def __init__(self, most_bytes: int, most_bytes_per_room: int) -> None:
        self.most_bytes_per_room = most_bytes_per_room
        self.total_bytes = 0
        self.evictions = 0
        self._most_bytes = most_bytes
        self._by_use: OrderedDict[RoomCache, None] = OrderedDict()

    def used(self, cache: RoomCache) -> None:
        """Somebody joins, resumes or repairs out of it now."""
        self._by_use[cache] = None
        self._by_use.move_to_end(cache)

    def grew(self, size_bytes: int) -> None:
        """A cache holds more, or less, than before."""
        self.total_bytes += size_bytes
        if self.total_bytes > self._most_bytes:
            self._evict()

    def forget(self, cache: RoomCache) -> None:
        """Its room has ended."""
        if self._by_use.pop(cache, True) is None:
            self.total_bytes -= cache.cached_bytes

    def settle(self) -> None:
        """Count anew: envelopes come without being told, for that would cost something at each."""
        self.total_bytes = sum(cache.cached_bytes for cache in self._by_use)
        if self.total_bytes > self._most_bytes:
            self._evict()

    def _evict(self) -> None:
        """States first: they are larger, and without envelopes even a resume needs the owner. What was used last stays."""
        *others, _ = self._by_use
        for are_envelopes_due in (False, True):
            for cache in others:
                if self.total_bytes <= self._most_bytes:
                    return
                freed = cache.drop_envelopes() if are_envelopes_due else cache.drop_state()
                self.total_bytes -= freed
                self.evictions += freed > 0
