"""The client against a server that says what the test tells it to: the rules for clients of docs/protocol.md."""

import asyncio

from gateway.client import Client
from tests.client.scripted_server import CLIENT, FLOWERS, ScriptedServer, event, meet, meet_with_flowers


async def test_nothing_of_a_sync_shows_before_synced(server: ScriptedServer) -> None:
    """State that was sent before `synced` becomes visible at `synced`, all at once."""
    client = Client(server.url, "w1", "t")
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    hello = await peer.welcome({"tasks.team": 3})
    assert (hello["type"], hello["version"], hello["wedding"], hello["token"]) == ("hello", 1, "w1", "t")
    await peer.snapshot("tasks.team", 3, FLOWERS)
    await peer.send({"type": "error", "code": "bad_value", "message": "", "remedy": ""})
    told = asyncio.Event()
    client.listening.on_error.append(lambda _: told.set())
    await told.wait()
    assert client.view() == {}
    await peer.synced()
    await connecting
    assert client.view() == FLOWERS
    assert client.client == CLIENT
    await client.close()


async def test_a_snapshot_in_chunks_is_one_state(server: ScriptedServer) -> None:
    """Chunks with `more` are one snapshot; the digest is that of the whole."""
    client = Client(server.url, "w1", "t")
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.welcome({"tasks.team": 9})
    whole = {"tasks": {"a": {"title": "A"}, "b": {"title": "B"}}}
    digest = "ffff"
    await peer.snapshot("tasks.team", 9, {"tasks": {"a": {"title": "A"}}}, digest=digest, more=True)
    await peer.snapshot("tasks.team", 9, {"tasks": {"b": {"title": "B"}}}, digest=digest)
    await peer.synced()
    await connecting
    assert client.view() == whole
    assert client.mismatches == 1
    claim = (await peer.receive())["channels"]["tasks.team"]
    await peer.snapshot("tasks.team", 9, whole, reason="repair")
    await client.until(lambda: client.digests() == {"tasks.team": claim["digest"]})
    assert client.mismatches == 1
    await client.close()


async def test_d5_unanswered_ops_are_sent_again_in_order_after_a_reconnect(server: ScriptedServer) -> None:
    """Ops without an answer, saved or not, go out again after the next `synced`, those at or below `lastOp` included."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    first, second = client.insert("tasks", "a", {"title": "A"}), client.insert("tasks", "b", {"title": "B"})
    assert [(await peer.receive_op())["id"] for _ in range(2)] == [f"{CLIENT}:1", f"{CLIENT}:2"]
    await peer.send({"type": "saved", "op": f"{CLIENT}:1"})
    assert await first.saved()
    await peer.close()
    peer = await server.accept()
    hello = await peer.let_in(last_op=1)
    assert hello["client"] == CLIENT
    assert [(await peer.receive_op())["id"] for _ in range(2)] == [f"{CLIENT}:1", f"{CLIENT}:2"]
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    change = {"collection": "tasks", "id": "b", "insert": {"title": "B"}}
    await peer.send({"type": "collaboration_event", "events": [event("tasks.team", 1, change, op=f"{CLIENT}:2", user="ana")]})
    assert (await first.outcome()).applied
    assert (await second.outcome()).sequences == {"tasks.team": 1}
    assert client.unanswered == 0
    await client.close()


async def test_resume_names_generation_and_sequences_and_takes_the_missed_events(server: ScriptedServer) -> None:
    """After a reconnect the client resumes from where it stands, and the events it missed settle its own ops."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_flowers(server, client)
    done = client.update("tasks", "flowers", {"done": True})
    op = await peer.receive_op()
    assert op["base"] == {"tasks.team": 3}
    await peer.close()
    peer = await server.accept()
    hello = await peer.welcome({"tasks.team": 4}, last_op=1)
    assert hello["resume"] == {"generation": 1, "channels": {"tasks.team": 3}}
    change = {"collection": "tasks", "id": "flowers", "set": {"done": True}}
    missed = event("tasks.team", 4, change, op=f"{CLIENT}:1", user="ana")
    await peer.send({
        "type": "data_sync", "channel": "tasks.team", "mode": "events", "reason": "resume", "sequence": 4, "digest": "0",
        "events": [missed], "more": False,
    })  # fmt: skip
    await peer.synced()
    assert (await done.outcome()).sequences == {"tasks.team": 4}
    assert client.confirmed()["tasks"]["flowers"]["done"] is True
    await client.close()


async def test_an_event_is_applied_once_and_a_gap_is_repaired(server: ScriptedServer) -> None:
    """A sequence at or below the last is dropped; a hole is not applied but asked for, and the repair brings the rest."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    first = event("tasks.team", 1, {"collection": "tasks", "id": "a", "insert": {"title": "A"}})
    late = event("tasks.team", 3, {"collection": "tasks", "id": "c", "insert": {"title": "C"}})
    seen: list[int] = []
    client.listening.on_event.append(lambda applied: seen.append(applied.sequence))
    await peer.send(*({"type": "collaboration_event", "events": [each]} for each in (first, first, late)))
    asked = await peer.receive()
    assert asked["type"] == "data_sync"
    assert (asked["channels"]["tasks.team"]["sequence"], asked["reason"]) == (1, "gap")
    assert seen == [1]
    whole = {"tasks": {"a": {"title": "A"}, "b": {"title": "B"}, "c": {"title": "C"}}}
    await peer.snapshot("tasks.team", 3, whole, reason="repair")
    await client.until(lambda: client.sequences() == {"tasks.team": 3})
    assert client.confirmed() == whole
    assert client.mismatches == 0
    await client.close()


async def test_a_channel_that_is_withdrawn_during_its_repair_owes_nothing(server: ScriptedServer) -> None:
    """Nobody will answer that repair any more, and the connection is as good as before."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    late = event("tasks.team", 3, {"collection": "tasks", "id": "c", "insert": {"title": "C"}})
    await peer.send({"type": "collaboration_event", "events": [late]}, {"type": "withdrawn", "channel": "tasks.team"})
    assert (await peer.receive())["reason"] == "gap"
    await client.until(lambda: client.sequences() == {})
    assert "tasks.team" not in client._session._owed
    await client.close()


async def test_a_refused_op_leaves_the_view_and_frees_its_number(server: ScriptedServer) -> None:
    """An op refused by the gateway disappears from the view; the op behind it gets its number and is applied."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    bad, good = client.insert("tasks", "a", {"title": "A"}), client.insert("tasks", "b", {"title": "B"})
    assert set(client.view()["tasks"]) == {"a", "b"}
    for _ in range(2):
        await peer.receive_op()
    await peer.reject(f"{CLIENT}:1", "bad_value", 1)
    await peer.reject(f"{CLIENT}:2", "resend_from", 1)
    again = await peer.receive_op()
    assert (again["id"], again["target"]["id"]) == (f"{CLIENT}:1", "b")
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    assert (await bad.outcome()).code == "bad_value"
    assert not await bad.saved()
    assert (await good.outcome()).applied
    assert client.view() == {}
    await client.close()


async def test_a_decided_refusal_consumes_its_number(server: ScriptedServer) -> None:
    """With `next` above the op's number the op was taken: the following ops keep their numbers."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    refused, following = client.delete("tasks", "x"), client.insert("tasks", "b", {"title": "B"})
    for _ in range(2):
        await peer.receive_op()
    await peer.reject(f"{CLIENT}:1", "not_found", 2)
    await peer.send({"type": "applied", "op": f"{CLIENT}:2"})
    assert (await refused.outcome()).code == "not_found"
    assert await refused.saved()
    assert (await following.outcome()).applied
    await client.close()


async def test_slow_down_sends_the_same_op_again_later(server: ScriptedServer) -> None:
    """After `slow_down` the op goes out again under its number when the named time has passed."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    waiting = client.insert("tasks", "a", {"title": "A"})
    await peer.receive_op()
    await peer.reject(f"{CLIENT}:1", "slow_down", 1, retryAfterMs=20)
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    assert (await waiting.outcome()).applied
    await client.close()


async def test_an_expired_client_goes_on_under_a_new_id(server: ScriptedServer) -> None:
    """`client_expired` makes the client take a new id, under which its unanswered ops are numbered from 1."""
    client = Client(server.url, "w1", "t", client="20200101-gone")
    peer = await meet(server, client, client="20200101-gone", last_op=7)
    waiting = client.insert("tasks", "a", {"title": "A"})
    op = await peer.receive_op()
    assert op["id"] == "20200101-gone:8"
    await peer.reject(op["id"], "client_expired", 8)
    peer = await server.accept()
    hello = await peer.let_in()
    assert hello.get("client") is None
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    assert (await waiting.outcome()).applied
    await client.close()


async def test_d12_a_new_generation_drops_claims_about_the_old_log(server: ScriptedServer) -> None:
    """After the log was replaced, ops that wait are sent without a `base` that only the old log could judge."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_flowers(server, client)
    client.update("tasks", "flowers", {"done": True})
    assert (await peer.receive_op())["base"] == {"tasks.team": 3}
    await peer.close()
    peer = await server.accept()
    await peer.let_in(generation=2)
    assert "base" not in await peer.receive_op()
    assert client.confirmed() == {}
    await client.close()
