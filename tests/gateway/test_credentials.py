"""A socket's token over time: a warning, a new one in place, the end; and the way that a gateway sends its clients away."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime

from gateway.client import Client
from gateway.process import serving
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, token_of
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


async def test_a_token_is_replaced_in_place(stack: RunningGateway, found: FoundWedding) -> None:
    """The client is warned, sends a new token, and stays connected beyond the end of the old one."""
    await found("w1")
    ana = await stack.join("w1", "ana", token=token_of("ana", "w1", lifetime_seconds=2))
    warned = await ana.expect("token_expiring")
    assert warned["expiresAt"] == ana.welcome["tokenExpiresAt"]
    await ana.send({"type": "token_refresh", "token": token_of("ana", "w1")})
    refreshed = await ana.expect("token_refreshed")
    assert refreshed["expiresAt"] > warned["expiresAt"]
    await eventually(lambda: time.time() > _seconds(warned["expiresAt"]), "the old token has ended")
    await ana.event_of(await ana.insert_task("cake"))


async def test_a_token_that_is_not_replaced_ends_the_connection(stack: RunningGateway, found: FoundWedding) -> None:
    """At the token's end comes `bad_token` and 4401, and bad replacements change nothing of that."""
    await found("w1")
    ana = await stack.join("w1", "ana", token=token_of("ana", "w1", lifetime_seconds=2))
    await ana.expect("token_expiring")
    others = token_of("ben", "w1"), token_of("ana", "w2"), token_of("ana", "w1", use="nats"), token_of("ana", "w1", now=0.0), "x"
    for bad in others:
        await ana.send({"type": "token_refresh", "token": bad})
        await ana.expect("error", code="bad_token")
    await ana.expect("error", code="bad_token")
    assert await ana.closed_with() == 4401


async def test_a_short_token_is_not_warned_of_at_once(stack: RunningGateway, found: FoundWedding) -> None:
    """Else a client that has no longer one, and the server, would tell each other so as fast as the line goes."""
    await found("w1")
    short = token_of("ana", "w1", lifetime_seconds=40)
    ana = await stack.join("w1", "ana", token=short)
    await ana.send({"type": "token_refresh", "token": short})
    await ana.expect("token_refreshed")
    await ana.send({"type": "ping"})
    await ana.expect("pong")


async def test_the_client_fetches_a_new_token_when_it_is_warned(stack: RunningGateway, found: FoundWedding) -> None:
    """One connection lives through several short tokens: of each it is warned when half of it is left."""
    await found("w1")
    fetched = []

    async def fetch() -> str:
        fetched.append(1)
        return token_of("ana", "w1", lifetime_seconds=6)

    async with Client(stack.url, "w1", fetch) as client:
        before = stack.gateway.counts.sockets_opened
        await client.until(lambda: len(fetched) > 2)
        assert stack.gateway.counts.sockets_opened == before
        assert client.is_synced


async def test_a_gateway_that_ends_sends_its_clients_away_and_serves_them_until_they_go(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """`goaway` comes with the time to leave in; an op sent after it is saved; then 1012. Idle HTTP connections end at once."""
    await found("w1")
    async with AsyncExitStack() as ending:
        settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", drain_seconds=3.0)
        gateway, port = await ending.enter_async_context(serving(settings))
        other = RunningGateway(gateway, port)
        ana = await other.join("w1", "ana")
        idle, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /startupz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await idle.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        end = asyncio.create_task(ending.aclose())
        assert await ana.expect("goaway", reason="restart", reconnectWithinMs=3000)
        # Who keeps a connection for later would otherwise ask the gateway that ends again and again.
        assert await idle.read() == b""
        writer.close()
        op = await ana.insert_task("cake")
        # Either proves it: the event that a host made of it may overtake the acknowledgement of the log.
        while (frame := await ana.receive()) != {"type": "saved", "op": op} and frame["type"] != "collaboration_event":
            pass
        assert await ana.closed_with() == 1012
        await other.close()
        await end
    tom = await stack.join("w1", "tom")
    assert tom.welcome["channels"]["tasks.team"] == 1


async def test_clients_of_an_ending_gateway_move_on_without_losing_anything(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """A client that is asked to go comes back by itself, and every op that it asks meanwhile is applied."""
    await found("w1")
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2")) as other:
        client = Client(other.url, "w1", token_of("ana", "w1"))
        await client.connect()
        client.url = stack.url
        leaving = asyncio.create_task(other.gateway.hub.send_away(1.0))
        asked = [client.insert("tasks", f"t{number}", {"title": "x"}) for number in range(50)]
        outcomes = [await pending.outcome() for pending in asked]
        assert all(outcome.applied for outcome in outcomes)
        await leaving
        await client.until(lambda: stack.gateway.hub.open_sockets > 0)
        await client.close()


async def test_moments_to_leave_are_dealt_out_evenly(stack: RunningGateway, found: FoundWedding) -> None:
    """Of ten sockets each has a tenth of the time to itself, whoever it is, so that the next gateway is not stormed."""
    await found("w1")
    talkers = [await stack.join("w1", "ana") for _ in range(10)]
    leaving = asyncio.create_task(stack.gateway.hub.send_away(1.0))
    moments = [(await talker.expect("goaway"))["reconnectAfterMs"] for talker in talkers]
    assert [moment // 100 for moment in sorted(moments)] == list(range(10))
    for talker in talkers:
        await talker.close()
    await leaving


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
