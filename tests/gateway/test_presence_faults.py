"""Presence when gateways die, freeze, come back or have wrong clocks, and that nothing of it stays behind (design D9, INV7)."""

import asyncio
import gc
import signal
import time
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.contract.presence import PresenceDiff, PresenceRecord
from actors.contract.subjects import presence_subject
from config.supervision.data_folder import DataFolder
from config.supervision.ports import free_port
from gateway.presence.seats import Now
from tests.gateway.conftest import FoundWedding
from tests.gateway.test_process import gateway_process
from tests.support.gateways import RunningGateway, Talker, gateway_settings, running_gateway
from tests.support.hosts import running_bus
from tests.support.presence import COUPLE, FakeSocket, StartGateway, die, presence_gateways
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers

_HOUR_MS = 3_600_000


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[StartGateway]:
    """See StartGateway."""
    async with presence_gateways(nats_server) as start_gateway:
        yield start_gateway


class Watch:
    """Follows the presence frames of a socket."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self.seen: dict[str, Any] = {}

    async def until(self, is_enough: Callable[[dict[str, Any]], bool]) -> None:
        """Read on until what is seen is enough."""
        while not is_enough(self.seen):
            frame = await self._talker.receive()
            if frame["type"] == "presence_update":
                seen = frame["presence"] if frame["whole"] else self.seen | frame["presence"]
                self.seen = {user: presence for user, presence in seen.items() if presence is not None}


@pytest.mark.processes
async def test_d9_no_ghosts_of_a_gateway_that_froze_or_was_killed(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """People of a frozen process are gone, back when it wakes, and gone again after kill -9."""
    await found("w1")
    port = free_port()
    async with gateway_process(jetstream, database_url, 2, port) as process:
        watch = Watch(await stack.join("w1", "ana"))
        stack.url = f"http://127.0.0.1:{port}"
        await stack.join("w1", "tom")
        await watch.until(lambda seen: "tom" in seen)
        # Nobody says anything meanwhile; only what the gateways know of each other changes.
        process.send_signal(signal.SIGSTOP)
        await watch.until(lambda seen: "tom" not in seen)
        process.send_signal(signal.SIGCONT)
        await watch.until(lambda seen: "tom" in seen)
        process.kill()
        await watch.until(lambda seen: "tom" not in seen)


async def test_d9_a_gateway_that_is_heard_again_brings_its_people_back(
    start: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing has changed there for long, everybody at it is asked for again."""
    monkeypatch.setattr("gateway.presence.correspondence._CHANGED_LATELY_SECONDS", 0.0)
    one, two = await start("g1"), await start("g2", heartbeat_interval_seconds=0.1)
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    two.join("w1", FakeSocket("t", "tom"))
    await eventually(lambda: "tom" in ana.follow(), "tom is here")
    sending = two.correspondence.neighbours.send
    die(two)
    await eventually(lambda: "tom" not in ana.follow(), "tom is gone")
    two.correspondence.neighbours.send = sending  # type: ignore[method-assign]  # it wakes
    await eventually(lambda: "tom" in ana.follow(), "tom is back")


@pytest.mark.processes
async def test_d9_what_changed_while_nats_was_away_is_known_afterwards(tmp_path: Path) -> None:
    """Who came, who left and who moved during an outage is told when it is over, though nothing of it was sent twice."""
    nats_server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    async with presence_gateways(nats_server) as start_gateway:
        one, two = await start_gateway("g1"), await start_gateway("g2")
        ana = FakeSocket("a", "ana")
        one.join("w1", ana)
        for person in ("tom", "tim"):
            two.join("w1", FakeSocket(person, person))
        await eventually(lambda: set(ana.follow()) == {"ana", "tom", "tim"}, "all are here")
        nats_server.server.kill()
        await eventually(lambda: not (one.correspondence.is_connected or two.correspondence.is_connected), "NATS is away")
        two.leave("w1", "tim")
        two.join("w1", FakeSocket("gia", "gia"))
        two.update("w1", "tom", "tom", {"section": "timeline"})
        nats_server.server.start()
        await eventually(lambda: ana.sections() == {"ana": None, "tom": "timeline", "gia": None}, "ana knows all of it")
    nats_server.server.stop()


async def test_d9_who_told_something_and_never_lived_leaves_no_ghost(start: StartGateway, nats_server: NatsServer) -> None:
    """A gateway that died between its first change and its first beat is forgotten like any other."""
    one = await start("g1")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    record = PresenceRecord("tom", 1, {}, 1)
    await tell(nats_server, PresenceDiff("g9", "boot", 1, whole=True, connections={"t": record}))
    await eventually(lambda: any("tom" in frame["presence"] for frame in ana.frames), "tom was here")
    await eventually(lambda: "tom" not in ana.follow(), "tom is gone")


async def test_d9_a_gateway_with_a_wrong_clock_does_not_win_for_ever(start: StartGateway, nats_server: NatsServer) -> None:
    """Times are moved to the receiver's clock: what is said later is later, and nobody was active in the future."""
    one = await start("g1")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    ahead = time.time_ns() // 1_000_000 + _HOUR_MS
    record = PresenceRecord("ana", ahead, {"section": "budget"}, ahead)
    await tell(nats_server, PresenceDiff("g9", "boot", 1, whole=True, connections={"phone": record}, sent_ms=ahead))
    await eventually(lambda: ana.sections() == {"ana": "budget"}, "the phone is heard")
    assert ana.follow()["ana"]["lastActivity"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    # The clocks are compared to the second, which must pass before an order can be told.
    await eventually(lambda: _says_where(one, "timeline") and ana.sections() == {"ana": "timeline"}, "the laptop spoke last")


def _says_where(hub: Any, section: str) -> bool:
    hub.correspondence.rooms["w1"].seats.leave("a")
    hub.update("w1", "ana", "a", {"section": section})
    return True


async def tell(nats_server: NatsServer, diff: PresenceDiff) -> None:
    """Say something as another gateway."""
    async with running_bus(nats_server, "gateway") as bus:
        await bus.publish(presence_subject("r0", "w1"), msgspec.json.encode(diff))
        await bus.barrier()


async def test_inv7_nothing_is_left_when_everybody_has_left(start: StartGateway) -> None:
    """Rooms, seats, rates, timers and subscriptions go with the last one; versions go on."""
    hub = await start("g1", limits={"presence_per_second": 1000})
    names = [f"p{number}" for number in range(150)]
    for wedding in ("w1", "w2"):
        for name in names:
            hub.join(wedding, FakeSocket(f"{wedding}-{name}", name))
            hub.update(wedding, name, f"{wedding}-{name}", {"section": "photos.everyone"})
        hub.announce(wedding, "bot", {}, entrance="http")
    await eventually(lambda: all(each.is_whole.is_set() for each in hub.correspondence.rooms.values()), "the rooms listen")
    rooms = [weakref.ref(opened.room) for opened in hub.correspondence.rooms.values()]
    version = hub.correspondence.rooms["w1"].room.version
    for wedding in ("w1", "w2"):
        for name in names:
            hub.leave(wedding, f"{wedding}-{name}")
    later = Now(time.monotonic() + 3600, time.time_ns() // 1_000_000 + _HOUR_MS)

    async def is_swept() -> bool:
        await hub.sweep(later)
        return hub.room_count == 0

    await eventually(is_swept, "the rooms are closed, once the end has been told")

    def is_all_forgotten() -> bool:
        gc.collect()
        return all(room() is None for room in rooms)

    await eventually(is_all_forgotten, "no timer, task or subscription holds a room")
    hub.join("w1", FakeSocket("again", "ana"))
    await eventually(lambda: hub.correspondence.rooms["w1"].room.version > version, "versions go on")


async def test_d9_ops_and_presence_are_activity_and_a_ping_is_not(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """Who does nothing is away by itself; an op brings a person back at once, a ping does not, a client may say so itself."""
    await found("w1")
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", presence_idle_seconds=0.5)
    async with running_gateway(settings) as other:
        watch, tom = Watch(await stack.join("w1", "ana")), await other.join("w1", "tom")

        async def tom_is(status: str) -> None:
            await watch.until(lambda seen: seen.get("tom", {}).get("status") == status)

        await tom_is("online")
        pinging = asyncio.create_task(_ping_on(tom))
        await tom_is("away")
        pinging.cancel()
        await tom.insert_task("flowers")
        await tom_is("online")
        await tom.send({"type": "presence_update", "active": False})
        await tom_is("away")
        await tom.send({"type": "presence_update"})
        await tom_is("online")


async def _ping_on(talker: Talker) -> None:
    while True:
        await talker.send({"type": "ping"})
        await talker.expect("pong")


async def test_d9_one_device_that_leaves_does_not_take_its_person_along(start: StartGateway) -> None:
    """A person at two gateways is there until the last socket closes."""
    one, two = await start("g1"), await start("g2")
    ana = FakeSocket("a", "ana")
    one.join("w1", ana)
    one.join("w1", FakeSocket("laptop", "tom", COUPLE))
    two.join("w1", FakeSocket("phone", "tom", COUPLE))
    await eventually(lambda: ana.follow().get("tom", {}).get("devices") == 2, "both devices are counted")
    one.leave("w1", "laptop")
    await eventually(lambda: ana.follow()["tom"]["devices"] == 1, "one is left")
    two.leave("w1", "phone")
    await eventually(lambda: "tom" not in ana.follow(), "nobody is left")
