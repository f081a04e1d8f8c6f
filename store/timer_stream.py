"""TIMERS: schedules of timers, one subject each, and how the logs take in what falls due (design D6).

nats-server moves a due schedule to `due.>` of the same stream, and each log sources its share from there, so that no host stands
between a timer and its firing. What shall stand there is in store.timers; hosts send it through store.host_log.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.subjects import TIMERS_STREAM, due_subject, log_stream, timer_subject
from store.bus import Bus
from store.timers import TimerRow

#: How long a firing waits in TIMERS for a log that cannot take it; afterwards the hosts send it again.
_DUE_KEPT: Final = "24h"
#: nats-server counts in nanoseconds of 64 bits, which end in 2262.
_LAST_DUE_MS: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1000
IN_FLIGHT: Final = 100


def sources(stream: int) -> list[dict[str, Any]]:
    """The `sources` of a log stream: the firings of its partitions, each under the principal of timers."""
    address = ".".join(f"{{{{wildcard({number})}}}}" for number in range(1, 5))
    transform = {"src": due_subject(stream, "*", "*", "*", "*"), "dest": f"log.{address}.{TIMER_PRINCIPAL}"}
    return [{"name": TIMERS_STREAM, "subject_transforms": [transform]}]


def first_sequence() -> dict[str, int]:
    """Where a TIMERS begins: behind every one before it, for a log asks for what follows the last firing that it took in."""
    return {"first_seq": int(time.time() * 1000)}


async def connect_anew(bus: Bus, streams: int) -> None:
    """Make the logs ask a new TIMERS at once; by themselves they were seen to notice after 12 to 40 s."""
    for index in range(streams):
        name = log_stream(index)
        config = (await bus.js_request(f"STREAM.INFO.{name}"))["config"]
        await bus.js_request(f"STREAM.UPDATE.{name}", {**config, "sources": []})
        await bus.js_request(f"STREAM.UPDATE.{name}", {**config, "sources": sources(index)})


async def put(bus: Bus, region: str, streams: int, rows: Sequence[TimerRow]) -> None:
    """Bring the schedules in TIMERS to what the rows say; returns when TIMERS has acknowledged them all.

    Raises NoResponder when TIMERS is not there, and StoreError; any of the rows may then have been put.
    """
    window = asyncio.Semaphore(IN_FLIGHT)

    async def put_one(row: TimerRow) -> None:
        async with window:
            await _put(bus, region, streams, row)

    for outcome in await asyncio.gather(*map(put_one, rows), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _put(bus: Bus, region: str, streams: int, row: TimerRow) -> None:
    subject = timer_subject(region, row.partition, row.kind, row.id, row.timer)
    if row.due_ms is None:
        await bus.js_request(f"STREAM.PURGE.{TIMERS_STREAM}", {"filter": subject})
        return
    due = datetime.fromtimestamp(min(max(row.due_ms, 0), _LAST_DUE_MS) / 1000, UTC)
    headers = {
        "Nats-Schedule": f"@at {due:%Y-%m-%dT%H:%M:%S}.{due.microsecond // 1000:03d}Z",
        "Nats-Schedule-Target": due_subject(row.partition % streams, region, row.partition, row.kind, row.id),
        "Nats-Schedule-TTL": _DUE_KEPT,
    }
    await bus.js_publish(subject, row.body, headers)
