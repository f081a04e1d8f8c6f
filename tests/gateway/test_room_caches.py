"""What a gateway keeps for joins stays within its bytes, and joins are right whatever has been given up (design D8, INV7)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.contract.digest import channel_digest
from tests.gateway.conftest import FoundWedding, add_person
from tests.support.gateways import RunningGateway, Talker, gateway_settings, running_gateway
from tests.support.hosts import LogAuthor, running_bus
from tests.support.servers import NatsServer

BYTES = 200_000
PAGE = "x" * 30_000


@pytest.fixture
async def small(jetstream: NatsServer, database_url: str, stack: RunningGateway) -> AsyncIterator[RunningGateway]:
    """A gateway that may keep the states of one wedding or two."""
    limits = {"cache_bytes_per_gateway": BYTES, "cache_bytes_per_room": 150_000}
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)) as gateway:
        yield gateway


async def write_pages(ana: Talker, count: int) -> None:
    """Ana writes documents and sees each."""
    for number in range(count):
        page = ana.next_op("document_edit", "insert", "documents", f"d{number}", title="t", text=PAGE, audience="team")
        await ana.event_of(await ana.submit(page))


def state_is_right(talker: Talker) -> bool:
    """Whether every channel that came is the one that its digest names."""
    for frames in talker.syncs.values():
        state: dict[str, dict[str, dict[str, object]]] = {}
        for frame in frames:
            for collection, entries in frame["state"].items():
                state.setdefault(collection, {}).update(entries)
        if channel_digest(state) != frames[-1]["digest"]:
            return False
    return True


async def test_inv7_the_caches_of_all_rooms_stay_within_their_bytes(
    jetstream: NatsServer, stack: RunningGateway, small: RunningGateway
) -> None:
    """Joins to more weddings than fit: the least used state goes, is fetched again when asked for, and nobody is told another."""
    for wedding in ("w1", "w2", "w3"):
        async with running_bus(jetstream, "gateway") as bus:
            author = await LogAuthor.open(bus)
            await author.create_wedding(wedding, "ana")
            await author.digests(wedding, await add_person(author, wedding, "ben", "planner"))
        await write_pages(await stack.join(wedding, "ana"), 2)
    caches = small.gateway.hub.caches
    for _ in range(2):
        for wedding in ("w1", "w2", "w3"):
            assert state_is_right(await small.join(wedding, "ben"))
            caches.settle()
            assert caches.total_bytes <= BYTES
    assert caches.evictions > 0
    assert small.gateway.counts.state_calls > 6


async def test_d8_a_state_too_large_to_keep_serves_a_storm_of_joins(
    stack: RunningGateway, small: RunningGateway, found: FoundWedding
) -> None:
    """Thirty at once are answered from few questions, and nothing of it is kept."""
    await found("w1")
    await write_pages(await stack.join("w1", "ana"), 6)
    talkers = await asyncio.gather(*(small.join("w1", "ben") for _ in range(30)))
    assert all(state_is_right(talker) for talker in talkers)
    assert small.gateway.counts.state_calls < 15
    small.gateway.hub.caches.settle()
    assert small.gateway.hub.caches.total_bytes < 150_000


async def test_d8_a_resume_without_cached_envelopes_is_whole(
    small: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Who comes back after the last envelopes were given up gets what was missed from the owner, by events."""
    await found("w1")
    ana = await small.join("w1", "ana")
    await ana.event_of(await ana.insert_task("first"))
    stands = {"generation": 1, "channels": {**ana.welcome["channels"], "tasks.team": 1}}
    for number in range(3):
        await ana.event_of(await ana.insert_task(f"t{number}"))
    room = small.gateway.hub.rooms["w1"]
    room.checkpoints.drop_state()
    assert room.checkpoints.drop_envelopes() > 0
    back = await small.join("w1", "ana", ana.client, resume=stands)
    [frame] = back.syncs["tasks.team"]
    assert frame["mode"] == "events"
    assert [event["sequence"] for event in frame["events"]] == [2, 3, 4]
    await back.event_of(await ana.insert_task("last"))
