"""Reminders over real servers, killed at every step of their way: each comes exactly once (rules INV1, B4; design D6)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.contract.subjects import TIMERS_STREAM
from config.supervision.data_folder import DataFolder
from store import timer_stream, timers
from store.bus import Bus
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, host_settings, running_bus, running_host
from tests.support.reminders import Reminder, stopped_at
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
NEVER_SECONDS = 3600.0


@pytest.fixture
def reminder(author: LogAuthor, host_bus: Bus, database: Database) -> Reminder:
    """A wedding whose task is not there yet."""
    return Reminder(author, host_bus, database)


async def test_b4_a_task_reminds_once_when_its_time_comes(settings_of: MakeSettings, reminder: Reminder) -> None:
    """From the op over PostgreSQL, TIMERS and the log into the inbox, and nothing is left of it on the way."""
    async with running_host(settings_of()):
        await reminder.arm(after_seconds=1)
        await reminder.require_once()


async def test_d6_killed_before_the_timer_is_stored(settings_of: MakeSettings, reminder: Reminder, heard: Envelopes) -> None:
    """The fold armed it and the host died before it flushed: the next one folds the op again, stores and sends it."""
    async with running_host(settings_of(flush_interval_seconds=NEVER_SECONDS)) as host:
        await heard.at(await reminder.arm())
        await host.close()
    assert not await reminder.is_stored()
    async with running_host(settings_of()):
        await reminder.require_once()


async def test_d6_killed_before_the_timer_is_sent(
    settings_of: MakeSettings, reminder: Reminder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stored and never sent: the next owner begins with what is left."""
    with stopped_at(monkeypatch, timer_stream, "put") as reached:
        async with running_host(settings_of()) as host:
            await reminder.arm()
            await reached.wait()
            await host.close()
    assert await reminder.is_stored()
    assert not await reminder.is_scheduled()
    async with running_host(settings_of()):
        await reminder.require_once()


async def test_d6_killed_before_the_timer_is_struck_off(
    settings_of: MakeSettings, reminder: Reminder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TIMERS has it and PostgreSQL does not know: it is sent once more and fires twice, which the fold counts once."""
    with stopped_at(monkeypatch, timers, "strike") as reached:
        async with running_host(settings_of()) as host:
            await reminder.arm()
            await reached.wait()
            await eventually(reminder.firings, "it has fired")
            await host.close()
    async with running_host(settings_of()):
        await reminder.require_once()


async def test_d6_killed_before_the_firing_is_folded(settings_of: MakeSettings, reminder: Reminder) -> None:
    """It fired while no host was there: the log keeps it for the next one."""
    async with running_host(settings_of()) as host:
        await reminder.arm(after_seconds=2)
        await eventually(reminder.is_sent, "it is sent")
        await host.close()
    await eventually(reminder.firings, "it has fired")
    async with running_host(settings_of()):
        await reminder.require_once()


async def test_d6_killed_before_the_firing_is_stored(settings_of: MakeSettings, reminder: Reminder, heard: Envelopes) -> None:
    """The reminder was told and the host died before it flushed: the next one decides the same and tells it the same."""
    async with running_host(settings_of()) as host:
        await reminder.arm(after_seconds=1)
        await eventually(reminder.is_sent, "it is sent")
        await host.close()
    async with running_host(settings_of(flush_interval_seconds=NEVER_SECONDS)) as host:
        await eventually(lambda: _told(heard), "the reminder is told")
        await host.close()
    assert await reminder.decided() == []
    async with running_host(settings_of()):
        await reminder.require_once()
    assert len(set(_told(heard))) == 1


async def test_d6_two_owners_of_one_partition_remind_once(settings_of: MakeSettings, reminder: Reminder) -> None:
    """Both fold, both send, one stores: the duplicates are ignored."""
    async with running_host(settings_of()), running_host(settings_of()):
        await reminder.arm(after_seconds=1)
        await reminder.require_once()


async def test_d6_what_is_done_in_time_reminds_nobody(settings_of: MakeSettings, reminder: Reminder, database: Database) -> None:
    """Its schedule leaves TIMERS and its row PostgreSQL, and nothing ever fires."""
    async with running_host(settings_of()):
        await reminder.arm(after_seconds=NEVER_SECONDS)
        await eventually(reminder.is_scheduled, "it is scheduled")
        await reminder.change(done=True)

        async def is_gone() -> bool:
            return not await reminder.is_stored() and not await reminder.is_scheduled()

        await eventually(is_gone, "nothing of it is left")
        assert await reminder.firings() == 0


async def test_d6_a_lost_stream_of_timers_is_filled_again(settings_of: MakeSettings, reminder: Reminder, host_bus: Bus) -> None:
    """TIMERS is deleted with the reminder in it: the owner makes it anew, sends what is armed, and the log listens to it."""
    async with running_host(settings_of(timer_sweep_seconds=0.1, timer_ahead_seconds=1)):
        await reminder.arm(after_seconds=3)
        await eventually(reminder.is_sent, "it is sent")
        await host_bus.js_request(f"STREAM.DELETE.{TIMERS_STREAM}")
        await reminder.require_once()


async def test_d6_a_full_log_gets_its_reminder_when_it_has_room(
    settings_of: MakeSettings, reminder: Reminder, host_bus: Bus
) -> None:
    """It falls due while the log takes nothing, waits in TIMERS, and comes when the log was freed."""
    async with running_host(settings_of()):
        await reminder.arm(after_seconds=1)
        await eventually(reminder.is_sent, "it is sent")
        config = (await host_bus.js_request("STREAM.INFO.LOG_0"))["config"]
        await host_bus.js_request("STREAM.UPDATE.LOG_0", {**config, "max_bytes": 1})
        await eventually(reminder.is_due, "it is due")
        assert await reminder.firings() == 0
        await host_bus.js_request("STREAM.UPDATE.LOG_0", config)
        await reminder.require_once()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server of this test alone, to be killed and started again."""
    server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    yield server
    server.server.stop()


@asynccontextmanager
async def reminder_behind(nats: NatsServer, database_url: str, database: Database) -> AsyncIterator[tuple[Reminder, Bus]]:
    """A host and a reminder behind a server that the test may kill, and a host's connection to it."""
    async with (
        running_host(host_settings(nats, database_url)),
        running_bus(nats, "gateway") as gateway,
        running_bus(nats, "host") as bus,
    ):
        yield Reminder(await LogAuthor.open(gateway), bus, database), bus


async def kill_and_start(nats: NatsServer, bus: Bus) -> None:
    """SIGKILL, a start, and everybody is connected again."""
    nats.server.kill()
    await eventually(lambda: not bus.connected, "the end is noticed")
    await asyncio.to_thread(nats.server.start)
    await eventually(lambda: bus.connected, "it is back")


async def test_d6_nats_killed_while_a_timer_is_scheduled(own_nats: NatsServer, database_url: str, database: Database) -> None:
    """The schedule is on disk: it falls due while nobody serves, or after, and fires once."""
    async with reminder_behind(own_nats, database_url, database) as (reminder, bus):
        await reminder.arm(after_seconds=2)
        await eventually(reminder.is_sent, "it is sent")
        await kill_and_start(own_nats, bus)
        await reminder.require_once()


async def test_d6_nats_killed_between_due_and_taken_in(own_nats: NatsServer, database_url: str, database: Database) -> None:
    """A firing that waits for the log outlives the server, and the log takes it in once."""
    async with reminder_behind(own_nats, database_url, database) as (reminder, bus):
        await reminder.arm(after_seconds=1)
        await eventually(reminder.is_sent, "it is sent")
        config = (await bus.js_request("STREAM.INFO.LOG_0"))["config"]
        await bus.js_request("STREAM.UPDATE.LOG_0", {**config, "max_bytes": 1})
        await eventually(reminder.is_due, "it is due")
        await kill_and_start(own_nats, bus)
        # The host brings the limits of its streams back to its settings when it is connected again, which frees the log.
        await reminder.require_once()


def _told(heard: Envelopes) -> list[str]:
    """The events that told a reminder, without what differs between two tellings of one."""
    return [bytes(part.event).decode() for each in heard.all for part in each.parts if part.channel == "inbox.ana"]
