"""How a client ends, by its program or by a fault of its own, and begins again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.contract.errors import DeltaTooLong
from gateway.client import Client, ClientFailed, NotReached, State, Status
from tests.client.scripted_server import (
    CLIENT,
    ScriptedServer,
    closed_door,
    event,
    meet,
    meet_with_flowers,
    scripted_server,
)


async def test_a_client_that_reached_nobody_connects_later() -> None:
    """After NotReached it is offline, `connect` may be called again and again, and what was edited before goes then."""
    door, url = closed_door()
    client = Client(url, "w1", "t")
    waiting = client.insert("tasks", "a", {"title": "A"})
    for _ in range(2):
        with pytest.raises(NotReached):
            await client.connect(within_seconds=0.1)
        assert client.status.state is State.OFFLINE
    async with scripted_server(door) as server:
        peer = await meet(server, client)
        assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
        await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
        assert (await waiting.outcome()).applied
        await client.close()
        assert client.status.state is State.OFFLINE


async def test_a_fault_of_the_client_itself_is_told_to_everybody_who_waits(server: ScriptedServer) -> None:
    """Who listens to events, follows the status or waits hears of it with its cause; nobody waits for ever."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_flowers(server, client)
    heard = asyncio.ensure_future(anext(client.events()))
    await client.until(lambda: client.listening.streams == 1)
    told = asyncio.ensure_future(_all_of(client.statuses()))
    waiting = asyncio.ensure_future(client.until(lambda: False, within_seconds=60))
    beyond_the_end = {"collection": "tasks", "id": "flowers", "edit": {"title": [{"retain": 99}, {"insert": "x"}]}}
    await peer.send({"type": "collaboration_event", "events": [event("tasks.team", 4, beyond_the_end)]})
    for ended in (lambda: heard, lambda: waiting, client.connect):
        with pytest.raises(ClientFailed, match="DeltaTooLong") as caught:
            await ended()
        assert isinstance(caught.value.__cause__, DeltaTooLong)
    assert (await told)[-1].state is State.OFFLINE
    assert "DeltaTooLong" in client.status.reason
    await client.close()


async def _all_of(statuses: AsyncIterator[Status]) -> list[Status]:
    return [status async for status in statuses]
