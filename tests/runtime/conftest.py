"""What the tests of hosts share: an author of ops, an ear for envelopes, and settings for hosts on the run's servers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from config.settings import Settings
from store.bus import Bus
from store.postgres import Database
from tests.support.hosts import Envelopes, LogAuthor, host_settings, running_bus
from tests.support.servers import NatsServer

#: Makes settings of a host on the servers of this test.
MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings_of(jetstream: NatsServer, database_url: str, tmp_path: Path) -> MakeSettings:
    """Settings of hosts on these servers, each with a name of its own."""

    def make(host: str = "host-1", **overrides: object) -> Settings:
        return host_settings(jetstream, database_url, host_id=host, **({"data_dir": tmp_path} | overrides))

    return make


@pytest.fixture
async def author(jetstream: NatsServer) -> AsyncIterator[LogAuthor]:
    """Writes ops and asks questions as a gateway does."""
    async with running_bus(jetstream, "gateway") as bus:
        yield await LogAuthor.open(bus)


@pytest.fixture
async def heard(author: LogAuthor) -> Envelopes:
    """Everything that hosts say about any wedding."""
    return await Envelopes.of(author.bus)


@pytest.fixture
async def host_bus(jetstream: NatsServer) -> AsyncIterator[Bus]:
    """A connection with the rights of a host, to read the log."""
    async with running_bus(jetstream, "host") as bus:
        yield bus


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """What the hosts of this test store."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
