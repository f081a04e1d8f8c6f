"""TIMERS and the logs that source it, with a real server: what falls due arrives in the log, whatever is killed (design D6)."""

import time
from typing import Any

import msgspec
import pytest

from actors.contract.ids import partition_of
from actors.contract.subjects import TIMERS_STREAM, log_subject
from config.settings import Settings
from store import streams, timer_stream
from store.bus import Bus
from store.log_writer import LogWriter
from store.postgres import Database
from store.timers import TimerRow
from tests.store.conftest import OpenBus
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
LATER_MS = 4_000_000_000_000


def timer(wedding: str, number: int, due_ms: int | None = 0) -> TimerRow:
    """A timer of a wedding in eight partitions; due long ago unless said otherwise."""
    return TimerRow(partition_of(wedding, 8), "w", wedding, "tasks.band.remind", number, due_ms, b"%d" % number)


async def put(bus: Bus, *rows: TimerRow, streams_count: int = 1) -> None:
    await timer_stream.put(bus, "r0", streams_count, rows)


async def firings(bus: Bus, wedding: str, stream: int = 0) -> int:
    """How many firings of a wedding's timers have arrived in a log."""
    subject = log_subject("r0", "w", wedding, "_timer", 8)
    info = await bus.js_request(f"STREAM.INFO.LOG_{stream}", {"subjects_filter": subject})
    return int((info["state"].get("subjects") or {}).get(subject, 0))


async def arrive(bus: Bus, wedding: str, count: int, stream: int = 0) -> None:
    async def seen() -> bool:
        return await firings(bus, wedding, stream) >= count

    await eventually(seen, f"{count} firings of {wedding} are in the log", within_seconds=20)
    assert await firings(bus, wedding, stream) == count


async def scheduled(bus: Bus) -> dict[str, int]:
    info = await bus.js_request(f"STREAM.INFO.{TIMERS_STREAM}", {"subjects_filter": "timer.>"})
    return info["state"].get("subjects") or {}


async def test_d6_each_log_takes_the_firings_of_its_own_partitions(bus: Bus, database: Database, settings: Settings) -> None:
    """With three log streams a firing arrives in the one that holds its wedding, once, as the op of `_timer` that it carries."""
    await streams.provision(bus, database, settings.model_copy(update={"log_streams": 3}))
    weddings = [f"w{number}" for number in range(8)]
    await put(bus, *(timer(wedding, 1) for wedding in weddings), streams_count=3)
    for wedding in weddings:
        await arrive(bus, wedding, 1, partition_of(wedding, 8) % 3)
    sizes = [(await streams.positions(bus, f"LOG_{index}"))[1] for index in range(3)]
    assert sum(sizes) == len(weddings)
    answer = await bus.js_request("STREAM.MSG.GET.LOG_0", {"seq": 1})
    assert msgspec.json.decode(b'"' + answer["message"]["data"].encode() + b'"', type=bytes) == b"1"


async def test_d6_a_timer_has_one_schedule_that_can_be_taken_away(bus: Bus, database: Database, settings: Settings) -> None:
    """Armed anew it has one schedule still; cancelled it has none, and cancelled again neither."""
    await streams.provision(bus, database, settings)
    await put(bus, timer("w1", 1, LATER_MS), timer("w2", 1, LATER_MS))
    await put(bus, timer("w1", 2, LATER_MS + 5))
    assert sum((await scheduled(bus)).values()) == 2
    await put(bus, timer("w1", 0, None))
    await put(bus, timer("w1", 0, None))
    assert list(await scheduled(bus)) == [f"timer.r0.{partition_of('w2', 8)}.w.w2.tasks.band.remind"]


async def test_d6_times_that_the_server_could_not_count_are_met_as_near_as_it_can(
    bus: Bus, database: Database, settings: Settings
) -> None:
    """The year 9999 never comes early, and the year 1 is past."""
    await streams.provision(bus, database, settings)
    await put(bus, timer("w1", 1, 253_402_300_799_000), timer("w2", 1, -62_135_596_800_000))
    await arrive(bus, "w2", 1)
    assert await firings(bus, "w1") == 0
    assert len(await scheduled(bus)) == 1


async def test_d6_a_log_of_before_begins_to_take_firings(bus: Bus, database: Database, settings: Settings) -> None:
    """A log that was made without sources, with ops in it, is brought up to date in place."""
    await streams.provision(bus, database, settings)
    config: dict[str, Any] = (await bus.js_request("STREAM.INFO.LOG_0"))["config"]
    await bus.js_request("STREAM.UPDATE.LOG_0", {**config, "sources": []})
    writer = await LogWriter.open(bus, "boot")
    await writer.append([(log_subject("r0", "w", "w1", "ana", 8), b"op")])
    await writer.close()
    await streams.provision(bus, database, settings)
    await put(bus, timer("w1", 1))
    await arrive(bus, "w1", 1)
    assert (await bus.js_request("STREAM.INFO.LOG_0"))["state"]["messages"] == 2


async def test_d6_a_killed_server_neither_loses_nor_repeats_a_firing(
    own_nats: NatsServer, open_bus: OpenBus, database: Database, settings: Settings
) -> None:
    """Killed after some firings and before others were due: on return every one has come, once."""
    bus = await open_bus(own_nats)
    await streams.provision(bus, database, settings)
    await put(bus, timer("w1", 1))
    await arrive(bus, "w1", 1)
    await put(bus, timer("w1", 2, int(time.time() * 1000) + 1500), timer("w2", 1))
    own_nats.server.kill()
    await eventually(lambda: not bus.connected, "the bus has noticed")
    own_nats.server.start()
    await eventually(lambda: bus.connected, "the bus is back")
    await arrive(bus, "w1", 2)
    await arrive(bus, "w2", 1)


async def test_d6_a_full_log_takes_the_firings_when_it_has_room_again(bus: Bus, database: Database, settings: Settings) -> None:
    """A firing waits in TIMERS while the log is full, and comes when the log was freed, once."""
    await streams.provision(bus, database, settings)
    config: dict[str, Any] = (await bus.js_request("STREAM.INFO.LOG_0"))["config"]
    await bus.js_request("STREAM.UPDATE.LOG_0", {**config, "max_bytes": 1})
    await put(bus, *(timer(f"w{number}", 1) for number in range(5)))

    async def due() -> bool:
        info = await bus.js_request(f"STREAM.INFO.{TIMERS_STREAM}", {"subjects_filter": "due.>"})
        return len(info["state"].get("subjects") or {}) == 5

    await eventually(due, "all firings are due")
    assert await streams.positions(bus, "LOG_0") == (0, 0)
    await bus.js_request("STREAM.UPDATE.LOG_0", config)
    for number in range(5):
        await arrive(bus, f"w{number}", 1)


async def test_d6_a_lost_stream_of_timers_is_made_again(bus: Bus, database: Database, settings: Settings) -> None:
    """Its sequences go on behind those of the lost one, for else the logs would pass over the next firings in silence."""
    await streams.provision(bus, database, settings)
    await put(bus, timer("w1", 1), timer("w2", 1))
    await arrive(bus, "w1", 1)
    await arrive(bus, "w2", 1)
    _, before = await streams.positions(bus, TIMERS_STREAM)
    await bus.js_request(f"STREAM.DELETE.{TIMERS_STREAM}")
    await streams.provision(bus, database, settings)
    assert (await streams.positions(bus, TIMERS_STREAM))[0] > before
    await put(bus, timer("w1", 2))
    await arrive(bus, "w1", 2)
