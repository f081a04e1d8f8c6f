"""Token buckets: how many of something may come in the long run, and at once after a rest; and many of them, one per key.

Pure: the caller gives the time in seconds of any clock that does not go back. Who owns them is gateway.access.limiter.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Rate(NamedTuple):
    """So many in the long run, and so many at once after a rest; `limit` is the rate's name on the wire."""

    limit: str
    per_second: int
    burst: int


class TokenBucket:
    """Holds at most `burst` permits and gains `per_second` of them."""

    __slots__ = ("_burst", "_per_second", "_permits", "_updated")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._permits = burst
        self._updated = now

    def wait_seconds(self, now: float) -> float:
        """Return 0 when a permit is there, else how long until one is."""
        self._permits = min(self._burst, self._permits + (now - self._updated) * self._per_second)
        self._updated = now
        return 0.0 if self._permits >= 1 else (1 - self._permits) / self._per_second

    def take(self, permits: int = 1) -> None:
        """Use permits up; ask `wait_seconds` first. More than there are may be taken: it then takes longer until one is there."""
        self._permits -= permits


class Buckets(Generic[Key]):
    """A bucket per key. One that was idle until it was full again is forgotten, which makes no difference to anybody.

    With more than `most` active keys the one that was idle for longest comes back rested.
    """

    def __init__(self, rate: Rate, most: int) -> None:
        self.rate = rate
        self._most = most
        #: With the time of the last use, the oldest first.
        self._buckets: OrderedDict[Key, tuple[TokenBucket, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: Key, now: float) -> TokenBucket:
        """The bucket of a key, full for a new one."""
        known = self._buckets.get(key)
        if known is None:
            self._forget_idle(now)
            bucket = TokenBucket(self.rate.per_second, self.rate.burst, now)
            self._buckets[key] = bucket, now
            return bucket
        self._buckets[key] = known[0], now
        self._buckets.move_to_end(key)
        return known[0]

    def _forget_idle(self, now: float) -> None:
        rested_since = now - self.rate.burst / self.rate.per_second
        while self._buckets:
            key, (_, used) = next(iter(self._buckets.items()))
            if used > rested_since and len(self._buckets) < self._most:
                return
            del self._buckets[key]
