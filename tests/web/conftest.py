"""What the tests of the JavaScript client work with: Node.js, a scripted server, and a real gateway."""

from collections.abc import AsyncIterator

import pytest

from tests.client.scripted_server import ScriptedServer, scripted_server
from tests.gateway.conftest import PEOPLE, add_person
from tests.support.gateways import RunningGateway, running_stack
from tests.support.hosts import LogAuthor, running_bus
from tests.support.servers import NatsServer
from tests.web.javascript import JavaScript, javascript


@pytest.fixture
async def js() -> AsyncIterator[JavaScript]:
    """A Node.js process that has clients."""
    async with javascript() as running:
        yield running


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port."""
    async with scripted_server() as running:
        yield running


@pytest.fixture
async def stack(jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """One host, one gateway, and the wedding w1 with PEOPLE."""
    async with running_stack(jetstream, database_url) as gateway, running_bus(jetstream, "gateway") as bus:
        author = await LogAuthor.open(bus)
        await author.create_wedding("w1", "ana")
        for person, role in PEOPLE.items():
            if person != "ana":
                await add_person(author, "w1", person, role)
        yield gateway
