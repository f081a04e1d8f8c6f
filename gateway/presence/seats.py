"""The connections of this gateway in one wedding: how often each may speak, and when its person last did something.

Who does nothing for `presence_idle_seconds` is marked idle, and awake again at the next activity. Pure: callers give the times.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from actors.contract.presence import PresenceRecord
from config.settings import Settings
from gateway.access.rate import TokenBucket

#: The time of the last activity is told with every change, and by itself when what was told is older than this.
_TOLD_AGAIN_SECONDS: Final = 30.0


class Now(NamedTuple):
    """One moment by both clocks: seconds of the one that never goes back, and Unix milliseconds."""

    monotonic: float
    unix_ms: int


class Seat:
    """One connection; `record` is what the room was told of it, `expires_at` is set where no socket could close."""

    __slots__ = ("active_at", "bucket", "expires_at", "record")

    def __init__(self, bucket: TokenBucket, record: PresenceRecord, now: Now) -> None:
        self.bucket = bucket
        self.record = record
        self.active_at = now.monotonic
        self.expires_at: float | None = None

    def says(self, presence: dict[str, Any], now: Now, *, is_active: bool) -> PresenceRecord:
        """What the connection says from now on; a status counts from when it was first said."""
        before = self.record
        status = presence.get("status")
        chosen_ms = before.chosen_ms if status == before.presence.get("status") else now.unix_ms
        if is_active:
            self.active_at = now.monotonic
        active_ms = now.unix_ms if is_active else before.active_ms
        updated_ms = max(now.unix_ms, before.updated_ms + 1)
        self.record = PresenceRecord(before.user, updated_ms, presence, active_ms, chosen_ms if status else 0, not is_active)
        return self.record

    def is_used(self, now: Now) -> PresenceRecord | None:
        """Its person did something there; returns what changed when the room must hear of it now."""
        self.active_at = now.monotonic
        return self._told(now, is_idle=False) if self.record.is_idle else None

    def is_left_alone(self) -> PresenceRecord | None:
        """Its client says that nobody is at it."""
        if self.record.is_idle:
            return None
        self.record = msgspec.structs.replace(self.record, is_idle=True)
        return self.record

    def look(self, now: Now, idle_seconds: float) -> PresenceRecord | None:
        """Judge whether it is idle; returns what changed when the room must hear of it."""
        idle_for = now.monotonic - self.active_at
        if idle_for >= idle_seconds:
            return None if self.record.is_idle else self._told(now, is_idle=True)
        if not self.record.is_idle and now.unix_ms - idle_for * 1000 - self.record.active_ms >= _TOLD_AGAIN_SECONDS * 1000:
            return self._told(now, is_idle=False)
        return None

    def _told(self, now: Now, *, is_idle: bool) -> PresenceRecord:
        active_ms = now.unix_ms - int((now.monotonic - self.active_at) * 1000)
        self.record = msgspec.structs.replace(self.record, active_ms=max(active_ms, self.record.active_ms), is_idle=is_idle)
        return self.record


class Seats:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.limits.presence_per_second
        self._idle_seconds = settings.presence_idle_seconds
        self._seats: dict[str, Seat] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def get(self, connection: str) -> Seat | None:
        return self._seats.get(connection)

    def take(self, connection: str, user: str, now: Now) -> Seat:
        """The seat of a connection, a new one if need be."""
        seat = self._seats.get(connection)
        if seat is None:
            record = PresenceRecord(user, 0, {}, now.unix_ms)
            seat = self._seats[connection] = Seat(TokenBucket(self._rate, 2 * self._rate, now.monotonic), record, now)
        return seat

    def leave(self, connection: str) -> None:
        self._seats.pop(connection, None)

    def look(self, now: Now) -> Mapping[str, PresenceRecord | None]:
        """What changed by itself: who has become idle or was active, and None for what has expired."""
        changed = dict(self._changes(now))
        for connection, record in changed.items():
            if record is None:
                self.leave(connection)
        return changed

    def _changes(self, now: Now) -> Iterator[tuple[str, PresenceRecord | None]]:
        for connection, seat in self._seats.items():
            if seat.expires_at is not None and seat.expires_at < now.monotonic:
                yield connection, None
            elif (record := seat.look(now, self._idle_seconds)) is not None:
                yield connection, record
