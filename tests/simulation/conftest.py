"""Silence for made-up worlds, and the ports of a host in both kinds: in memory, and on the run's NATS and PostgreSQL."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import structlog

from actors.runtime.ports import Bus, Log, Store
from store import streams
from store.bus import Bus as NatsBus
from store.host_log import HostLog
from store.host_store import HostStore
from store.postgres import Database
from store.streams import LogIdentity
from tests.simulation.campaign import quiet
from tests.simulation.lines import DirectLine
from tests.simulation.memory_bus import Broker, MemoryBus
from tests.simulation.memory_log import MemoryLog, MemoryStreams
from tests.simulation.memory_store import MemoryDatabase, MemoryStore
from tests.simulation.world import PARTITIONS
from tests.support.hosts import host_settings, running_bus
from tests.support.servers import NatsServer


@pytest.fixture(autouse=True)
def _no_words() -> Iterator[None]:
    """Hosts in made-up worlds warn thousands of times of faults that are meant."""
    quiet()
    yield
    structlog.reset_defaults()


class Ports(NamedTuple):
    """What one host works with; `store_of` gives the store under another generation, `other_bus` another process."""

    store: Store
    log: Log
    bus: Bus
    other_bus: Bus
    store_of: Callable[[int], Store]


@pytest.fixture(params=["in memory", "real"])
async def ports(request: pytest.FixtureRequest, jetstream: NatsServer, database_url: str) -> AsyncIterator[Ports]:
    """The ports of a host of 4 partitions in one stream, of either kind."""
    if request.param == "in memory":
        yield _in_memory()
        return
    async with AsyncExitStack() as stack:
        settings = host_settings(jetstream, database_url, partitions=PARTITIONS, log_trim_age_hours=1e-9)
        database = await Database.open(database_url)
        stack.push_async_callback(database.close)
        bus: NatsBus = await stack.enter_async_context(running_bus(jetstream, "host"))
        other = await stack.enter_async_context(running_bus(jetstream, "host"))
        identity = await streams.provision(bus, database, settings)
        log = await HostLog.open(bus, database, identity, settings, secrets.token_hex(16))
        stack.push_async_callback(log.close)
        yield Ports(
            HostStore(database, identity),
            log,
            bus,
            other,
            lambda number: HostStore(database, identity._replace(generation=number)),
        )


def _in_memory() -> Ports:
    identity = LogIdentity("simulated", 1, PARTITIONS, 1)
    line = DirectLine()
    database = MemoryDatabase(identity.generation, identity.partitions, lambda: int(time.time() * 1000))
    store = MemoryStore(database, identity.generation, line)
    log = MemoryLog(MemoryStreams(identity.streams, lambda: int(time.time() * 1000)), database, line)
    broker, loop = Broker(), asyncio.get_running_loop()
    return Ports(
        store,
        log,
        MemoryBus(broker, loop, line),
        MemoryBus(broker, loop, line),
        lambda number: MemoryStore(database, number, line),
    )
