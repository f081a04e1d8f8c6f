"""One server of this test, whose files may be damaged, a database, and what a host and a gateway do with them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from config.supervision.data_folder import DataFolder
from store.postgres import Database
from tests.support.hosts import LogAuthor, host_settings, running_bus, running_host
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually

#: Makes settings of a host on the servers of this test.
MakeSettings = Callable[..., Settings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the server of this test keeps its files."""
    return tmp_path / ".wedsync"


@pytest.fixture
def own_nats(folder: Path) -> Iterator[NatsServer]:
    """A NATS server of this test, to stop, damage and start again."""
    server = start_embedded_nats(DataFolder(folder))
    yield server
    server.server.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """What the hosts of this test store."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def settings_of(own_nats: NatsServer, database_url: str) -> MakeSettings:
    """Settings of hosts on these servers, each with a name of its own."""

    def make(host: str = "host-1", **overrides: object) -> Settings:
        return host_settings(own_nats, database_url, host_id=host, **overrides)

    return make


async def write_and_store(own_nats: NatsServer, database: Database, settings: Settings, tasks: int) -> int:
    """Fill the log with one wedding and its tasks, all of it stored; returns the last position."""
    async with running_host(settings), running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        await author.create_wedding("w1")
        last = 0
        for number in range(tasks):
            last = await author.insert_task("w1", f"t{number}")
        await eventually(lambda: stored_up_to(database, last), "everything is stored")
    return last


async def write_only(own_nats: NatsServer, tasks: int, *, first: int = 0, known: int = 0) -> list[int]:
    """Append ops that no host folds, those of a client that has `known` ops already; returns their positions."""
    async with running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        for _ in range(known):
            author.next_id("ana")
        return [await author.insert_task("w1", f"t{number}") for number in range(first, first + tasks)]


async def stored_up_to(database: Database, position: int) -> bool:
    """Tell whether a decision at this position is stored."""
    async with database.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM changes WHERE last_position >= $1", position))
