"""Whether a log may be folded: it reaches the checkpoints, nothing above them is missing, and it is the one that was read (D12).

`fault_of` looks at one stream before anybody serves from it; `lost` says which messages are gone that PostgreSQL does not have.
What nats-server 2.15 does with damaged files stands in docs/operations.md. Called by store.streams and store.reseed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry
from actors.contract.subjects import LOG_STREAM_PREFIX, log_stream, parse_log_subject
from store import log_range, scrubs
from store.blocks import unpack
from store.bus import Bus
from store.errors import BlockUnreadable, LogMismatch
from store.log_search import message_at
from store.postgres import Database

REMEDY: Final = (
    "See what differs with `wedsync scrub`, then replace the log with `wedsync reseed`, or restore both from one backup."
)
#: A message that was trimmed long ago is no anchor; the log keeps what is stored for 72 h.
_ANCHOR_DAYS: Final = 4
SETTLE_ASKINGS: Final = 10
SETTLE_SECONDS: Final = 0.5
_ANCHOR = """
SELECT newest.block FROM unnest($1::int[]) AS p(partition) CROSS JOIN LATERAL (
  SELECT block, last_position FROM changes
  WHERE partition = p.partition AND day >= (now() AT TIME ZONE 'UTC')::date - $2::int ORDER BY last_position DESC LIMIT 1
) AS newest ORDER BY newest.last_position DESC"""
_decode_entry = msgspec.json.Decoder(LogEntry).decode


async def fault_of(
    bus: Bus, database: Database, stream: int, checkpoints: Mapping[int, int], *, whole: bool = True
) -> str | None:
    """Say why this stream must not be folded, None when it may; `checkpoints` are its partitions'. Raises StoreError.

    `whole` reads the messages too, which only hosts may.
    """
    name = log_stream(stream)
    found = await _settled(bus, name, max(checkpoints.values(), default=0))
    if found is None:
        return f"The database belongs to a log that is not there: {name} is missing. {REMEDY}"
    # While others store and trim, an end covers the checkpoints that were read before it, and a beginning those read after it.
    highest = max(checkpoints.values(), default=0)
    if found.last < highest:
        return f"{name} ends at {found.last}, but ops up to {highest} are stored: the log has lost ops. {REMEDY}"
    lowest = min((await _stored_by_now(database, checkpoints)).values(), default=0)
    if found.first > lowest + 1:
        return f"{name} begins at {found.first}, but ops are stored up to {lowest} only: the log has lost ops. {REMEDY}"
    if not whole:
        return None
    if await _is_another(bus, database, name, list(checkpoints)):
        return f"{name} holds other ops than those that are stored: it has gone back and used positions again. {REMEDY}"
    async for first, last in lost(bus, database, stream, checkpoints, found.last):
        return f"{name} has lost ops: {span(first, last)} cannot be read, and nothing is stored of it. {REMEDY}"
    return None


async def _settled(bus: Bus, name: str, position: int) -> log_range.Bounds | None:
    """Ask for the bounds of a stream, of one with copies until its new leader has taken in what the others have."""
    found = await log_range.bounds(bus, name)
    for _ in range(SETTLE_ASKINGS):
        if found is None or found.replicas == 1 or found.last >= position:
            break
        await asyncio.sleep(SETTLE_SECONDS)
        found = await log_range.bounds(bus, name)
    return found


async def lost(
    bus: Bus, database: Database, stream: int, checkpoints: Mapping[int, int], upto: int
) -> AsyncIterator[tuple[int, int]]:
    """Yield the runs of positions above the lowest checkpoint that can neither be read nor are stored; raises StoreError.

    What was trimmed while it was to be read is below the lowest checkpoint by then.
    """
    seen: Mapping[int, int] = {}
    stored: set[int] = set()
    async for first, last in log_range.holes(bus, log_stream(stream), min(checkpoints.values(), default=0), upto):
        now = await _stored_by_now(database, checkpoints)
        lowest, highest = min(now.values(), default=0), max(now.values(), default=0)
        if first <= highest and now != seen:
            # A message between two checkpoints may belong to the partition that has it stored.
            decisions = scrubs.decisions_between(database, list(now), lowest, highest)
            seen, stored = now, {each.decision.position async for each in decisions}
        for run in runs(position for position in range(max(first, lowest + 1), last + 1) if position not in stored):
            yield run


async def _stored_by_now(database: Database, checkpoints: Mapping[int, int]) -> dict[int, int]:
    """Read these checkpoints again."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT partition, position FROM checkpoints WHERE partition = ANY($1::int[])", list(checkpoints)
        )
    return dict.fromkeys(checkpoints, 0) | {row["partition"]: row["position"] for row in rows}


def runs(positions: Iterable[int]) -> list[tuple[int, int]]:
    """Join ascending positions to (first, last) of each contiguous run."""
    joined: list[tuple[int, int]] = []
    for position in positions:
        if joined and joined[-1][1] == position - 1:
            joined[-1] = (joined[-1][0], position)
        else:
            joined.append((position, position))
    return joined


def span(first: int, last: int) -> str:
    """Name a run of positions."""
    return f"position {first}" if first == last else f"positions {first} to {last}"


class Fence:
    """What one process has found whole since it last connected: a server that was away may have come back with less."""

    def __init__(self, bus: Bus, database: Database, streams: int) -> None:
        self._bus = bus
        self._database = database
        self._streams = streams
        #: Stream to the position after which everything could be read.
        self._whole: dict[int, int] = {}
        bus.on_disconnect.append(self._forget)

    async def require_whole(self, name: str, after: int) -> None:
        """Return when no op above a position is missing in this stream; raises LogMismatch, StoreError."""
        whole, stream = self._whole, int(name.removeprefix(LOG_STREAM_PREFIX))
        known = whole.get(stream)
        if known is not None and known <= after:
            return
        found = await log_range.bounds(self._bus, name)
        upto = known if known is not None else 0 if found is None else found.last
        async for _ in log_range.holes(self._bus, name, after, upto):
            # It may be stored already, or be another partition's: PostgreSQL knows.
            positions = await self._checkpoints(stream)
            async for first, last in lost(self._bus, self._database, stream, positions, upto):
                raise LogMismatch(
                    f"{name} has lost ops: {span(first, last)} cannot be read, and nothing is stored of it. {REMEDY}"
                )
            break
        whole[stream] = after

    def _forget(self) -> None:
        self._whole = {}

    async def _checkpoints(self, stream: int) -> dict[int, int]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT partition, position FROM checkpoints WHERE partition % $1 = $2", self._streams, stream
            )
        return {row["partition"]: row["position"] for row in rows}


async def _is_another(bus: Bus, database: Database, stream: str, partitions: list[int]) -> bool:
    """Tell whether the log holds another op at the position of the newest stored decision than the decided one."""
    async with database.connection() as connection:
        rows = await connection.fetch(_ANCHOR, partitions, _ANCHOR_DAYS)
    decision = _last_readable(row["block"] for row in rows)
    if decision is None:
        return False
    message = await message_at(bus, stream, decision.position)
    if message is None:  # trimmed, or damaged and stored
        return False
    try:
        principal = parse_log_subject(message.subject).principal
        op = _decode_entry(message.data).op.id
    except (ValueError, msgspec.MsgspecError):
        return True
    return (principal, op) != (decision.principal, decision.op)


def _last_readable(blocks: Iterable[bytes]) -> Decision | None:
    """The last decision of the first block that can be read: one that has rotted concerns its wedding and not the log."""
    for block in blocks:
        with suppress(BlockUnreadable):
            return unpack(block)[-1]
    return None
