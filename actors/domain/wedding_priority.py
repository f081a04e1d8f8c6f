"""How urgent a conflict is (`getWeddingPriority`): the nearer the day and the more a field touches, the more. Pure.

The clock is the log's, so that everybody comes to the same level. Called when a conflict is recorded.
"""

from datetime import UTC, date, datetime
from typing import Final

from actors.contract.conflicts import PRIORITIES

_DAY_MS: Final = 24 * 3600 * 1000
#: Days before the wedding from which on everything is more urgent by one more level.
_NEARER: Final = (30, 7, 1)


def wedding_priority(now_ms: int, day: str | None, touches: int) -> int:
    """Return a level of PRIORITIES at Unix milliseconds `now_ms`; `day` is the wedding's (`2027-06-19`), None for unknown."""
    level = touches + _nearness(now_ms, day)
    return min((0, 1, 1, 2, 3)[min(level, 4)], len(PRIORITIES) - 1)


def _nearness(now_ms: int, day: str | None) -> int:
    if day is None:
        return 0
    wedding = date.fromisoformat(day)
    begins_ms = int(datetime(wedding.year, wedding.month, wedding.day, tzinfo=UTC).timestamp()) * 1000
    # A wedding day lasts into the night, in every zone; afterwards nothing is urgent any more.
    if now_ms > begins_ms + 2 * _DAY_MS:
        return 0
    return sum(now_ms >= begins_ms - days * _DAY_MS for days in _NEARER)
