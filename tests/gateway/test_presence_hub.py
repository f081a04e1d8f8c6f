"""Presence between gateways over real NATS: whole first, coalesced, masked, gapless, and gone with a dead gateway (design D9)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from actors.contract.channels import rights_of
from actors.contract.subjects import presence_subject
from gateway.errors import Refused
from gateway.presence.people import Source
from gateway.presence.seats import Now
from store.bus import Bus, Message
from tests.support.hosts import running_bus
from tests.support.presence import COUPLE, VENDOR, FakeSocket, StartGateway, die, presence_gateways
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[StartGateway]:
    """See StartGateway."""
    async with presence_gateways(nats_server) as start_gateway:
        yield start_gateway


async def test_d9_everybody_sees_everybody_across_gateways(start: StartGateway) -> None:
    """The whole comes first, then changes; who leaves is gone, on both gateways."""
    one, two = await start("g1"), await start("g2")
    ana, tom = FakeSocket("a", "ana"), FakeSocket("t", "tom", VENDOR)
    one.join("w1", ana)
    two.join("w1", tom)
    await eventually(lambda: set(ana.follow()) == set(tom.follow()) == {"ana", "tom"}, "both see both")
    assert ana.frames[0]["whole"] is True
    one.update("w1", "ana", "a", {"status": "busy", "section": "timeline.team"})
    await eventually(lambda: tom.sections().get("ana") == "timeline.team", "tom sees where ana is")
    one.leave("w1", "a")
    await eventually(lambda: set(tom.follow()) == {"tom"}, "ana is gone")
    versions = [frame["version"] for frame in tom.frames]
    assert versions == sorted(versions)


async def test_d9_only_what_a_connection_said_itself_may_come_later(start: StartGateway) -> None:
    """Its own words are an echo to it, to nobody else, not on the person's other device, and not together with others' words."""
    one = await start("g1", presence_tick_seconds=0.05)
    ana, tablet, tom = FakeSocket("a", "ana"), FakeSocket("tablet", "ana"), FakeSocket("t", "tom", VENDOR)
    for socket in (ana, tablet, tom):
        one.join("w1", socket)
    await eventually(lambda: set(tablet.follow()) == set(ana.follow()) == set(tom.follow()) == {"ana", "tom"}, "all see all")
    one.update("w1", "ana", "a", {"section": "timeline.team"})
    await eventually(lambda: all(each.sections()["ana"] == "timeline.team" for each in (ana, tablet, tom)), "all see where")
    assert ana.echoes == [len(ana.frames) - 1]
    one.update("w1", "ana", "a", {"section": "timeline.everyone"})
    one.update("w1", "tom", "t", {"section": "tasks.team"})
    await eventually(lambda: ana.sections() == {"ana": "timeline.everyone", "tom": "tasks.team"}, "both are told")
    assert (len(ana.echoes), tablet.echoes, tom.echoes) == (1, [], [])


async def test_inv5_the_receiving_gateway_masks(start: StartGateway) -> None:
    """Who may not read the section sees the person without it; when the right comes, a whole shows it."""
    one, two = await start("g1"), await start("g2")
    ana, tom = FakeSocket("a", "ana"), FakeSocket("t", "tom", VENDOR)
    one.join("w1", ana)
    two.join("w1", tom)
    one.update("w1", "ana", "a", {"status": "busy", "section": "budget.core", "document": "dress"})
    await eventually(lambda: tom.follow().get("ana", {}).get("status") == "busy", "tom sees that ana is busy")
    assert all("budget" not in json.dumps(frame) and "dress" not in json.dumps(frame) for frame in tom.frames)
    assert "budget" not in json.dumps((await two.whole("w1", VENDOR))[0])
    tom.rights = rights_of("planner", "tom")
    two.rights_changed("w1")
    await eventually(lambda: tom.sections().get("ana") == "budget.core", "the planner sees it")
    assert tom.frames[-1]["whole"] is True


async def test_d9_a_dead_gateway_takes_its_people_along(start: StartGateway) -> None:
    """After kill -9 of a gateway all its presences go together, and whoever keeps its rows is told."""
    one = await start("g1")
    two = await start("g2", heartbeat_interval_seconds=0.1)
    lost: list[Source] = []
    one.correspondence.on_gateway_lost.append(lost.append)
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    for person in ("tom", "gia"):
        two.join("w1", FakeSocket(person, person))
    await eventually(lambda: set(ana.follow()) == {"ana", "tom", "gia"}, "all three are here")
    die(two)
    await eventually(lambda: set(ana.follow()) == {"ana"}, "the dead gateway's people are gone", within_seconds=5)
    assert {"tom": None, "gia": None} in [frame["presence"] for frame in ana.frames]
    assert lost == [Source("g2", "boot-of-g2")]


async def test_d9_a_gateway_that_comes_back_replaces_its_former_life(start: StartGateway) -> None:
    """A new boot of a gateway ends the presences of the old one at once, not after a time-out."""
    patient = {"member_timeout_seconds": 60}
    one, two = await start("g1", **patient), await start("g2", "first")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    two.join("w1", FakeSocket("t", "tom"))
    await eventually(lambda: "tom" in ana.follow(), "tom is here")
    die(two)
    await start("g2", "second")
    await eventually(lambda: set(ana.follow()) == {"ana"}, "the former life is over")


async def test_d9_a_lost_last_change_is_noticed(start: StartGateway, nats_server: NatsServer) -> None:
    """A change that never arrived and that nothing followed is found by the beat and asked for."""
    one, two = await start("g1"), await start("g2")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    two.join("w1", FakeSocket("t", "tom"))
    await eventually(lambda: "tom" in ana.follow(), "tom is here")
    sending, dropped = two.correspondence.neighbours.send, []
    two.correspondence.neighbours.send = lambda *message: dropped.append(message)  # type: ignore[method-assign]  # loses it
    two.update("w1", "tom", "t", {"section": "timeline.team"})
    await eventually(lambda: dropped, "the change was lost")
    two.correspondence.neighbours.send = sending  # type: ignore[method-assign]  # what follows arrives
    await eventually(lambda: ana.sections().get("tom") == "timeline.team", "it was asked for")


async def test_d9_changes_are_coalesced_per_tick(start: StartGateway) -> None:
    """The first change goes at once; many changes within a tick become one frame with the last of them."""
    hub = await start("g1", presence_tick_seconds=0.2, limits={"presence_per_second": 100})
    ana, tom = FakeSocket("a", "ana"), FakeSocket("t", "tom")
    hub.join("w1", ana)
    await eventually(lambda: hub.correspondence.rooms["w1"].room.is_quiet, "the room is quiet")
    seen_before = len(ana.frames)
    hub.join("w1", tom)
    hub.update("w1", "tom", "t", {"cursor": -1})
    await asyncio.sleep(0)
    assert len(ana.frames) == seen_before + 1, "the first changes go at once, all of a turn in one frame"
    assert ana.follow()["tom"]["cursor"] == -1
    for number in range(50):
        hub.update("w1", "tom", "t", {"cursor": number})
        await asyncio.sleep(0)
    assert len(ana.frames) == seen_before + 1
    await eventually(lambda: ana.follow()["tom"].get("cursor") == 49, "the last change arrives")
    assert len(ana.frames) == seen_before + 2


async def test_d9_a_slow_socket_misses_frames_and_gets_the_whole_later(start: StartGateway) -> None:
    """Presence is dropped for a slow reader; once it reads again, one whole makes it good."""
    hub = await start("g1")
    ana = FakeSocket("a", "ana")
    hub.join("w1", ana)
    ana.is_slow = True
    hub.join("w1", FakeSocket("t", "tom"))
    hub.update("w1", "tom", "t", {"section": "tasks.team"})
    await eventually(lambda: not hub.correspondence.rooms["w1"].room.is_told("a"), "a frame was dropped")
    assert "tom" not in ana.follow()
    ana.is_slow = False
    await eventually(lambda: ana.sections().get("tom") == "tasks.team", "the whole came")
    assert ana.frames[-1]["whole"] is True


async def test_d9_presence_without_a_socket_expires(start: StartGateway) -> None:
    """What came over HTTP or NATS is forgotten by itself after its time."""
    hub = await start("g1", presence_without_socket_seconds=0.3)
    ana = FakeSocket("a", "ana")
    hub.join("w1", ana)
    hub.announce("w1", "bot", {"section": "tasks.team"}, entrance="nats")
    await eventually(lambda: "bot" in ana.follow(), "the bot is here")
    await eventually(lambda: "bot" not in ana.follow(), "the bot is forgotten")


async def test_d9_the_end_of_a_presence_without_a_socket_is_told_before_its_room_is_closed(start: StartGateway) -> None:
    """The gateway that heard of it over HTTP has nobody else there; those who see it are at another one."""
    one, two = await start("g1"), await start("g2")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    two.announce("w1", "bot", {"section": "tasks.team"}, entrance="http")
    await eventually(lambda: "bot" in ana.follow(), "the bot is here")
    await two.sweep(Now(time.monotonic() + 3600, time.time_ns() // 1_000_000 + 3_600_000))
    await eventually(lambda: "bot" not in ana.follow(), "the bot is forgotten")


async def test_d9_a_question_is_answered_with_what_other_gateways_know(start: StartGateway) -> None:
    """A gateway without a socket in the wedding asks the others before it says who is there."""
    one, two = await start("g1"), await start("g2")
    one.join("w1", FakeSocket("a", "ana"))
    await eventually(two.correspondence.neighbours.alive, "the gateways know of each other")
    assert set((await two.whole("w1", COUPLE))[0]) == {"ana"}


async def test_inv7_too_many_updates_are_refused_with_a_reason(start: StartGateway) -> None:
    """Over its rate a connection gets `slow_down`; others are not concerned."""
    hub = await start("g1", limits={"presence_per_second": 5})
    hub.join("w1", FakeSocket("a", "ana"))
    codes = set()
    for number in range(100):
        try:
            hub.update("w1", "ana", "a", {"cursor": number})
        except Refused as refused:
            codes.add(refused.code)
    assert codes == {"slow_down"}
    hub.update("w1", "tom", "t", {"cursor": 1})


async def test_d9_presence_never_touches_the_log(start: StartGateway, nats_server: NatsServer) -> None:
    """Presence goes over its own subject and nowhere else."""
    async with running_bus(nats_server, "gateway") as bus:
        heard = await _listen(bus)
        hub = await start("g1")
        hub.join("w1", FakeSocket("a", "ana"))
        await eventually(lambda: heard, "something is said")
        assert set(heard) <= {presence_subject("r0", "w1"), "presence.r0._gateways"}


async def _listen(bus: Bus) -> list[str]:
    heard: list[str] = []

    async def on_message(message: Message) -> None:
        heard.append(message.subject)

    for subject in ("presence.>", "fan.>", "heads.>"):
        await bus.subscribe(subject, on_message)
    await bus.barrier()
    return heard
