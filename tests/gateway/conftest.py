"""What the tests of the gateway share: a host and a gateway on real servers, and a wedding with four people in it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from actors.contract.ops import Op, Target
from tests.support.gateways import RunningGateway, running_stack
from tests.support.hosts import LogAuthor, running_bus
from tests.support.servers import NatsServer

PEOPLE = {"ana": "couple", "ben": "planner", "tom": "vendor", "gia": "guest"}
#: Makes a wedding with PEOPLE, written by ana.
FoundWedding = Callable[[str], Awaitable[None]]


@pytest.fixture
async def stack(jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """One host, one gateway."""
    async with running_stack(jetstream, database_url) as gateway:
        yield gateway


@pytest.fixture
async def author(jetstream: NatsServer, stack: RunningGateway) -> AsyncIterator[LogAuthor]:
    """Writes into the log beside the gateway, as another gateway would."""
    async with running_bus(jetstream, "gateway") as bus:
        yield await LogAuthor.open(bus)


@pytest.fixture
async def found(author: LogAuthor) -> FoundWedding:
    """See FoundWedding."""

    async def found_wedding(wedding: str) -> None:
        await author.create_wedding(wedding, "ana")
        for person, role in PEOPLE.items():
            if person != "ana":
                await add_person(author, wedding, person, role)

    return found_wedding


async def add_person(author: LogAuthor, wedding: str, person: str, role: str) -> int:
    """Ana makes somebody a member."""
    data: dict[str, object] = {"name": person.title(), "role": role}
    return await author.write(
        wedding, "ana", Op("permission_update", "insert", Target("people", person), author.next_id("ana"), data)
    )
