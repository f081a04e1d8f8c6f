"""Single messages of a stream: at a position, from one on, of a subject, before an instant, without reading what lies between.

Asked of the stream itself, so that what was acknowledged before is found. Whole stretches are read by store.log_range.
"""

import asyncio
import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from store.bus import Bus
from store.errors import NO_MESSAGE, JetStreamError

_EVERY_SUBJECT: Final = ">"


class Found(NamedTuple):
    """One message as the stream holds it; its time is the server's, in Unix milliseconds."""

    position: int
    timestamp_ms: int
    subject: str
    data: bytes


async def message_at(bus: Bus, stream: str, position: int) -> Found | None:
    """Return the message at a position, None when it cannot be read; raises StoreError."""
    return await _get(bus, stream, {"seq": position})


async def message_from(bus: Bus, stream: str, position: int, subject: str = _EVERY_SUBJECT) -> Found | None:
    """Return the first readable message of a subject at or above a position, None when there is none; raises StoreError."""
    return await _get(bus, stream, {"seq": position, "next_by_subj": subject})


async def first_of(bus: Bus, stream: str, subjects: Iterable[str], position: int) -> int | None:
    """Return where the first message of any subject stands at or above a position, None without one; raises StoreError."""
    found = await asyncio.gather(*(message_from(bus, stream, position, subject) for subject in subjects))
    return min((message.position for message in found if message is not None), default=None)


async def messages_after(bus: Bus, stream: str, subject: str, position: int) -> list[Found]:
    """Return every message above a position whose subject matches, in order; raises StoreError."""
    found: list[Found] = []
    while (message := await message_from(bus, stream, position + 1, subject)) is not None:
        position = message.position
        found.append(message)
    return found


async def last_before(bus: Bus, stream: str, first: int, last: int, instant: datetime) -> int:
    """Return the highest position from `first` to `last` whose message is older than the instant; `first - 1` when none is."""
    instant_ms = int(instant.timestamp() * 1000)
    low, high = first - 1, last
    while low < high:
        middle = (low + high + 1) // 2
        message = await message_from(bus, stream, middle)
        if message is not None and message.timestamp_ms < instant_ms:
            low = max(middle, min(message.position, last))
        else:
            high = middle - 1
    return low


async def _get(bus: Bus, stream: str, question: dict[str, object]) -> Found | None:
    try:
        message = (await bus.js_request(f"STREAM.MSG.GET.{stream}", question))["message"]
    except JetStreamError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise
    data = base64.b64decode(message.get("data", ""))
    return Found(int(message["seq"]), _milliseconds(message["time"]), message["subject"], data)


def _milliseconds(time: str) -> int:
    """The server writes nanoseconds, and leaves zeros at the end out."""
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp()) * 1000 + int(fraction.ljust(3, "0")[:3])
