"""The scrub finds what nobody else sees: the one message that a flipped bit takes out of a log that looks whole (design D12)."""

from pathlib import Path

import pytest

from config.cli.verification.scrub import Difference, StreamScrub
from store import log_range, streams
from store.postgres import Database
from tests.recovery.conftest import MakeSettings, write_and_store, write_only
from tests.support import damage
from tests.support.hosts import LogAuthor, running_bus, running_host
from tests.support.servers import NatsServer

pytestmark = pytest.mark.servers


async def scrub(own_nats: NatsServer, database: Database) -> tuple[StreamScrub, list[Difference]]:
    """Compare the whole log."""
    async with running_bus(own_nats, "host") as bus:
        identity = await streams.known_identity(database)
        found = StreamScrub(bus, database, 0, await streams.stored_positions(database, identity, 0))
        bounds = await log_range.bounds(bus, "LOG_0")
        assert bounds is not None
        return found, [each async for each in found.differences(bounds, 0)]


async def test_d12_scrub_finds_the_message_that_a_flipped_bit_takes(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """After an orderly restart the stream says that it is whole, and the scrub names the op that is missing."""
    last = await write_and_store(own_nats, database, settings_of(), 20)
    agreed, differences = await scrub(own_nats, database)
    assert (agreed.messages, agreed.decisions, differences) == (last, last, [])

    own_nats.server.stop()
    damage.flip_bit(folder)
    own_nats.server.start()
    seen, [only] = await scrub(own_nats, database)
    assert seen.messages == last - 1
    assert (only.wedding, only.what) == ("w1", "stored, but not in the log")
    assert only.op == f"20270619-ana0000:{only.position}"


async def test_d12_scrub_tells_repeats_and_holes_in_numbers_from_what_was_forgotten(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """An op that decided nothing is no difference; one whose decision is gone from the store is."""
    await write_and_store(own_nats, database, settings_of(), 3)
    async with running_host(settings_of()), running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        for _ in range(3):
            author.next_id("ana")
        await author.insert_task("w1", "again")  # number 4 once more: a repeat
        author.next_id("ana")
        hole = await author.insert_task("w1", "too early")  # number 6 before 5
        await author.digests("w1", hole)
    _, differences = await scrub(own_nats, database)
    assert differences == []

    async with database.connection() as connection:
        await connection.execute("DELETE FROM changes WHERE last_position = (SELECT max(last_position) FROM changes)")
    _, differences = await scrub(own_nats, database)
    assert {each.what for each in differences} == {"in the log, but not stored"}


async def test_d12_scrub_names_positions_that_nobody_can_read(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """What is missing above the checkpoints is told with its positions, though nobody knows what it was."""
    last = await write_and_store(own_nats, database, settings_of(), 1)
    await write_only(own_nats, 30, first=1, known=2)
    own_nats.server.stop()
    damage.truncate(folder)
    own_nats.server.start()
    _, differences = await scrub(own_nats, database)
    [only] = differences
    assert last < only.position < last + 30
    assert only.what == f"positions {only.position} to {last + 30} cannot be read, and nothing is stored of it"
