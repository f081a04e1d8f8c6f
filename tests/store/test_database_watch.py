"""A PostgreSQL that has fallen silent is found out within seconds; one that is merely slow is left alone (design D7)."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from bench.soak.proxy import Link
from store import database_watch, postgres
from store.errors import StoreUnavailable
from store.postgres import Database
from tests.store.test_postgres import answers
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture
async def link(database_url: str) -> AsyncIterator[Link]:
    """The way to PostgreSQL, to be cut without anybody being told."""
    port = urlsplit(database_url).port
    assert port is not None
    opened = Link(lambda: port)
    await opened.open()
    yield opened
    await opened.close()


def through(link: Link, url: str) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{link.port}/")


async def test_d7_a_silent_postgres_is_found_out_within_six_seconds(
    database_url: str, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a cut cable no statement and no connection waits out its timeout; when the way is whole again, work goes on."""
    assert 2 * database_watch.LOOK_SECONDS + database_watch.ANSWER_WITHIN_SECONDS <= 6
    monkeypatch.setattr(database_watch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(database_watch, "ANSWER_WITHIN_SECONDS", 0.3)
    monkeypatch.setattr(postgres, "CONNECT_WITHIN_SECONDS", 0.5)
    database = await Database.open(through(link, database_url), min_size=2, max_size=2, timeout_seconds=3600)
    under_way = asyncio.Event()

    async def work() -> None:
        async with database.connection() as connection:
            under_way.set()
            await connection.fetchval("SELECT pg_sleep(3600)")

    working = asyncio.create_task(work())
    await under_way.wait()
    link.hold()
    with pytest.raises(StoreUnavailable):
        await working
    assert not await answers(database)
    await link.heal()
    await eventually(lambda: answers(database), "the database answers again")
    await database.close()


async def test_d7_a_slow_statement_is_not_ended(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server answers a question beside it, a statement may take as long as its timeout allows."""
    monkeypatch.setattr(database_watch, "LOOK_SECONDS", 0.02)
    asked = asyncio.Event()
    real = database_watch.DatabaseWatch._answers

    async def answered(watch: database_watch.DatabaseWatch) -> bool:
        alive = await real(watch)
        asked.set()
        return alive

    monkeypatch.setattr(database_watch.DatabaseWatch, "_answers", answered)
    database = await Database.open(database_url, max_size=1)
    async with database.connection() as connection:
        await connection.execute("SELECT pg_sleep(0.5)")
        assert asked.is_set()
    await database.close()
