"""A queue in a file under a client that lets go of it and takes it again: each edit stands in it once."""

from pathlib import Path

import pytest

from gateway.client import Client, FileStore, NotReached, QueueUnusable
from tests.client.scripted_server import CLIENT, ScriptedServer, closed_door, meet, scripted_server


async def test_d5_edits_are_sent_once_however_often_the_client_tried_to_connect(tmp_path: Path) -> None:
    """While the server is down the queue is let go of and taken again, and each edit in it stays one edit."""
    path = tmp_path / "queue.json"
    door, url = closed_door()
    former = Client(url, "w1", "t", queue=FileStore(path))
    former.insert("tasks", "a", {"title": "A"})
    await former.close()
    client = Client(url, "w1", "t", queue=FileStore(path))
    waiting = []
    for name in ("b", "c"):
        with pytest.raises(NotReached):
            await client.connect(within_seconds=0.1)
        waiting.append(client.insert("tasks", name, {"title": name}))
    assert client.unanswered == 3
    async with scripted_server(door) as server:
        peer = await meet(server, client)
        ops = [await peer.receive_op() for _ in range(3)]
        assert [(op["id"], op["target"]["id"]) for op in ops] == [(f"{CLIENT}:{n}", name) for n, name in enumerate("abc", 1)]
        client.show_presence({})
        assert (await peer.receive())["type"] == "presence_update", "an op was sent twice"
        await peer.send(*({"type": "applied", "op": op["id"]} for op in ops))
        assert [(await each.outcome()).applied for each in waiting] == [True, True]
        await client.close()
    assert b'"ops":[]' in path.read_bytes()


async def test_a_client_does_not_go_on_with_a_queue_that_another_one_has_changed_since(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """The other may have sent its edits, under its numbers: it says so and leaves the file alone."""
    path = tmp_path / "queue.json"
    first, second = (Client(server.url, "w1", "t", queue=FileStore(path)) for _ in range(2))
    first.insert("tasks", "a", {"title": "A"})
    await first.close()
    peer = await meet(server, second)
    await peer.send({"type": "applied", "op": (await peer.receive_op())["id"]})
    await second.until(lambda: second.unanswered == 0)
    await second.close()
    kept = path.read_bytes()
    with pytest.raises(QueueUnusable, match="since"):
        first.insert("tasks", "b", {"title": "B"})
    with pytest.raises(QueueUnusable, match="since"):
        await first.connect()
    assert (first.unanswered, path.read_bytes()) == (1, kept)
    third = Client(server.url, "w1", "t", queue=FileStore(path))
    third.insert("tasks", "b", {"title": "B"})
    await third.close()
