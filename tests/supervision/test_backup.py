"""A backup beside a log that is being trimmed: it ends, what it holds may be started, and it goes nowhere where something is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, load_settings
from config.supervision import backup
from config.supervision.backup import load_backup, save_backup
from config.supervision.data_folder import DataFolder
from config.supervision.errors import DatabaseCopyFailed, LogTrimmedMeanwhile, TargetNotEmpty
from store import changes, streams
from store.bus import Bus
from store.log_writer import LogWriter
from store.postgres import Database
from tests.support.hosts import running_bus
from tests.support.servers import NatsServer, start_embedded_nats

pytestmark = pytest.mark.servers

OPS, STORED = 20, 12
Uses = Callable[[NatsServer, str], Settings]


@pytest.fixture
def other_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """Where a backup is restored to."""
    server = start_embedded_nats(DataFolder(tmp_path / "other"))
    yield server
    server.server.stop()


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> Uses:
    """Lets the commands use these servers, as an operator's environment does; gives the settings."""

    def use(server: NatsServer, database_url: str) -> Settings:
        monkeypatch.setenv("NATS_URL", server.url)
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("WEDSYNC_NATS_USER", "host")
        monkeypatch.setenv("WEDSYNC_NATS_PASSWORD", server.password_of("host"))
        monkeypatch.setenv("WEDSYNC_PARTITIONS", "8")
        return load_settings()

    return use


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """The data folder of the installation that is copied."""
    made = DataFolder(tmp_path / ".wedsync")
    made.ensure_keys()
    return made


@asynccontextmanager
async def opened(server: NatsServer, database_url: str) -> AsyncIterator[tuple[Bus, Database]]:
    """A host's bus and database."""
    database = await Database.open(database_url, max_size=2)
    async with running_bus(server, "host") as bus:
        yield bus, database
    await database.close()


async def store_up_to(database: Database, position: int) -> None:
    """Move every checkpoint."""
    generation = (await streams.known_identity(database)).generation
    stored = await changes.checkpoints(database, generation, 8)
    await changes.flush(database, generation, {each: (at, position) for each, at in stored.items()}, [])


async def fill(bus: Bus, database: Database, settings: Settings) -> None:
    """A log of 20 ops, 12 of which are stored."""
    await streams.provision(bus, database, settings)
    writer = await LogWriter.open(bus, "filler")
    await writer.append([(f"log.r0.{number % 8}.w.w1.ann", b"x") for number in range(OPS)])
    await writer.close()
    await store_up_to(database, STORED)


@pytest.fixture
async def filled(jetstream: NatsServer, database_url: str, uses: Uses) -> AsyncIterator[tuple[Bus, Database]]:
    """The installation that is copied, with its log."""
    settings = uses(jetstream, database_url)
    async with opened(jetstream, database_url) as (bus, database):
        await fill(bus, database, settings)
        yield bus, database


def after_each(monkeypatch: pytest.MonkeyPatch, name: str, then: Callable[[int], Awaitable[object]]) -> list[int]:
    """Let something happen after each run of one step of the backup, at most ten times; the list grows by one at each."""
    step = getattr(backup, name)
    runs: list[int] = []

    async def stepped(*arguments: Any) -> None:
        await step(*arguments)
        runs.append(len(runs) + 1)
        assert len(runs) <= 10, "the backup does not end"
        await then(len(runs))

    monkeypatch.setattr(backup, name, stepped)
    return runs


def no_progress(_what: str, _count: int) -> None:
    return


async def test_d12_a_log_that_is_trimmed_below_the_checkpoints_keeps_no_backup_from_ending(
    filled: tuple[Bus, Database], folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trimming goes on all the time; only what the copied database does not have must be in the copied log."""
    bus, _ = filled
    dumps = after_each(monkeypatch, "_postgres", lambda run: bus.js_request("STREAM.PURGE.LOG_0", {"seq": run + 1}))
    await save_backup(folder, tmp_path / "file", no_progress)
    assert (dumps, (tmp_path / "file").exists()) == ([1], True)


async def test_d12_a_log_that_was_trimmed_above_the_copied_checkpoints_is_copied_again_with_the_database(
    filled: tuple[Bus, Database], folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first copy would be refused at its first start, the second one is whole."""
    bus, database = filled

    async def store_and_trim(run: int) -> None:
        if run == 1:
            await store_up_to(database, STORED + 2)
            await bus.js_request("STREAM.PURGE.LOG_0", {"seq": STORED + 2})

    dumps = after_each(monkeypatch, "_postgres", store_and_trim)
    await save_backup(folder, tmp_path / "file", no_progress)
    assert dumps == [1, 2]


async def test_d12_a_backup_that_the_trimming_overtakes_each_time_gives_up(
    filled: tuple[Bus, Database], folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so instead of reading the whole database for ever, and leaves no file."""
    bus, database = filled

    async def store_and_trim(run: int) -> None:
        await store_up_to(database, STORED + run)
        await bus.js_request("STREAM.PURGE.LOG_0", {"seq": STORED + run + 1})

    after_each(monkeypatch, "_postgres", store_and_trim)
    with pytest.raises(LogTrimmedMeanwhile, match="WEDSYNC_LOG_MAX_BYTES"):
        await save_backup(folder, tmp_path / "file", no_progress)
    assert not (tmp_path / "file").exists()


async def test_d12_a_log_that_lacks_ops_is_copied_as_it_is(
    filled: tuple[Bus, Database], folder: DataFolder, tmp_path: Path
) -> None:
    """Nothing went while it was copied: that a start will refuse it is for the fence to say."""
    bus, _ = filled
    await bus.js_request("STREAM.PURGE.LOG_0", {"seq": STORED + 5})
    await save_backup(folder, tmp_path / "file", no_progress)
    assert (tmp_path / "file").exists()


async def test_d12_a_log_that_was_trimmed_while_it_was_copied_begins_where_it_is_whole(
    filled: tuple[Bus, Database],
    folder: DataFolder,
    other_nats: NatsServer,
    empty_database_url: str,
    uses: Uses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of what was trimmed meanwhile the server copies a part: the restored log has none of it, and passes the fence."""
    bus, _ = filled
    runs = after_each(monkeypatch, "save_stream", lambda run: bus.js_request("STREAM.PURGE.LOG_0", {"seq": run + 1}))
    await save_backup(folder, tmp_path / "file", no_progress)
    settings = uses(other_nats, empty_database_url)
    await load_backup(tmp_path / "file", DataFolder(tmp_path / "restored"), no_progress)
    async with opened(other_nats, empty_database_url) as (restored, database):
        await streams.identify(restored, database, settings, whole=True)
        assert await streams.positions(restored, "LOG_0") == (len(runs) + 1, OPS)


async def test_d12_a_restore_leaves_a_database_that_is_in_use_alone(
    filled: tuple[Bus, Database], folder: DataFolder, tmp_path: Path
) -> None:
    """Who rehearses a restore with DATABASE_URL still set is told so, before anything was touched."""
    bus, database = filled
    await save_backup(folder, tmp_path / "file", no_progress)
    before = await streams.known_identity(database), await streams.positions(bus, "LOG_0")
    await store_up_to(database, STORED + 1)
    with pytest.raises(TargetNotEmpty, match="DATABASE_URL") as refused:
        await load_backup(tmp_path / "file", DataFolder(tmp_path / "rehearsal"), no_progress)
    assert "@" not in str(refused.value)
    assert (await streams.known_identity(database), await streams.positions(bus, "LOG_0")) == before
    assert set((await changes.checkpoints(database, 1, 8)).values()) == {STORED + 1}
    assert not (tmp_path / "rehearsal").exists()


async def test_d12_a_restore_beside_the_streams_of_another_writes_no_database(
    filled: tuple[Bus, Database],
    jetstream: NatsServer,
    empty_database_url: str,
    uses: Uses,
    folder: DataFolder,
    tmp_path: Path,
) -> None:
    """An empty database beside a NATS server in use stays empty: half of a restore is nothing that could be started."""
    await save_backup(folder, tmp_path / "file", no_progress)
    uses(jetstream, empty_database_url)
    with pytest.raises(TargetNotEmpty, match="NATS_URL"):
        await load_backup(tmp_path / "file", DataFolder(tmp_path / "rehearsal"), no_progress)
    async with opened(jetstream, empty_database_url) as (_, database), database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('log_identity')") is None


async def test_d12_a_restore_replaces_no_table_of_anybody(
    filled: tuple[Bus, Database],
    other_nats: NatsServer,
    empty_database_url: str,
    uses: Uses,
    folder: DataFolder,
    tmp_path: Path,
) -> None:
    """Where another program has a table of the same name, that stays as it is."""
    await save_backup(folder, tmp_path / "file", no_progress)
    uses(other_nats, empty_database_url)
    async with opened(other_nats, empty_database_url) as (_, database), database.connection() as connection:
        await connection.execute("CREATE TABLE timers AS SELECT 'theirs' AS owner")
        with pytest.raises(DatabaseCopyFailed, match="already exists"):
            await load_backup(tmp_path / "file", DataFolder(tmp_path / "rehearsal"), no_progress)
        assert await connection.fetchval("SELECT owner FROM timers") == "theirs"
