"""Token buckets: how many ops a connection or a wedding may send in the long run, and at once after a rest.

Pure: the caller gives the time in seconds of any clock that does not go back.
"""


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

    def take(self) -> None:
        """Use one permit up; ask `wait_seconds` first."""
        self._permits -= 1
