"""What `verify` reads: the stored changes and snapshot, the ops in the log, and what a fresh client sees.

Nothing here writes anything. Stored data that cannot be read is StoredDataDamaged, which the caller tells as a difference.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import zstandard

from actors.contract.decisions import Decision
from actors.contract.ids import partition_of
from actors.contract.subjects import WEDDING, log_filter, log_stream
from actors.domain.errors import SnapshotUnreadable
from actors.domain.snapshot_form import decode
from actors.domain.state import ActorState
from actors.runtime.directives import Directives
from actors.runtime.log_messages import LogMessage, Undecodable, decode_message
from config.cli.errors import CommandError
from config.settings import Settings
from store import rules, snapshots, stored_changes, suspects
from store.bus import Bus
from store.errors import BlockUnreadable
from store.log_consumer import LogConsumer
from store.postgres import Database

_PAGE: Final = 1000
_POLL_SECONDS: Final = 0.02
_LOG_WITHIN_SECONDS: Final = 120.0


class StoredDataDamaged(CommandError):
    """{what} cannot be read: {reason}"""

    code = "stored_data_damaged"


class LogNotRead(CommandError):
    """The log could not be read to its end within {seconds:.0f} s: see `wedsync status`, then verify again."""

    code = "log_not_read"


async def snapshot_of(database: Database, wedding: str, rev: int, kind: str = WEDDING) -> ActorState | None:
    """Return the newest snapshot at or below a rev, None when there is none; raises StoredDataDamaged."""
    try:
        row = await snapshots.newest(database, kind, wedding, rev)
        return None if row is None else decode(row.state, kind)
    except (SnapshotUnreadable, zstandard.ZstdError) as error:
        raise StoredDataDamaged(what="the newest snapshot", reason=error) from error


async def is_stored(database: Database, wedding: str, rev: int) -> bool:
    """Tell whether the stored changes reach a rev; raises StoredDataDamaged."""
    return rev == 0 or bool(await _decisions_after(database, wedding, rev - 1, 1))


async def stored_decisions(
    database: Database, wedding: str, rev: int, *, after: int = 0, kind: str = WEDDING
) -> AsyncIterator[Decision]:
    """Yield the stored decisions above `after` up to a rev; raises StoredDataDamaged."""
    reached = after
    while reached < rev:
        page = await _decisions_after(database, wedding, reached, _PAGE, kind)
        if not page:
            return
        for decision in page:
            if decision.rev <= rev:
                yield decision
        reached = page[-1].rev


async def _decisions_after(database: Database, wedding: str, rev: int, limit: int, kind: str = WEDDING) -> list[Decision]:
    try:
        return await stored_changes.read_after(database, kind, wedding, rev, limit_decisions=limit)
    except BlockUnreadable as error:
        raise StoredDataDamaged(what=f"the stored changes after rev {rev}", reason=error) from error


async def directives_of(database: Database, settings: Settings, wedding: str) -> Directives:
    """Return the rules of every stored position of the wedding's partition; raises RulesUnknown."""
    partition = partition_of(wedding, settings.partitions)
    return Directives((await rules.markers(database, [partition]))[partition], await suspects.skipped(database, partition))


async def log_of(bus: Bus, settings: Settings, wedding: str) -> tuple[int, list[LogMessage]]:
    """Return the first position of the log and the wedding's ops in it, in order; what cannot be decoded is no op."""
    partition = partition_of(wedding, settings.partitions)
    stream = log_stream(partition % settings.log_streams)
    state = (await bus.js_request(f"STREAM.INFO.{stream}"))["state"]
    first, last = int(state["first_seq"]), int(state["last_seq"])
    messages: list[LogMessage] = []

    async def take(position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        try:
            message = decode_message(position, timestamp_ms, subject, data)
        except Undecodable:
            return
        if isinstance(message, LogMessage):
            messages.append(message)

    subjects = f"{log_filter(settings.region, partition).removesuffix('>')}{WEDDING}.{wedding}.*"
    consumer = LogConsumer(bus, stream, [subjects], first - 1, take)
    await consumer.start()
    try:
        async with asyncio.timeout(_LOG_WITHIN_SECONDS):
            while consumer.position < last:  # noqa: ASYNC110  # the position also moves without a message
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise LogNotRead(seconds=_LOG_WITHIN_SECONDS) from None
    finally:
        await consumer.stop()
    return first, messages
