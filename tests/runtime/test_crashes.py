"""Hosts that die, stall and overlap: what is stored is what the log says, each op once (rules INV1, INV2; design D2, D7)."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from config.supervision.data_folder import DataFolder
from store.bus import Bus
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.host_process import HostProcess
from tests.support.hosts import Envelopes, LogAuthor, host_settings, running_bus, running_host
from tests.support.refold import require_stored_equals_log
from tests.support.servers import start_embedded_nats, start_embedded_postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
WEDDINGS = [f"w{number}" for number in range(12)]


class Load:
    """Ops about a few weddings, written one after the other until told to stop."""

    def __init__(self, author: LogAuthor) -> None:
        self.author = author
        self.written: list[int] = []
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Make the weddings and go on in the background."""
        for wedding in WEDDINGS:
            await self.author.create_wedding(wedding, f"ana-{wedding}")
            await self.author.insert_task(wedding, "t", author=f"ana-{wedding}")
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while not self._is_over:
            wedding = WEDDINGS[len(self.written) % len(WEDDINGS)]
            title = f"Title {len(self.written)}"
            self.written.append(await self.author.rename_task(wedding, "t", title, f"ana-{wedding}"))

    async def more(self, ops: int) -> None:
        """Return when so many more ops are in the log."""
        assert self._task is not None
        wanted, writing = len(self.written) + ops, self._task
        await eventually(lambda: len(self.written) >= wanted or writing.done(), "more ops are written")
        if writing.done():
            writing.result()

    async def end(self) -> None:
        self._is_over = True
        assert self._task is not None
        await self._task


async def test_inv1_ops_survive_a_host_that_is_killed_again_and_again(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database, tmp_path: Path
) -> None:
    """SIGKILL at random points under load: every op of the log is decided and stored exactly once, as a fresh fold decides it."""
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    load = Load(author)
    async with HostProcess(settings_of(snapshot_every_ops=20), tmp_path / "host.log") as host:
        await load.begin()
        for _ in range(3):
            await load.more(dice.randrange(20, 300))
            await host.kill()
            await load.more(dice.randrange(1, 100))
            await host.start()
        await load.end()
        fold = await require_stored_equals_log(host_bus, database)
        assert await host.stop() == 0
    assert sum(map(len, fold.decisions.values())) == len(load.written) + 2 * len(WEDDINGS)


async def test_inv2_two_hosts_on_the_same_partitions_store_one_truth(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """Two lives of one host own everything twice: the guard lets each decision be stored once, and both agree."""
    async with running_host(settings_of()) as first, running_host(settings_of()) as second:
        load = Load(author)
        await load.begin()
        await load.more(600)
        await load.end()
        await require_stored_equals_log(host_bus, database)
        assert len(first.duty.ownership.partitions) == len(second.duty.ownership.partitions) == 64
        refused = first.counters.guard_refusals + second.counters.guard_refusals
    assert refused > 0


async def test_d2_a_host_that_was_stopped_begins_anew(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database, tmp_path: Path
) -> None:
    """A stalled host loses its share to another one; when it goes on it drops what it had, and nothing is stored twice."""
    load = Load(author)
    async with HostProcess(settings_of("host-1"), tmp_path / "host.log") as stalled, running_host(settings_of("host-2")) as other:
        await load.begin()
        await load.more(50)
        stalled.pause()
        await eventually(lambda: len(other.duty.ownership.partitions) == 64, "the other host owns everything")
        await load.more(100)
        stalled.go_on()
        await eventually(lambda: "host_begins_anew" in (tmp_path / "host.log").read_text(), "the stalled host begins anew")
        await eventually(lambda: len(other.duty.ownership.partitions) < 64, "it has its share again")
        await load.more(100)
        await load.end()
        await require_stored_equals_log(host_bus, database)


async def test_d3_two_hosts_share_and_take_over(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database, heard: Envelopes, tmp_path: Path
) -> None:
    """Partitions move when a host joins and when it is killed; the next op of every wedding is decided all the same."""
    load = Load(author)
    async with running_host(settings_of("host-1")) as first, HostProcess(settings_of("host-2"), tmp_path / "host.log") as joining:
        await load.begin()
        await eventually(lambda: len(first.duty.ownership.partitions) < 64, "the newcomer has a share")
        await load.more(100)
        await load.end()
        await joining.kill()
        for wedding in WEDDINGS:
            position = await author.rename_task(wedding, "t", "After the death", f"ana-{wedding}")
            assert (await heard.at(position)).refusal is None
        await eventually(lambda: len(first.duty.ownership.partitions) == 64, "the first host owns everything again")
        await require_stored_equals_log(host_bus, database)


async def test_a_host_ends_in_time_though_its_servers_are_gone(tmp_path: Path) -> None:
    """SIGTERM ends a host within its drain and a few seconds, also when neither NATS nor Postgres answers any more."""
    folder = DataFolder(tmp_path / ".wedsync")
    nats, postgres = start_embedded_nats(folder), start_embedded_postgres(folder)
    settings = host_settings(nats, postgres.url_of(await postgres.create_database()), drain_seconds=1)
    try:
        async with HostProcess(settings, tmp_path / "host.log") as host:
            async with running_bus(nats, "gateway") as bus:
                await (await LogAuthor.open(bus)).create_wedding("w1")
            nats.server.kill()
            postgres.server.kill()
            async with asyncio.timeout(20):
                await host.stop()
    finally:
        nats.server.stop()
        postgres.server.stop()
