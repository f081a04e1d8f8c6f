"""Trimming the log: what every partition's checkpoint covers is stored in PostgreSQL and may go (design D11).

Each host calls `trim` now and then; that several do it at once is harmless. Nothing above a checkpoint is ever dropped.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from actors.contract.subjects import log_stream
from config.settings import Settings
from store.bus import Bus
from store.changes import checkpoints
from store.postgres import Database
from store.streams import LogIdentity

log = structlog.get_logger()


async def trim(bus: Bus, database: Database, identity: LogIdentity, settings: Settings) -> int:
    """Drop what is stored and either old or, in a log filled beyond the limit, in the way; returns how many messages went."""
    stored = await checkpoints(database, identity.generation, identity.partitions)
    dropped = 0
    for index in range(identity.streams):
        stream = log_stream(index)
        lowest = min(position for partition, position in stored.items() if partition % identity.streams == index)
        info = await bus.js_request(f"STREAM.INFO.{stream}")
        state = info["state"]
        if state["messages"] == 0 or lowest < state["first_seq"]:
            continue
        up_to = lowest
        if state["bytes"] < settings.log_trim_from_fill * info["config"]["max_bytes"]:
            oldest_kept = datetime.now(UTC) - timedelta(hours=settings.log_trim_age_hours)
            up_to = await _last_before(bus, stream, state["first_seq"], lowest, oldest_kept)
        if up_to >= state["first_seq"]:
            purged = (await bus.js_request(f"STREAM.PURGE.{stream}", {"seq": up_to + 1}))["purged"]
            log.info("log_trimmed", stream=stream, up_to=up_to, messages=purged)
            dropped += int(purged)
    return dropped


async def _last_before(bus: Bus, stream: str, first: int, last: int, instant: datetime) -> int:
    """The highest position from `first` to `last` whose message is older than the instant; `first - 1` when none is."""
    low, high = first - 1, last
    while low < high:
        middle = (low + high + 1) // 2
        message = await _message_at_or_after(bus, stream, middle)
        if datetime.fromisoformat(message["time"][:19] + "+00:00") < instant:
            low = max(middle, min(message["seq"], last))
        else:
            high = middle - 1
    return low


async def _message_at_or_after(bus: Bus, stream: str, position: int) -> dict[str, Any]:
    answer = await bus.js_request(f"STREAM.MSG.GET.{stream}", {"seq": position, "next_by_subj": ">"})
    message: dict[str, Any] = answer["message"]
    return message
