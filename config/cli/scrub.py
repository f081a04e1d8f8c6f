"""`wedsync scrub`: compare the log with the stored changes, over the range that both still hold (design D12).

Safe beside a running system, which it disturbs by reading alone. One line per difference and per stream on standard output; the
result is recorded for `wedsync status` and the metrics. Exit code 1 when anything differs.
"""

import asyncio
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from config.cli.errors import CommandError
from config.cli.options import DEFAULT_DATA, Data
from config.settings import Settings
from config.supervision.data_folder import DataFolder

if TYPE_CHECKING:
    from config.cli.verification.scrub import StreamScrub
    from store.bus import Bus
    from store.postgres import Database

DIFFERS = 1
SOURCE = "scrub"
_SPAN = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadSince(CommandError):
    """{text!r} is no time to begin at: give an age such as 24h or 3d, or an instant such as 2027-06-19T08:00:00Z."""

    code = "bad_since"
    exit_code = 2


def command(
    since: Annotated[str, typer.Option(help="Only what was saved since: an age (24h) or an instant (RFC 3339).")] = "",
    data: Data = DEFAULT_DATA,
) -> int:
    """Compare the log with the stored changes."""
    from config.supervision.servers import running_servers

    begin = _instant(since) if since else None

    async def run() -> int:
        async with running_servers(DataFolder(data)) as settings:
            return await _scrub(settings, begin)

    differences = asyncio.run(run())
    typer.echo(f"scrubbed: {differences} differences" if differences else "scrubbed: the log and the stored changes agree")
    return DIFFERS if differences else 0


def _instant(text: str) -> datetime:
    if match := _SPAN.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadSince(text=text) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


async def _scrub(settings: Settings, since: datetime | None) -> int:
    from config.supervision.backup import host_bus
    from store import changes, scrubs
    from store.alarms import Alarms
    from store.postgres import Database
    from store.streams import known_identity

    started_at = datetime.now(UTC)
    database = await Database.open(settings.database_url.get_secret_value(), min_size=1, max_size=2)
    try:
        async with host_bus(settings) as bus:
            identity = await known_identity(database)
            checkpoints = await changes.checkpoints(database, identity.generation, identity.partitions)
            by_stream: defaultdict[int, dict[int, int]] = defaultdict(dict)
            for partition, position in checkpoints.items():
                by_stream[partition % identity.streams][partition] = position
            done = [await _scrub_stream(bus, database, stream, mine, since) for stream, mine in sorted(by_stream.items())]
        differences = sum(count for _, count in done)
        streams = [stream for stream, _ in done]
        ranges = {each.stream: (each.first, each.last) for each in streams}
        totals = sum(each.messages for each in streams), sum(each.decisions for each in streams)
        await scrubs.record(database, scrubs.Scrub(started_at, datetime.now(UTC), ranges, *totals, differences))
        alarms = Alarms(database, SOURCE)
        if differences:
            await alarms.sound("scrub_differs", f"{differences} differences; see the output of `wedsync scrub`.")
        else:
            await alarms.withdraw("scrub_differs")
    finally:
        await database.close()
    return differences


async def _scrub_stream(
    bus: "Bus", database: "Database", stream: int, checkpoints: dict[int, int], since: datetime | None
) -> tuple["StreamScrub", int]:
    from config.cli.verification.scrub import StreamScrub
    from store import log_range, log_search

    scrub = StreamScrub(bus, database, stream, checkpoints)
    bounds = await log_range.bounds(bus, scrub.stream)
    if bounds is None:
        typer.echo(f"differs: {scrub.stream} is missing")
        return scrub, 1
    after = 0 if since is None else await log_search.last_before(bus, scrub.stream, bounds.first, bounds.last, since)
    count = 0
    async for difference in scrub.differences(bounds, after):
        count += 1
        typer.echo(f"differs: {difference}")
    highest = max(checkpoints.values())
    if bounds.last < highest:
        count += 1
        typer.echo(f"differs: {scrub.stream} ends at {bounds.last}, but ops up to {highest} are stored")
    if bounds.reported_lost:
        typer.echo(f"note: nats-server reports that it lost messages of {scrub.stream} when it started")
    span = f"positions {scrub.first} to {scrub.last}" if scrub.first <= scrub.last else f"nothing from position {scrub.first} on"
    typer.echo(f"{scrub.stream}: {span}, {scrub.messages} messages, {scrub.decisions} stored decisions")
    return scrub, count
