"""What a person is told about edits made without a connection, and that they outlive the program."""

import asyncio
from pathlib import Path

import pytest

from gateway.client import Client, FileStore, QueueUnusable, ReturnReport, State, Status
from tests.client.scripted_server import CLIENT, Peer, ScriptedServer, event, meet
from tests.support.waiting import eventually

OTHERS = "20270101-zzzz:9"


def reports_of(client: Client) -> list[ReturnReport]:
    """Every report that the client gives from now on."""
    reports: list[ReturnReport] = []
    client.listening.on_return.append(reports.append)
    return reports


async def come_back(server: ScriptedServer, client: Client, *, last_op: int = 0) -> Peer:
    """Let a client in that connects, or comes back, by itself."""
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.let_in(last_op=last_op)
    await connecting
    return peer


async def test_who_comes_back_is_told_what_became_of_every_edit(server: ScriptedServer) -> None:
    """Applied, in conflict with somebody's op, refused with a remedy: each edit in one list, told once all are answered."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    reports = reports_of(client)
    await peer.close()
    for name in ("a", "b", "c"):
        client.insert("tasks", name, {"title": name})
    peer = await come_back(server, client)
    assert [(await peer.receive_op())["target"]["id"] for _ in range(3)] == ["a", "b", "c"]
    parts = [
        event("tasks.team", 1, {"collection": "tasks", "id": "a", "insert": {"title": "a"}}, op=f"{CLIENT}:1", user="ana"),
        event("tasks.team", 2, {"collection": "tasks", "id": "b", "insert": {"title": "b"}}, op=f"{CLIENT}:2", user="ana"),
    ]
    parts[1]["causality"] = {"relation": "concurrent", "with": [OTHERS]}
    await peer.send(*({"type": "collaboration_event", "events": [part]} for part in parts))
    await client.until(lambda: client.unanswered == 1)
    assert reports == []
    await peer.reject(f"{CLIENT}:3", "exists", 4)
    await client.until(lambda: bool(reports))
    [report] = reports
    assert [each.op.target.id for each in report.applied] == ["a"]
    assert [(each.op.target.id, each.outcome.concurrent_with) for each in report.in_conflict] == [("b", (OTHERS,))]
    assert [(each.op.target.id, each.outcome.code, each.outcome.remedy) for each in report.refused] == [("c", "exists", "r")]
    assert all(each.asked_at > 0 for each in report.applied)
    await client.close()


async def test_d5_edits_outlive_the_program_and_keep_their_numbers(server: ScriptedServer, tmp_path: Path) -> None:
    """A new process goes on as the same client: what was sent is sent again under its number, what was not gets the next."""
    path = tmp_path / "queues" / "w1.json"
    first = Client(server.url, "w1", "t", queue=FileStore(path))
    peer = await meet(server, first)
    first.insert("tasks", "a", {"title": "A"})
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await peer.close()
    first.insert("tasks", "b", {"title": "B"})
    kept = path.read_bytes()
    await first.close()
    path.write_bytes(kept)  # as after kill -9: nothing was written at the end
    second = Client(server.url, "w1", "t", queue=FileStore(path))
    reports = reports_of(second)
    second.insert("tasks", "c", {"title": "C"})
    assert set(second.view()["tasks"]) == {"a", "b", "c"}
    connecting = asyncio.create_task(second.connect())
    peer = await server.accept()
    assert (await peer.let_in(last_op=1))["client"] == CLIENT
    await connecting
    ops = [await peer.receive_op() for _ in range(3)]
    assert [(op["id"], op["target"]["id"]) for op in ops] == [
        (f"{CLIENT}:{n}", name) for n, name in ((1, "a"), (2, "b"), (3, "c"))
    ]
    await peer.send(*({"type": "applied", "op": op["id"]} for op in ops))
    await second.until(lambda: bool(reports))
    assert [each.op.target.id for each in reports[0].applied] == ["a", "b", "c"]
    await eventually(lambda: b'"ops":[]' in path.read_bytes(), "answers are written in the end")
    await second.close()


async def test_a_queue_has_one_client_and_one_wedding(server: ScriptedServer, tmp_path: Path) -> None:
    """A second client on the same file, another wedding and a file of somebody else are refused; nothing is overwritten."""
    path = tmp_path / "queue.json"
    first = Client(server.url, "w1", "t", queue=FileStore(path))
    first.insert("tasks", "a", {"title": "A"})
    kept = path.read_bytes()
    with pytest.raises(QueueUnusable, match="Another client"):
        Client(server.url, "w1", "t", queue=FileStore(path)).insert("tasks", "b", {"title": "B"})
    await first.close()
    with pytest.raises(QueueUnusable, match="wedding w1"):
        await Client(server.url, "w2", "t", queue=FileStore(path)).connect()
    assert path.read_bytes() == kept
    other = tmp_path / "letter.txt"
    other.write_text("Dear Ana")
    with pytest.raises(QueueUnusable, match="cannot be read"):
        await Client(server.url, "w1", "t", queue=FileStore(other)).connect()
    assert other.read_text() == "Dear Ana"


async def test_an_op_that_is_too_large_is_refused_before_it_ends_the_connection(server: ScriptedServer) -> None:
    """Its frame would be closed with 1009, now and after every reconnect; the ops behind it go."""
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    outcome = await client.insert("documents", "d", {"title": "t", "text": "x" * 70_000}).outcome()
    assert (outcome.applied, outcome.code) == (False, "too_large")
    client.insert("tasks", "a", {"title": "A"})
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await client.close()


async def test_the_status_says_what_a_person_should_know(server: ScriptedServer) -> None:
    """Offline, connecting, syncing, live, behind; how many edits are unsaved and unanswered, and when all was last shown."""
    client = Client(server.url, "w1", "t")
    assert client.status == Status(State.OFFLINE)
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.welcome()
    await client.until(lambda: client.status.state is State.SYNCING)

    async def follow() -> list[Status]:
        return [status async for status in client.statuses()]

    following = asyncio.create_task(follow())
    await peer.synced()
    await connecting
    assert client.status.state is State.LIVE
    assert client.status.synced_at
    client.insert("tasks", "a", {"title": "A"})
    await peer.receive_op()
    assert (client.status.unsaved, client.status.unanswered) == (1, 1)
    await peer.send({"type": "saved", "op": f"{CLIENT}:1"})
    await client.until(lambda: client.status[1:3] == (0, 1))
    await peer.send(
        {"type": "collaboration_event", "events": [event("tasks.team", 2, {"collection": "tasks", "id": "x", "remove": True})]}
    )
    await client.until(lambda: client.status.state is State.BEHIND)
    await peer.receive()
    await peer.snapshot("tasks.team", 2, {}, reason="repair")
    await client.until(lambda: client.status.state is State.LIVE)
    await peer.close()
    await client.until(lambda: client.status.state is State.OFFLINE)
    assert "1012" in client.status.reason
    await (await server.accept()).let_in(last_op=1)
    await client.until(lambda: client.status.state is State.LIVE)
    assert client.status.reason == ""
    await client.close()
    states = [status.state for status in await following]
    assert [state for state, before in zip(states, [None, *states], strict=False) if state is not before][:5] == [
        State.SYNCING, State.LIVE, State.BEHIND, State.LIVE, State.OFFLINE,
    ]  # fmt: skip
