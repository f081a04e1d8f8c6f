"""Trimming the log: what every partition's checkpoint covers is stored in PostgreSQL and may go (design D11).

Each host calls `trim` now and then; that several do it at once is harmless. Nothing above a checkpoint is ever dropped.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from actors.contract.subjects import log_stream
from config.settings import Settings
from store.bus import Bus
from store.changes import checkpoints
from store.log_search import last_before
from store.postgres import Database
from store.streams import LogIdentity

#: Dropped at once, and how long appends have their turn before the next slice.
SLICE_BYTES: Final = 64_000_000
PAUSE_SECONDS: Final = 0.25
log = structlog.get_logger()


async def trim(bus: Bus, database: Database, identity: LogIdentity, settings: Settings, *, by_age: bool = True) -> int:
    """Drop what is stored and in the way, in a log filled beyond the limit, or with `by_age` old; returns how many went."""
    stored: dict[int, int] = {}
    dropped = 0
    for index in range(identity.streams):
        stream = log_stream(index)
        info = await bus.js_request(f"STREAM.INFO.{stream}")
        state = info["state"]
        is_filled = state["bytes"] >= settings.log_trim_from_fill * info["config"]["max_bytes"]
        if state["messages"] == 0 or not (is_filled or by_age):
            continue
        stored = stored or await checkpoints(database, identity.generation, identity.partitions)
        lowest = min(position for partition, position in stored.items() if partition % identity.streams == index)
        if lowest < state["first_seq"]:
            continue
        up_to = lowest
        if not is_filled:
            oldest_kept = datetime.now(UTC) - timedelta(hours=settings.log_trim_age_hours)
            up_to = await last_before(bus, stream, state["first_seq"], lowest, oldest_kept)
        dropped += await _purge(bus, stream, state, up_to)
    return dropped


async def _purge(bus: Bus, stream: str, state: dict[str, Any], up_to: int) -> int:
    """Drop the messages from the first to `up_to`, in slices: a purge holds appends up, about 3 ms for each megabyte."""
    count = max(1, SLICE_BYTES * state["messages"] // max(1, state["bytes"]))
    purged = 0
    for last in (*range(state["first_seq"] + count - 1, up_to, count), up_to):
        if last >= state["first_seq"]:
            purged += int((await bus.js_request(f"STREAM.PURGE.{stream}", {"seq": last + 1}))["purged"])
            await asyncio.sleep(PAUSE_SECONDS if last < up_to else 0)
    if purged:
        log.info("log_trimmed", stream=stream, up_to=up_to, messages=purged)
    return purged
