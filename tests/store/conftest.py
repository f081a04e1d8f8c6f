"""Fixtures of the store's tests: buses, a database, a NATS server that a test may kill, and streams with ops in them."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.nats_permissions import inbox_prefix
from store.bus import Bus, Message
from store.log_writer import LogWriter
from store.postgres import Database
from tests.store.reading import Read, Reader, make_log
from tests.support.servers import NatsServer, start_embedded_nats

OpenBus = Callable[..., Awaitable[Bus]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Eight partitions in one stream."""
    return Settings(data_dir=tmp_path, partitions=8)


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server of this test, to kill and start again."""
    server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    yield server
    server.server.stop()


@pytest.fixture
async def open_bus() -> AsyncIterator[OpenBus]:
    """Opens buses and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(server: NatsServer, user: str = "host") -> Bus:
            bus = await Bus.connect(
                server.url, user=user, password=server.password_of(user), name="test", inbox_prefix=inbox_prefix(user)
            )
            stack.push_async_callback(bus.close)
            return bus

        yield open_one


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of this test."""
    opened = await Database.open(database_url, max_size=4, timeout_seconds=10)
    yield opened
    await opened.close()


class Heard:
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def payloads(self) -> list[bytes]:
        return [message.data for message in self.messages]


@pytest.fixture
def heard() -> Heard:
    """A handler that keeps what it hears."""
    return Heard()


@pytest.fixture
async def bus(jetstream: NatsServer, open_bus: OpenBus) -> Bus:
    """A host's bus on a server without streams."""
    return await open_bus(jetstream)


@pytest.fixture
async def writer(bus: Bus) -> AsyncIterator[LogWriter]:
    """A writer on `bus`."""
    opened = await LogWriter.open(bus, secrets.token_hex(16))
    yield opened
    await opened.close()


@pytest.fixture
async def reader(bus: Bus) -> AsyncIterator[Reader]:
    """An empty log LOG_0, and readers on `bus` that are stopped after the test."""
    await make_log(bus)
    made = Reader(bus)
    yield made
    for consumer in made.started:
        await consumer.stop()


@pytest.fixture
def read() -> Read:
    """What a reader delivers."""
    return Read()
