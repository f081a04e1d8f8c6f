"""Rooms: what core NATS loses is found and fetched, joins do not reach the owner, slow readers are sent away (design D8)."""

import asyncio
from typing import Any

import pytest

from actors.contract.digest import channel_digest
from actors.contract.envelopes import Envelope
from gateway.app import Gateway
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway
from tests.support.hosts import LogAuthor
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


class LossyEar:
    """Loses the envelopes of a room whose turn is in `losing`, as core NATS may."""

    def __init__(self, gateway: Gateway, wedding: str, losing: set[int]) -> None:
        self._room = gateway.hub.rooms[wedding]
        self._receive = self._room.receive
        self._losing = losing
        self._turn = 0
        self.lost = 0
        self._room.receive = self.receive  # type: ignore[method-assign]  # a bus that loses messages

    def receive(self, envelope: Envelope) -> None:
        self._turn += 1
        if self._turn in self._losing:
            self.lost += 1
        else:
            self._receive(envelope)


@pytest.mark.parametrize("losing", [{2}, {1}, {2, 3, 4}, {5}, {4, 5}], ids=str)
async def test_inv4_lost_envelopes_are_fetched_and_arrive_in_order(
    stack: RunningGateway, found: FoundWedding, losing: set[int]
) -> None:
    """Lost in the middle or at the end (found by the heads beacon): every reader gets every event, once, in order."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    ear = LossyEar(stack.gateway, "w1", losing)
    ops = [await ana.insert_task(f"t{number}") for number in range(5)]
    for sequence, op in enumerate(ops, 1):
        [event] = (await tom.event_of(op))["events"]
        assert event["sequence"] == sequence
    assert ear.lost == len(losing)
    assert stack.gateway.counts.catch_ups > 0


async def test_inv4_repeated_and_disordered_envelopes_are_put_right(stack: RunningGateway, found: FoundWedding) -> None:
    """Two owners at once, or a late message, change nothing: each event comes once and in order."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    room = stack.gateway.hub.rooms["w1"]
    receive, seen = room.receive, list[Envelope]()

    def shuffled(envelope: Envelope) -> None:
        seen.append(envelope)
        if len(seen) == 4:
            for each in [*reversed(seen), *seen]:
                receive(each)

    room.receive = shuffled  # type: ignore[method-assign]  # a bus in disorder
    ops = [await ana.insert_task(f"t{number}") for number in range(4)]
    for op in ops:
        await tom.event_of(op)
    await tom.send({"type": "ping"})
    await tom.expect("pong")


async def test_d8_after_a_reconnect_the_owner_is_asked_before_anything_goes_out(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """What was published while the gateway was cut off arrives in order, though no beacon or later envelope has come."""
    await found("w1")
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", heads_silence_seconds=60)
    async with running_gateway(settings) as other:
        tom = await other.join("w1", "tom")
        cut_off = asyncio.Event()
        other.gateway.bus.on_disconnect.append(cut_off.set)
        room = other.gateway.hub.rooms["w1"]
        receive = room.receive
        room.receive = lambda envelope: None if not cut_off.is_set() else receive(envelope)  # type: ignore[method-assign]  # goes deaf
        last = await author.insert_task("w1", "cake")
        await author.digests("w1", last)
        other.gateway.bus._client._transport.close()  # type: ignore[union-attr]  # the network fails
        [event] = (await tom.expect("collaboration_event"))["events"]
        assert event["sequence"] == 1


async def test_d8_a_silent_beacon_makes_the_gateway_ask(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """A lost last envelope is found also when the beacons are lost with it."""
    await found("w1")
    settings = gateway_settings(
        jetstream, database_url, gateway_id="gateway-2", heads_interval_seconds=0.2, heads_silence_seconds=0.5
    )
    async with running_gateway(settings) as other:
        tom = await other.join("w1", "tom")

        async def deaf(_: object) -> None:
            """Hears no beacon."""

        assert other.gateway.hub._heads is not None
        other.gateway.hub._heads._handler = deaf
        LossyEar(other.gateway, "w1", {1})
        await author.insert_task("w1", "cake")
        [event] = (await tom.expect("collaboration_event"))["events"]
        assert event["sequence"] == 1


async def test_d8_a_storm_of_joins_asks_the_owner_once(stack: RunningGateway, found: FoundWedding) -> None:
    """Fifty joins at once, then fifty more: one question for the head, one for the content."""
    await found("w1")
    for _ in range(2):
        talkers = await asyncio.gather(*(stack.join("w1", person) for person in ("ana", "ben", "tom", "gia", "ana") * 10))
        assert all(talker.syncs["wedding.everyone"][0]["mode"] == "snapshot" for talker in talkers)
    assert stack.gateway.counts.state_calls <= 2


async def test_d8_who_joins_between_edits_misses_none(stack: RunningGateway, found: FoundWedding) -> None:
    """With edits all the time, each newcomer's snapshot and live events together have every sequence once."""
    await found("w1")
    ana = await stack.join("w1", "ana")

    async def newcomer() -> None:
        tom = await stack.join("w1", "tom")
        sequence = tom.welcome["channels"].get("tasks.team", 0)
        while sequence < 60:
            [event] = (await tom.expect("collaboration_event"))["events"]
            sequence += 1
            assert event["sequence"] == sequence

    newcomers = []
    for number in range(60):
        await ana.event_of(await ana.insert_task(f"t{number}"))
        if number % 10 == 0:
            newcomers.append(asyncio.create_task(newcomer()))
    await asyncio.gather(*newcomers)


async def test_d8_a_higher_generation_sends_everybody_back_for_snapshots(stack: RunningGateway, found: FoundWedding) -> None:
    """Sockets are closed with 4409; who comes back gets the new generation and snapshots that say why."""
    await found("w1")
    tom = await stack.join("w1", "tom")
    room = stack.gateway.hub.rooms["w1"]
    room.receive(Envelope(room.generation + 1, 1, 1, 0, True, "20270619-aaaa:1", "ana", 2, None))
    assert await tom.closed_with() == 4409
    back = await stack.join("w1", "tom", resume={"generation": 0, "channels": tom.welcome["channels"]})
    assert {frame["reason"] for [frame] in back.syncs.values()} == {"generation"}


async def test_d8_a_lower_generation_is_ignored(stack: RunningGateway, found: FoundWedding) -> None:
    """An owner that does not know of the restore yet changes nothing."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    room = stack.gateway.hub.rooms["w1"]
    room.receive(Envelope(room.generation - 1, 10**6, 10**6, 10**6, True, "20270619-aaaa:1", "ana", 2, None))
    room.notice_head(room.generation - 1, 10**6)
    await ana.event_of(await ana.insert_task("cake"))


async def test_d8_repair_brings_only_what_differs(stack: RunningGateway, found: FoundWedding) -> None:
    """A channel whose digest is right is left alone, a wrong one comes whole, an unreadable one is withdrawn."""
    await found("w1")
    ana, gia = await stack.join("w1", "ana"), await stack.join("w1", "gia")
    op = await ana.insert_task("cake")
    await ana.event_of(op)
    wedding, people = (ana.syncs[name][0] for name in ("wedding.everyone", "people.everyone"))
    claims: dict[str, Any] = {
        "wedding.everyone": {"sequence": wedding["sequence"], "digest": wedding["digest"]},
        "people.everyone": {"sequence": people["sequence"], "digest": "0123456789abcdef"},
        "tasks.team": {"sequence": 1, "digest": "0123456789abcdef"},
    }
    await ana.send({"type": "data_sync", "channels": claims})
    frames = [await ana.expect("data_sync", reason="repair", mode="snapshot") for _ in range(2)]
    assert {frame["channel"] for frame in frames} == {"people.everyone", "tasks.team"}
    repaired = {frame["channel"]: {"sequence": frame["sequence"], "digest": frame["digest"]} for frame in frames}
    await ana.send({"type": "data_sync", "channels": repaired})
    await ana.send({"type": "ping"})
    await ana.expect("pong")
    await gia.send({"type": "data_sync", "channels": {"tasks.team": claims["tasks.team"]}})
    await gia.expect("withdrawn", channel="tasks.team")


async def test_inv4_a_reported_gap_is_filled(stack: RunningGateway, found: FoundWedding) -> None:
    """Whoever misses an event gets the channel, though the digest of what came before is right; who is only behind does not."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    first, second = [await ana.event_of(await ana.insert_task(name)) for name in ("cake", "rings")]
    claim = {"tasks.team": {"sequence": 1, "digest": channel_digest(_items_of(first))}}
    assert second["events"][0]["sequence"] == 2
    await ana.send({"type": "data_sync", "channels": claim})
    await ana.send({"type": "ping"})
    await ana.expect("pong")
    await ana.send({"type": "data_sync", "channels": claim, "reason": "gap"})
    filled = await ana.expect("data_sync", channel="tasks.team", reason="repair", sequence=2)
    assert set(filled["state"]["tasks"]) == {"cake", "rings"}
    counted = stack.gateway.counts
    assert (counted.repairs_asked_by_reason, counted.digest_mismatches) == ({"check": 1, "gap": 1}, 0)


def _items_of(frame: dict[str, Any]) -> dict[str, dict[str, Any]]:
    [change] = frame["events"][0]["data"]["changes"]
    return {change["collection"]: {change["id"]: change["insert"]}}


async def test_d8_an_empty_room_is_dropped_after_a_while(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room lives on shortly after its last visitor, then it is gone with its subscription; the next visitor opens a new one."""
    await found("w1")
    monkeypatch.setattr("gateway.rooms.hub.LINGER_SECONDS", 0.05)
    ana = await stack.join("w1", "ana")
    await ana.close()
    await eventually(lambda: not stack.gateway.hub.rooms, "the room is dropped")
    assert not stack.gateway.hub._subscriptions
    await stack.join("w1", "ana")
