"""Trimming: only what every checkpoint covers, and of that what is old or in the way (design D11)."""

import secrets

import pytest

from config.settings import Settings
from store import changes, streams
from store.bus import Bus
from store.log_writer import LogWriter
from store.postgres import Database
from store.trimming import trim

pytestmark = pytest.mark.servers
#: Every op of a test is older than this.
ANY_AGE = {"log_trim_age_hours": 1e-9}


async def log_of(bus: Bus, database: Database, settings: Settings, ops: int, size: int = 10) -> streams.LogIdentity:
    """A log with ops of partitions 0 to 7 in turn."""
    identity = await streams.provision(bus, database, settings)
    await changes.checkpoints(database, identity.generation, identity.partitions)
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    for number in range(ops):
        await writer.append([(f"log.r0.{number % 8}.w.w1.ann", bytes(size))])
    await writer.close()
    return identity


async def store_up_to(database: Database, position: int, partitions: range = range(8)) -> None:
    stored = await changes.checkpoints(database, 1, 8)
    await changes.flush(database, 1, {partition: (stored[partition], position) for partition in partitions}, [])


async def first_position(bus: Bus, stream: str = "LOG_0") -> int:
    return int((await bus.js_request(f"STREAM.INFO.{stream}"))["state"]["first_seq"])


async def test_d11_never_past_the_lowest_checkpoint(bus: Bus, database: Database, settings: Settings) -> None:
    """One partition that is behind holds all of the log above its checkpoint, however old and full it is."""
    old = settings.model_copy(update=ANY_AGE | {"log_trim_from_fill": 1e-9})
    identity = await log_of(bus, database, old, 20)
    assert await trim(bus, database, identity, old) == 0
    await store_up_to(database, 18)
    await store_up_to(database, 19, range(7))
    assert await trim(bus, database, identity, old) == 18
    assert await first_position(bus) == 19
    assert await trim(bus, database, identity, old) == 0


async def test_d11_what_is_young_and_not_in_the_way_stays(bus: Bus, database: Database, settings: Settings) -> None:
    """Stored ops are kept for the age that is set while there is room."""
    identity = await log_of(bus, database, settings, 10)
    await store_up_to(database, 10)
    assert await trim(bus, database, identity, settings) == 0
    assert await first_position(bus) == 1


async def test_d11_a_filled_log_is_trimmed_sooner(bus: Bus, database: Database, settings: Settings) -> None:
    """Beyond the fill limit stored ops go, whatever their age, and writers find room again (design D11)."""
    small = settings.model_copy(update={"log_max_bytes": 1_000_000})
    identity = await log_of(bus, database, small, 70, size=10_000)
    await store_up_to(database, 60)
    assert await trim(bus, database, identity, small) == 60
    assert await first_position(bus) == 61


async def test_d11_of_a_log_of_mixed_age_the_old_part_goes(
    bus: Bus, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The border between old and young ops is found wherever it lies, also among deleted messages."""
    identity = await log_of(bus, database, settings, 40)
    await store_up_to(database, 40)
    for position in (20, 21, 22):
        await bus.js_request("STREAM.MSG.DELETE.LOG_0", {"seq": position})
    real = bus.js_request

    async def aged(subject: str, body: dict[str, object] | None = None) -> dict[str, object]:
        answer = await real(subject, body)
        if subject == "STREAM.MSG.GET.LOG_0" and answer["message"]["seq"] <= 22 + 1:
            answer["message"]["time"] = "2020-01-01T00:00:00.5Z"
        return answer

    monkeypatch.setattr(bus, "js_request", aged)
    await trim(bus, database, identity, settings)
    assert await first_position(bus) == 24


async def test_d11_each_stream_is_trimmed_by_its_own_partitions(bus: Bus, database: Database, settings: Settings) -> None:
    """A partition that is behind holds only the stream in which it lies."""
    several = settings.model_copy(update=ANY_AGE | {"log_streams": 2, "log_trim_from_fill": 1e-9})
    identity = await log_of(bus, database, several, 16)
    await store_up_to(database, 8, range(0, 8, 2))
    assert await trim(bus, database, identity, several) == 8
    assert (await first_position(bus), await first_position(bus, "LOG_1")) == (9, 1)
