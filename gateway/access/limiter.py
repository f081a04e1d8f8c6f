"""How much everybody may do at this gateway: the one owner of all rates and of the counts of open sockets.

Every rate is a token bucket per connection, person of a wedding, wedding or address. Who is over one is refused with `slow_down`,
which names the limit, its value and when to go on; that hurts nobody else. Memory is bounded: idle keys are forgotten
(gateway.access.rate). Called by the WebSocket route, sessions, HTTP routes and the submitter; presence has its own rate.
"""

import time
from collections import Counter
from collections.abc import Hashable
from typing import Final

from config.limits import Limits
from gateway.access.rate import Buckets, Key, Rate, TokenBucket
from gateway.access.turns import Turns
from gateway.counts import Counts
from gateway.errors import LimitMet, SlowDown

#: Active keys of one kind; beyond it the least active are forgotten.
_MOST_KEYS: Final = 50_000
#: What a frame counts once for.
_FRAME_UNIT_BYTES: Final = 1024
#: A connection over its rate of frames is not listened to for so long after each warning.
PAUSE_SECONDS: Final = 0.25
#: Warnings are forgotten within this time.
_WARNINGS_FORGOTTEN_SECONDS: Final = 120.0
#: When to try again where only somebody's leaving helps.
_SEAT_RETRY_MS: Final = 5_000


def permits_of(size: int) -> int:
    """How often a frame of so many bytes counts."""
    return 1 + size // _FRAME_UNIT_BYTES


class Seats:
    """Open sockets per key, at most `most` each."""

    def __init__(self, limit: str, most: int, whose: str) -> None:
        self._limit = limit
        self._most = most
        self._whose = whose
        self._taken: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def taken(self, key: Hashable) -> int:
        """How many a key has."""
        return self._taken[key]

    def take(self, key: Hashable) -> None:
        """Take one; raises SlowDown. Every one that was taken is given back."""
        if self._taken[key] >= self._most:
            raise SlowDown(
                message=f"{self._most} sockets are open {self._whose} ({self._limit}).",
                remedy="Close some, or come back later.",
                met=LimitMet(self._limit, self._most, _SEAT_RETRY_MS),
            )
        self._taken[key] += 1

    def give_back(self, key: Hashable) -> None:
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]


class Limiter:
    """See the module."""

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self.limits = limits
        self._counts = counts
        self._op_rate = Rate("opsPerSecondPerConnection", limits.ops_per_second_per_connection, limits.op_burst_per_connection)
        of_people = Rate("opsPerSecondPerPerson", limits.ops_per_second_per_person, limits.op_burst_per_person)
        of_weddings = Rate("opsPerSecondPerWedding", limits.ops_per_second_per_wedding, limits.op_burst_per_wedding)
        requests = Rate("requestsPerSecondPerPerson", limits.requests_per_second_per_person, limits.request_burst_per_person)
        messages = Rate("messagesPerSecondPerAddress", limits.messages_per_second_per_address, limits.message_burst_per_address)
        self._people = Buckets[tuple[str, str]](of_people, _MOST_KEYS)
        self._weddings = Buckets[str](of_weddings, _MOST_KEYS)
        self._requests = Buckets[tuple[str, str]](requests, _MOST_KEYS)
        self._addresses = Buckets[str](messages, _MOST_KEYS)
        self.seats_of_addresses = Seats("socketsPerAddress", limits.sockets_per_address, "from your address")
        #: Of people in a wedding, at what the owner reads from its store or the gateway calculates at length.
        self.slow_requests = Turns(limits.slow_requests_per_person, limits.slow_requests_in_line_per_person, counts)
        self.seats_of_people = Seats("socketsPerPerson", limits.sockets_per_person, "of you in this wedding")

    def bucket_of_connection(self) -> TokenBucket:
        """The rate of ops of a new connection."""
        return TokenBucket(self._op_rate.per_second, self._op_rate.burst, time.monotonic())

    def require_op(self, wedding: str, principal: str, connection: TokenBucket) -> None:
        """Count one op of a person everywhere it counts; raises SlowDown, and then it counts nowhere."""
        now = time.monotonic()
        person, everybody = self._people.of((wedding, principal), now), self._weddings.of(wedding, now)
        self._require(self._op_rate, connection, now)
        self._require(self._people.rate, person, now)
        self._require(self._weddings.rate, everybody, now)
        for bucket in (connection, person, everybody):
            bucket.take()

    def require_request(self, wedding: str, principal: str) -> None:
        """Count one HTTP request; raises SlowDown."""
        self._require_one(self._requests, (wedding, principal))

    def require_message(self, address: str, permits: int = 1) -> None:
        """Count a frame, a request or an opening of a socket; raises SlowDown."""
        self._require_one(self._addresses, address, permits)

    def allows_message(self, address: str) -> bool:
        """Whether `require_message` would not raise."""
        now = time.monotonic()
        return not self._addresses.of(address, now).wait_seconds(now)

    def refuse(self, rate: Rate, wait_seconds: float, remedy: str = "Wait `retryAfterMs`, then go on.") -> SlowDown:
        """The error of somebody over a rate."""
        self._counts.limits_met_by_limit[rate.limit] += 1
        met = LimitMet(rate.limit, rate.per_second, int(wait_seconds * 1000) + 1)
        message = f"Too many at once: {rate.limit} is {rate.per_second}, after a rest {rate.burst}."
        return SlowDown(message=message, remedy=remedy, met=met)

    def _require_one(self, buckets: Buckets[Key], key: Key, permits: int = 1) -> None:
        now = time.monotonic()
        bucket = buckets.of(key, now)
        self._require(buckets.rate, bucket, now)
        bucket.take(permits)

    def _require(self, rate: Rate, bucket: TokenBucket, now: float) -> None:
        wait_seconds = bucket.wait_seconds(now)
        if wait_seconds:
            raise self.refuse(rate, wait_seconds)


class ConnectionBudget:
    """What one socket may do, and the seats that it takes until `release`. Raises SlowDown where its address has too many."""

    def __init__(self, limiter: Limiter, address: str) -> None:
        limiter.seats_of_addresses.take(address)
        limits, now = limiter.limits, time.monotonic()
        self._limiter = limiter
        self._address = address
        self._person: tuple[str, str] | None = None
        self._frame_rate = Rate(
            "framesPerSecondPerConnection", limits.frames_per_second_per_connection, limits.frame_burst_per_connection
        )
        self._repair_rate = Rate(
            "repairsPerSecondPerConnection", limits.repairs_per_second_per_connection, limits.repair_burst_per_connection
        )
        self._frames = TokenBucket(self._frame_rate.per_second, self._frame_rate.burst, now)
        self._repairs = TokenBucket(self._repair_rate.per_second, self._repair_rate.burst, now)
        most = limits.warnings_per_connection
        self._warnings = TokenBucket(most / _WARNINGS_FORGOTTEN_SECONDS, most, now)
        self.ops = limiter.bucket_of_connection()

    def sit(self, wedding: str, principal: str) -> None:
        """Take a person's seat; raises SlowDown."""
        self._limiter.seats_of_people.take((wedding, principal))
        self._person = wedding, principal

    def release(self) -> None:
        """The socket is closed."""
        self._limiter.seats_of_addresses.give_back(self._address)
        if self._person is not None:
            self._limiter.seats_of_people.give_back(self._person)

    def require_frame(self, size: int) -> None:
        """Count a frame of so many bytes; raises SlowDown, and the frame counts all the same: it is taken after a pause."""
        now, permits = time.monotonic(), permits_of(size)
        wait_seconds = self._frames.wait_seconds(now)
        self._frames.take(permits)
        if wait_seconds:
            remedy = "Send less. What you sent is read after a pause; soon the connection will be closed."
            raise self._limiter.refuse(self._frame_rate, max(wait_seconds, PAUSE_SECONDS), remedy)
        self._limiter.require_message(self._address, permits)

    def allows_frame(self) -> bool:
        """Whether a frame may come now without a pause; `count_frame` counts one that did."""
        return not self._frames.wait_seconds(time.monotonic()) and self._limiter.allows_message(self._address)

    def count_frame(self, size: int) -> None:
        """Count a frame of so many bytes that was allowed."""
        permits = permits_of(size)
        self._frames.take(permits)
        self._limiter.require_message(self._address, permits)

    def may_be_warned(self) -> bool:
        """Use one of the warnings up, if there is one left before the connection is closed."""
        if self._warnings.wait_seconds(time.monotonic()):
            return False
        self._warnings.take()
        return True

    def require_repair(self) -> None:
        """Count a repair; raises SlowDown."""
        wait_seconds = self._repairs.wait_seconds(time.monotonic())
        if wait_seconds:
            raise self._limiter.refuse(self._repair_rate, wait_seconds)
        self._repairs.take()
