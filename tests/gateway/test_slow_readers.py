"""Who reads too slowly is left behind, told so, and brought back on the same socket, whole; nobody else notices (INV4, INV7)."""

import asyncio
import socket as sockets
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway.client import Client
from tests.gateway.conftest import FoundWedding, add_person
from tests.support.gateways import RunningGateway, Talker, gateway_settings, running_gateway, token_of
from tests.support.hosts import LogAuthor
from tests.support.http_api import BASE, HttpApi
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

PAGE = "x" * 30_000


@pytest.fixture
async def narrow(jetstream: NatsServer, database_url: str, stack: RunningGateway) -> AsyncIterator[RunningGateway]:
    """A gateway that lets little wait for a socket."""
    limits = {"socket_buffer_bytes": 64 * 1024, "stale_seconds_per_socket": 30}
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)) as gateway:
        yield gateway


@pytest.fixture
async def phone() -> AsyncIterator[aiohttp.ClientSession]:
    """What connects from here has little room for what it has not read."""

    def small(address: Any) -> sockets.socket:
        made = sockets.socket(address[0], address[1], address[2])
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        return made

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=small)) as session:
        yield session


async def join_slowly(gateway: RunningGateway, phone: aiohttp.ClientSession, wedding: str, principal: str) -> Talker:
    """A synced connection that can be stalled."""
    talker = Talker(await phone.ws_connect(f"{gateway.url}/ws", max_msg_size=0))
    await talker.hello(wedding, principal)
    return await talker.until_synced()


def transport_of(connection: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    """What can be told to stop reading."""
    assert connection._conn is not None
    assert isinstance(connection._conn.transport, asyncio.Transport)
    return connection._conn.transport


async def write_until(ana: Talker, is_enough: Callable[[], Any]) -> None:
    """Ana writes pages until it is enough; she gets each of her events at once."""
    written = 0
    while not is_enough():
        written += 1
        page = ana.next_op("document_edit", "insert", "documents", f"d{written}", title="t", text=PAGE, audience="team")
        await ana.event_of(await ana.submit(page))
        assert written < 1000


async def frames_until_synced(talker: Talker) -> list[dict[str, Any]]:
    """Everything up to the next `synced`, presence left out."""
    frames = [await talker.receive()]
    while frames[-1]["type"] != "synced":
        frames.append(await talker.receive())
    return [frame for frame in frames if frame["type"] != "presence_update"]


async def test_inv4_a_stale_socket_is_told_and_resumed_without_a_hole(
    narrow: RunningGateway, phone: aiohttp.ClientSession, found: FoundWedding
) -> None:
    """Events up to a sequence, `stale` that names it, one sync per channel to the newest, `synced`, the answer to its own op."""
    await found("w1")
    ana, tom = await narrow.join("w1", "ana"), await join_slowly(narrow, phone, "w1", "tom")
    await ana.event_of(await ana.insert_task("first"))
    await tom.expect("collaboration_event")
    transport_of(tom.connection).pause_reading()
    await write_until(ana, lambda: narrow.gateway.counts.sockets_stale)
    own = await tom.insert_task("of-tom")
    await ana.event_of(own)
    sequences = dict(narrow.gateway.hub.rooms["w1"].channels)
    transport_of(tom.connection).resume_reading()
    frames = await frames_until_synced(tom)
    kinds = [frame["type"] for frame in frames if frame["type"] != "saved"]
    turning = kinds.index("stale")
    assert set(kinds[:turning]) <= {"collaboration_event"}
    pages = [
        event["sequence"] for frame in frames[:turning] if frame["type"] == "collaboration_event" for event in frame["events"]
    ]
    assert pages == list(range(1, len(pages) + 1))
    [stale] = [frame for frame in frames if frame["type"] == "stale"]
    # No page came after the one that made the socket stale.
    assert stale["channels"] == {"tasks.team": 1}
    assert len(pages) == sequences["documents.team"]
    syncs = {frame["channel"]: frame for frame in frames if frame["type"] == "data_sync"}
    assert {frame["reason"] for frame in syncs.values()} == {"stale"}
    assert {channel: frame["sequence"] for channel, frame in syncs.items()} == sequences
    assert [event["id"] for event in syncs["tasks.team"]["events"]] == [own]
    await tom.expect("applied", op=own)
    await tom.event_of(await ana.insert_task("last"))


async def test_inv4_the_client_shows_what_it_missed_at_once_and_agrees(
    narrow: RunningGateway, phone: aiohttp.ClientSession, found: FoundWedding
) -> None:
    """The shipped client comes through on one connection: no repair, no mismatch, and the state of everybody else."""
    await found("w1")
    ana = await narrow.join("w1", "ana")
    async with Client(narrow.url, "w1", token_of("ben", "w1"), session=phone) as ben:
        opened = narrow.gateway.counts.sockets_opened
        assert ben._connection is not None
        transport = transport_of(ben._connection._socket)
        transport.pause_reading()
        await write_until(ana, lambda: narrow.gateway.counts.sockets_stale)
        op = ben.insert("tasks", "of-ben", {"title": "x"})
        await ana.expect("collaboration_event")
        transport.resume_reading()
        assert (await op.outcome()).applied
        room = narrow.gateway.hub.rooms["w1"]
        await ben.until(lambda: ben.sequences().get("documents.team") == room.channels["documents.team"])
        assert ben.mismatches == 0
        assert narrow.gateway.counts.sockets_opened == opened
        assert not ben.unanswered


async def test_inv5_what_a_stale_socket_lost_is_withdrawn_and_not_brought(
    narrow: RunningGateway, phone: aiohttp.ClientSession, found: FoundWedding, author: LogAuthor
) -> None:
    """Rights that change while it is stale hold for its resume: no byte of a lost channel that was written meanwhile."""
    await found("w1")
    await add_person(author, "w1", "vic", "vendor")
    ana, vic = await narrow.join("w1", "ana"), await join_slowly(narrow, phone, "w1", "vic")
    transport_of(vic.connection).pause_reading()
    await write_until(ana, lambda: narrow.gateway.counts.sockets_stale)
    await ana.event_of(await ana.submit(ana.next_op("permission_update", "update", "people", "vic", role="guest")))
    await ana.event_of(await ana.insert_task("secret-of-the-team"))
    transport_of(vic.connection).resume_reading()
    frames = await frames_until_synced(vic)
    withdrawn = {frame["channel"] for frame in frames if frame["type"] == "withdrawn"}
    assert "documents.team" in withdrawn
    assert {frame["channel"] for frame in frames if frame["type"] == "data_sync"} == {"wedding.everyone", "people.everyone"}
    assert "secret-of-the-team" not in str(frames)
    [event] = (await _after(ana, vic))["events"]
    assert event["channel"] == "people.everyone"


async def _after(ana: Talker, reader: Talker) -> dict[str, Any]:
    """The reader's next live frame: Ana renames somebody, which everybody may see."""
    await ana.submit(ana.next_op("permission_update", "update", "people", "gia", name="Gia G."))
    return await reader.expect("collaboration_event")


async def test_inv7_a_reader_that_does_not_read_is_closed_and_nobody_waits(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding, phone: aiohttp.ClientSession
) -> None:
    """One among fifty: it keeps a bounded number of bytes, is closed with 4408 in the end, and the others get everything."""
    await found("w1")
    limits = {"socket_buffer_bytes": 64 * 1024, "stale_seconds_per_socket": 1}
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)
    async with running_gateway(settings) as other:
        ana = await other.join("w1", "ana")
        others = [await other.join("w1", "tom") for _ in range(48)]
        stalled = await join_slowly(other, phone, "w1", "tom")
        [seen] = [each for each in other.gateway.hub.rooms["w1"].audience.sockets if each.client == stalled.client]
        transport_of(stalled.connection).pause_reading()
        await write_until(ana, lambda: seen.is_stale)
        left = seen.buffered_bytes
        last = await ana.insert_task("last")
        for each in (ana, *others):
            while last not in {event["id"] for event in (await each.expect("collaboration_event"))["events"]}:
                pass
        assert seen.buffered_bytes <= left < 64 * 1024 + 2 * len(PAGE)
        await eventually(lambda: other.gateway.counts.sockets_closed_by_code[4408], "it is closed", within_seconds=30)
        assert len(other.gateway.hub.rooms["w1"].audience) == 49


async def test_a_revoked_token_ends_also_a_join_that_is_under_way(
    stack: RunningGateway, narrow: RunningGateway, found: FoundWedding, phone: aiohttp.ClientSession
) -> None:
    """A lost phone that takes its state slowly gets no more of it."""
    await found("w1")
    ana = await narrow.join("w1", "ana")
    for number in range(100):
        page = ana.next_op("document_edit", "insert", "documents", f"d{number}", title="t", text=PAGE)
        await ana.event_of(await ana.submit(page))
    talker = Talker(await phone.ws_connect(f"{narrow.url}/ws", max_msg_size=0))
    transport_of(talker.connection).pause_reading()
    await talker.hello("w1", "tom")
    audience = narrow.gateway.hub.rooms["w1"].audience
    await eventually(lambda: audience.arriving, "it is being brought the state")
    assert (await HttpApi(stack, "w1", "ana").call("DELETE", f"{BASE}/sessions/w1?user=tom")).status == 204
    await eventually(lambda: narrow.gateway.counts.sockets_closed_by_code[4401], "it is closed", within_seconds=20)


async def test_inv6_who_goes_while_the_socket_is_opened_fails_nothing(stack: RunningGateway) -> None:
    """A caller that resets its connection right behind the upgrade leaves neither a failure nor a socket."""
    host, port = stack.url.removeprefix("http://").split(":")
    upgrade = (
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with capture_logs() as events:
        for _ in range(50):
            _, caller = await asyncio.open_connection(host, int(port))
            caller.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            caller.write(upgrade.encode())
            caller.transport.abort()
        await eventually(lambda: len(stack.gateway.limiter.seats_of_addresses) == 0, "nobody is left")
    assert "http_failed" not in [event["event"] for event in events]
