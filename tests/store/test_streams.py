"""The streams: made once, as the design says, and refused where log and database do not belong together (design D3, D12)."""

import asyncio
import secrets
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.contract.subjects import log_subject
from config.settings import Settings
from store import changes, streams
from store.bus import Bus
from store.errors import LogMismatch
from store.log_writer import LogWriter
from store.postgres import Database

pytestmark = pytest.mark.servers


async def config_of(bus: Bus, stream: str) -> dict[str, Any]:
    config: dict[str, Any] = (await bus.js_request(f"STREAM.INFO.{stream}"))["config"]
    return config


async def append(bus: Bus, count: int) -> None:
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    await writer.append([(log_subject("r0", "w", "w1", "ann", 8), b"x")] * count)
    await writer.close()


async def test_provisioning_is_repeatable(bus: Bus, database: Database, settings: Settings) -> None:
    """The second time, and twice at once, gives the same log and changes nothing."""
    first, same = await asyncio.gather(streams.provision(bus, database, settings), streams.provision(bus, database, settings))
    assert first == same
    assert await streams.provision(bus, database, settings) == first
    assert await streams.identify(bus, database, settings) == first
    assert (first.generation, first.partitions, first.streams) == (1, 8, 1)


async def test_d3_the_log_is_what_the_design_says(bus: Bus, database: Database, settings: Settings) -> None:
    """Atomic batches, no forgetting, a size limit, partitions and stream id in the metadata (design D3)."""
    identity = await streams.provision(bus, database, settings)
    config = await config_of(bus, "LOG_0")
    assert config["allow_atomic"]
    assert (config["discard"], config["max_age"], config["max_bytes"]) == ("new", 0, settings.log_max_bytes)
    assert config["metadata"]["wedsync_partitions"] == "8"
    assert config["metadata"]["wedsync_stream_id"] == identity.stream_id
    assert config["description"]


async def test_d10_the_intake_bounds_each_integrator(bus: Bus, database: Database, settings: Settings) -> None:
    """A work queue with a quota per integrator and wedding: one that is full leaves the others alone (design D10)."""
    await streams.provision(bus, database, settings)
    config = await config_of(bus, "INTAKE")
    quota = (config["discard"], config["discard_new_per_subject"], config["max_msgs_per_subject"])
    assert config["retention"] == "workqueue"
    assert quota == ("new", True, settings.limits.intake_waiting_per_principal)
    assert not any(config.get(right) for right in ("allow_atomic", "allow_rollup_hdrs", "allow_msg_schedules", "allow_msg_ttl"))


async def test_changed_settings_reach_existing_streams(bus: Bus, database: Database, settings: Settings) -> None:
    """A larger log is a matter of a setting and a start; ops and identity stay."""
    before = await streams.provision(bus, database, settings)
    await append(bus, 5)
    larger = settings.model_copy(update={"log_max_bytes": settings.log_max_bytes * 2})
    assert await streams.provision(bus, database, larger) == before
    assert (await config_of(bus, "LOG_0"))["max_bytes"] == larger.log_max_bytes
    assert (await bus.js_request("STREAM.INFO.LOG_0"))["state"]["messages"] == 5


async def test_d3_a_host_with_a_smaller_log_in_its_settings_takes_no_room_away(
    bus: Bus, database: Database, settings: Settings
) -> None:
    """What the first one made stays for all, and the log says which setting differs; TIMERS and DEAD would lose messages."""
    before = await streams.provision(bus, database, settings)
    sizes = {name: (await config_of(bus, name))["max_bytes"] for name in ("LOG_0", "INTAKE", "TIMERS", "DEAD")}
    smaller = settings.model_copy(update={"log_max_bytes": settings.log_max_bytes // 2})
    with capture_logs() as events:
        assert await streams.provision(bus, database, smaller) == before
    assert {name: (await config_of(bus, name))["max_bytes"] for name in sizes} == sizes
    told = {each["stream"]: each["setting"] for each in events if each["event"] == "stream_not_lowered"}
    assert told == dict.fromkeys(sizes, "WEDSYNC_LOG_MAX_BYTES")


async def test_d3_a_start_that_is_refused_has_changed_nothing(bus: Bus, database: Database, settings: Settings) -> None:
    """The settings are compared before any stream is brought up to date with them."""
    await streams.provision(bus, database, settings)
    before = await config_of(bus, "INTAKE")
    other = settings.model_copy(update={"log_streams": 3, "log_max_bytes": settings.log_max_bytes * 2})
    with pytest.raises(LogMismatch, match="WEDSYNC_LOG_STREAMS=1"):
        await streams.provision(bus, database, other)
    assert await config_of(bus, "INTAKE") == before


async def test_d3_several_streams_share_the_partitions(bus: Bus, database: Database, settings: Settings) -> None:
    """Partition p lies in stream p mod n, and every op finds exactly one stream (design D3)."""
    several = settings.model_copy(update={"log_streams": 3})
    await streams.provision(bus, database, several)
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    for partition in range(8):
        await writer.append([(f"log.r0.{partition}.w.w1.ann", b"x")])
    counts = [(await bus.js_request(f"STREAM.INFO.LOG_{index}"))["state"]["messages"] for index in range(3)]
    assert counts == [3, 3, 2]
    await writer.close()


@pytest.mark.parametrize(("setting", "value"), [("partitions", 16), ("log_streams", 2)])
async def test_d3_another_number_of_partitions_or_streams_is_refused(
    bus: Bus, database: Database, settings: Settings, setting: str, value: int
) -> None:
    """What is fixed when the log is made cannot be changed by a setting, and the message names the old value (design D3)."""
    await streams.provision(bus, database, settings)
    stored = getattr(settings, setting)
    with pytest.raises(LogMismatch, match=f"WEDSYNC_{setting.upper()}={stored}"):
        await streams.provision(bus, database, settings.model_copy(update={setting: value}))
    assert (await config_of(bus, "LOG_0"))["metadata"][f"wedsync_{setting.removeprefix('log_')}"] == str(stored)


async def test_d12_a_missing_log_is_never_made_anew_under_a_known_database(
    bus: Bus, database: Database, settings: Settings
) -> None:
    """Where the database knows a log that is gone, nothing starts (design D12)."""
    await streams.provision(bus, database, settings)
    await bus.js_request("STREAM.DELETE.LOG_0")
    with pytest.raises(LogMismatch, match="LOG_0 is missing"):
        await streams.provision(bus, database, settings)


async def test_d12_a_log_of_another_database_is_refused(bus: Bus, database: Database, settings: Settings) -> None:
    """A stream with another id is not this database's log (design D12)."""
    await streams.provision(bus, database, settings)
    async with database.connection() as connection:
        await connection.execute("UPDATE log_identity SET stream_id = 'other'")
    with pytest.raises(LogMismatch, match="belongs to another database"):
        await streams.identify(bus, database, settings)


async def test_d12_an_untrimmed_log_is_adopted_by_an_empty_database_a_trimmed_one_is_not(
    bus: Bus, database: Database, settings: Settings
) -> None:
    """A whole log can be folded anew; one whose beginning is stored elsewhere cannot (design D12)."""
    first = await streams.provision(bus, database, settings)
    await append(bus, 5)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM log_identity")
    with pytest.raises(LogMismatch, match="knows no log yet"):
        await streams.identify(bus, database, settings)
    assert await streams.provision(bus, database, settings) == first
    await bus.js_request("STREAM.PURGE.LOG_0", {"seq": 3})
    async with database.connection() as connection:
        await connection.execute("DELETE FROM log_identity")
    with pytest.raises(LogMismatch, match="its beginning is stored there"):
        await streams.provision(bus, database, settings)


async def test_d12_a_log_shorter_than_a_checkpoint_is_refused(bus: Bus, database: Database, settings: Settings) -> None:
    """A log that has lost what is stored is an alarm, not a beginning (design D12)."""
    identity = await streams.provision(bus, database, settings)
    await append(bus, 5)
    await changes.checkpoints(database, identity.generation, 8)
    await changes.flush(database, identity.generation, {2: (0, 5)}, [])
    await streams.identify(bus, database, settings)
    await changes.flush(database, identity.generation, {2: (5, 6)}, [])
    with pytest.raises(LogMismatch, match="ends at 5, but ops up to 6 are stored"):
        await streams.identify(bus, database, settings)


async def test_d12_raising_the_generation_keeps_the_checkpoints(bus: Bus, database: Database, settings: Settings) -> None:
    """After a restore the generation is a higher one, and hosts go on from the stored positions (design D12)."""
    await streams.provision(bus, database, settings)
    await changes.checkpoints(database, 1, 8)
    await changes.flush(database, 1, {2: (0, 5)}, [])
    raised = await streams.raise_generation(database)
    assert raised > 1
    assert (await changes.checkpoints(database, raised, 8))[2] == 5


async def test_d12_a_backup_that_is_restored_again_is_of_no_generation_that_there_was(
    bus: Bus, database: Database, settings: Settings
) -> None:
    """What a backup says of its generation is old: the clock says which ones the others have had, and it never goes back."""
    await streams.provision(bus, database, settings)
    async with database.connection() as connection:
        since_2020 = await connection.fetchval("SELECT extract(epoch FROM now() - timestamptz '2020-01-01 00:00+00')")
    first = await streams.raise_generation(database)
    assert first >= int(since_2020)
    async with database.connection() as connection:
        await connection.execute("UPDATE log_identity SET generation = $1", first + 1_000_000)
    assert await streams.raise_generation(database) == first + 1_000_001


async def test_the_other_streams_take_what_is_theirs(bus: Bus, database: Database, settings: Settings) -> None:
    """Timers may be scheduled and dead letters kept for 30 days; neither ever refuses for being full."""
    await streams.provision(bus, database, settings)
    timers, dead = await config_of(bus, "TIMERS"), await config_of(bus, "DEAD")
    assert timers["allow_msg_schedules"]
    assert timers["subjects"] == ["timer.>", "due.>"]
    assert (timers["discard"], dead["discard"]) == ("old", "old")
    assert dead["max_age"] == 30 * 24 * 3600 * 10**9
