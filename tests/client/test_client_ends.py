"""How a client ends, by its program or by a fault of its own, and begins again."""

import pytest

from gateway.client import Client, NotReached, State
from tests.client.scripted_server import CLIENT, closed_door, meet, scripted_server


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
