"""One WedSync for all acceptance tests: the real `wedsync up` with its embedded servers, and what talks to it from outside."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import aiohttp
import pytest

from bench.installation import Site
from config.supervision.data_folder import DataFolder
from gateway.client import Connection
from tests.support.wedsync_process import WedSync


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: it starts the whole of WedSync."""
    for item in items:
        if "/acceptance/" in item.path.as_posix():
            item.add_marker(pytest.mark.processes)


@pytest.fixture(scope="session")
def wedsync(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WedSync]:
    """A running WedSync; tests that kill parts of it leave it serving again."""
    folder = tmp_path_factory.mktemp("acceptance")
    product = WedSync(folder / ".wedsync", folder / "up.log")
    product.start(WEDSYNC_HELLO_TIMEOUT_SECONDS="1")
    yield product
    product.stop()


@pytest.fixture
def site(wedsync: WedSync) -> Site:
    """Where it serves."""
    return Site(wedsync.http_url, DataFolder(wedsync.data))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client for HTTP and sockets."""
    async with aiohttp.ClientSession() as session:
        yield session


#: Cases of one test differ in what no id may hold.
_COUNTER = count(1)


class Wedding:
    """One wedding that a test founds for itself, with a token and a bare socket for each member."""

    def __init__(self, site: Site, http: aiohttp.ClientSession, name: str) -> None:
        self.site = site
        self.name = name
        self._http = http

    async def found(self, author: str = "ana", role: str = "couple") -> None:
        """Create it, with its first member."""
        body = {"id": self.name, "title": "Test", "date": "2027-06-19", "timeZone": "Europe/Zurich"}
        body |= {"homeCurrency": "CHF", "role": role}
        url, headers = f"{self.site.url}/api/collaboration/weddings", {"Authorization": f"Bearer {self.token(author)}"}
        async with self._http.post(url, json=body, headers=headers) as answer:
            assert answer.status in {200, 201}, await answer.text()

    def token(self, principal: str) -> str:
        """A token of a member, or of anybody."""
        return self.site.token(principal, self.name)

    async def connect(self) -> Connection:
        """A socket that has said nothing yet."""
        return await Connection.open(self._http, self.site.url)

    async def join(self, principal: str = "ana", client: str | None = None) -> Connection:
        """A socket after `synced`."""
        connection = await self.connect()
        await connection.hello(self.name, self.token(principal), client=client)
        await connection.receive_until("synced")
        return connection


@pytest.fixture
async def wedding(site: Site, http: aiohttp.ClientSession, request: pytest.FixtureRequest) -> Wedding:
    """A wedding named after the test, with `ana` as one of the couple."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:50]
    made = Wedding(site, http, f"{name}-{next(_COUNTER)}")
    await made.found()
    return made
