"""What a program hears from the client: rights that change, presence, events, and edits made before there is a connection."""

import asyncio

import pytest

from actors.contract.events import Event
from gateway.client import Client, QueueFull
from tests.client.scripted_server import CLIENT, FLOWERS, ScriptedServer, event, meet, meet_with_flowers


async def test_withdrawn_and_granted_channels_follow_the_rights(server: ScriptedServer) -> None:
    """A withdrawn channel disappears at once; a granted one arrives as its state."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    await peer.snapshot("tasks.team", 2, FLOWERS, reason="granted")
    await client.until(lambda: client.confirmed() == FLOWERS)
    await peer.send({"type": "withdrawn", "channel": "tasks.team"})
    await client.until(lambda: client.confirmed() == {})
    await client.close()


async def test_a_listener_that_fails_ends_nothing_and_is_told_of(server: ScriptedServer) -> None:
    """Its fault goes to the event loop's exception handler; the client and the other listeners go on."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context.get("exception")))
    client, heard = Client(server.url, "w1", "t"), list[str]()

    def fail(told: Event) -> None:
        raise ValueError(told.id)

    client.listening.on_event += [fail, lambda told: heard.append(told.id)]
    peer = await meet_with_flowers(server, client)
    changes = [{"collection": "tasks", "id": "flowers", "set": {"done": done}} for done in (True, False)]
    for sequence, change in enumerate(changes, start=4):
        told = event("tasks.team", sequence, change, op=f"20270101-zzzz:{sequence}")
        await peer.send({"type": "collaboration_event", "events": [told]})
    await client.until(lambda: client.sequences() == {"tasks.team": 5})
    assert ([type(fault) for fault in faults], heard) == ([ValueError] * 2, ["20270101-zzzz:4", "20270101-zzzz:5"])
    await client.close()


async def test_inv4_what_a_stale_client_missed_shows_all_at_once(server: ScriptedServer) -> None:
    """Between `stale` and `synced` an item that moved is neither twice there nor gone: nothing shows before the end."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    await peer.snapshot("tasks.team", 2, FLOWERS, reason="granted")
    await client.until(lambda: client.confirmed() == FLOWERS)
    seen: list[object] = []
    client.listening.on_sync.append(lambda _: seen.append(client.confirmed()))
    await peer.send({"type": "stale", "channels": {"tasks.team": 2}})
    await peer.snapshot("tasks.team", 9, {}, reason="stale")
    await peer.snapshot("tasks.everyone", 3, FLOWERS, reason="stale")
    await peer.synced()
    await client.until(lambda: client.sequences() == {"tasks.team": 9, "tasks.everyone": 3})
    assert seen
    assert all(state == FLOWERS for state in seen)
    await client.close()


async def test_presence_is_followed_and_told_again_after_a_reconnect(server: ScriptedServer) -> None:
    """The whole replaces what was known, null removes; our own presence is sent again on a new socket."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    client.show_presence({"page": "budget"})
    assert await peer.receive() == {"type": "presence_update", "presence": {"page": "budget"}}
    whole = {"type": "presence_update", "version": 1, "whole": True, "presence": {"bo": {"page": "x"}, "cy": {}}}
    await peer.send(whole, {"type": "presence_update", "version": 2, "whole": False, "presence": {"cy": None}})
    await client.until(lambda: dict(client.presence) == {"bo": {"page": "x"}})
    await peer.close()
    peer = await server.accept()
    await peer.let_in()
    assert await peer.receive() == {"type": "presence_update", "presence": {"page": "budget"}}
    await client.close()


async def test_edits_made_offline_are_queued_up_to_a_limit(server: ScriptedServer) -> None:
    """Edits before the first connection show in the view and are sent after it; beyond the limit edit refuses."""
    client = Client(server.url, "w1", "t", queue_limit=1)
    client.insert("tasks", "a", {"title": "A"})
    assert client.view()["tasks"]["a"]["title"] == "A"
    with pytest.raises(QueueFull):
        client.insert("tasks", "b", {"title": "B"})
    peer = await meet(server, client)
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await client.close()


async def test_events_are_yielded_to_whoever_listens(server: ScriptedServer) -> None:
    """`events()` yields each event once, as it is applied."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    stream = client.events()
    heard = asyncio.ensure_future(anext(stream))
    await client.until(lambda: client.listening.streams == 1)
    inserts = [event("tasks.team", n, {"collection": "tasks", "id": f"t{n}", "insert": {"title": "T"}}) for n in (1, 2)]
    await peer.send(*({"type": "collaboration_event", "events": [each]} for each in inserts))
    assert (await heard).sequence == 1
    assert (await anext(stream)).sequence == 2
    await client.close()
