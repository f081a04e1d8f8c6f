"""INV3: clients that follow the protocol converge, whatever their networks do.

Random people edit random things while their sockets are cut at random; in the end everybody holds what the actor holds.
"""

import asyncio
import random
from collections.abc import Iterator

import aiohttp
import pytest

from bench.installation import Site
from bench.wedding_load import found_wedding, small_wedding
from bench.witness import Witness
from config.supervision.data_folder import DataFolder
from gateway.client import Client, Pending
from tests.support.agreement import digests_of_actor, read_by, with_items
from tests.support.random_edits import edit_at_random
from tests.support.waiting import eventually
from tests.support.wedsync_process import WedSync

pytestmark = pytest.mark.processes

USERS = [f"member-{number}" for number in range(5)]
COLLECTIONS = ["timeline", "guests", "tasks", "budget", "vendors", "tables"]
ROUNDS = 25
#: A failing run names its seed; put it here so that it stays tested.
SEEDS = [1, 2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running WedSync with two gateways and two hosts: a client that comes back may meet another gateway."""
    folder = tmp_path_factory.mktemp("convergence")
    product = WedSync(folder / ".wedsync", folder / "up.log")
    product.start("--gateways", "2", "--hosts", "2")
    yield Site(product.http_url, DataFolder(product.data))
    product.stop()


class Person:
    """One member with a bad network, who edits whatever comes to mind."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.witness = Witness(client)
        self.ops: list[Pending] = []
        self._draw = random.Random(seed)

    async def live(self) -> None:
        """Edit and lose the connection, at random."""
        for _ in range(ROUNDS):
            for _ in range(self._draw.randrange(4)):
                self.ops.append(edit_at_random(self.client, self._draw, COLLECTIONS))
            if self._draw.random() < 0.1:
                await self.client.disconnect()
            await asyncio.sleep(0)
            if self._draw.random() < 0.3 and self.ops:
                await self.ops[-1].saved()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
async def test_clients_that_lose_their_connection_at_random_converge(site: Site, seed: int) -> None:
    """Every op is answered, nobody saw a hole or a repeat, all digests are the actor's, and nobody's digest was ever wrong."""
    wedding = f"random-{seed}"
    async with aiohttp.ClientSession() as http:
        await found_wedding(site, http, wedding, USERS, small_wedding())
        people = [
            Person(Client(site.url, wedding, site.token(user, wedding), session=http), seed * 100 + number)
            for number, user in enumerate(USERS)
        ]
        await asyncio.gather(*(person.client.connect() for person in people))
        await asyncio.gather(*(person.live() for person in people))
        await asyncio.gather(*(answered(person.client) for person in people))
        outcomes = [await op.outcome() for person in people for op in person.ops]
        clients = [person.client for person in people]
        await eventually(lambda: agree_with_the_actor(site, wedding, clients), "everybody holds what the actor holds")
        assert [person.witness.holes_and_repeats() for person in people] == [0] * len(people)
        assert [person.client.mismatches for person in people] == [0] * len(people)
        assert sum(outcome.applied for outcome in outcomes) > len(outcomes) / 2
        await asyncio.gather(*(person.client.close() for person in people))


async def agree_with_the_actor(site: Site, wedding: str, clients: list[Client]) -> bool:
    """Whether each holds exactly what the actor holds of the channels that it reads."""
    held = await digests_of_actor(site, wedding)
    return all(with_items(client.digests()) == read_by(client.user, held) for client in clients)


async def answered(client: Client) -> None:
    """Wait until no op of this client is without an outcome."""
    await client.until(lambda: client.unanswered == 0, within_seconds=30)
