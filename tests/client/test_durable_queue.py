"""A queue in a file whose client lets go of it and takes it again, and whose disk is full: each edit is sent, and once."""

import asyncio
from errno import ENOSPC
from pathlib import Path

import pytest

from gateway.client import Client, FileStore, NotReached, QueueUnusable, durable
from tests.client.scripted_server import CLIENT, ScriptedServer, closed_door, meet, scripted_server
from tests.support.waiting import eventually


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


def fill_the_disk(path: Path) -> Path:
    """Let every write of a `FileStore` find no room; remove what this returns to make some."""
    disk = path.with_name(path.name + ".new")
    disk.symlink_to("/dev/full")
    return disk


def told_by(client: Client) -> list[int | None]:
    """What hinders the store, whenever the client tells of it."""
    told: list[int | None] = []
    client.listening.on_unkept.append(lambda error: told.append(error.errno if isinstance(error, OSError) else None))
    return told


async def test_a_full_disk_is_told_of_once_and_keeps_no_edit_from_being_sent(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edits go on live; once there is room the queue is kept again without being asked, and the next failure is told again."""
    monkeypatch.setattr(durable, "AGAIN_SECONDS", 0.05)
    path = tmp_path / "queue.json"
    client = Client(server.url, "w1", "t", queue=FileStore(path))
    peer = await meet(server, client)
    told, disk = told_by(client), fill_the_disk(path)
    ops = [client.insert("tasks", name, {"title": name}) for name in "ab"]
    assert [(await peer.receive_op())["id"] for _ in ops] == [f"{CLIENT}:1", f"{CLIENT}:2"]
    assert (told, path.exists()) == ([ENOSPC], False)
    disk.unlink()
    await eventually(lambda: path.exists() and path.read_bytes().count(b'"title"') == 2, "both edits are kept")
    disk = fill_the_disk(path)
    client.insert("tasks", "c", {"title": "C"})
    await peer.receive_op()
    await peer.send(*({"type": "applied", "op": f"{CLIENT}:{number}"} for number in (1, 2, 3)))
    assert [(await each.outcome()).applied for each in ops] == [True, True]
    assert told == [ENOSPC, ENOSPC]
    await client.close()


async def test_what_a_full_disk_has_not_kept_is_sent_and_kept_after_the_next_connect(tmp_path: Path) -> None:
    """The file is older than what the client holds, and still its own; without a listener the event loop hears of it."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context.get("exception")))
    path = tmp_path / "queue.json"
    door, url = closed_door()
    client = Client(url, "w1", "t", queue=FileStore(path))
    client.insert("tasks", "a", {"title": "A"})
    disk = fill_the_disk(path)
    with pytest.raises(NotReached):
        await client.connect(within_seconds=0.1)
    client.insert("tasks", "b", {"title": "B"})
    with pytest.raises(NotReached):
        await client.connect(within_seconds=0.1)
    assert [type(fault) for fault in faults] == [OSError]
    disk.unlink()
    async with scripted_server(door) as server:
        peer = await meet(server, client)
        assert [(await peer.receive_op())["target"]["id"] for _ in range(2)] == ["a", "b"]
        assert path.read_bytes().count(b'"title"') == 2
        await client.close()


async def test_a_file_that_cannot_be_opened_says_so_before_anything_is_queued(server: ScriptedServer, tmp_path: Path) -> None:
    """What it holds is unknown, so nothing may be numbered."""
    (tmp_path / "queue.json").mkdir()
    client = Client(server.url, "w1", "t", queue=FileStore(tmp_path / "queue.json"))
    with pytest.raises(QueueUnusable, match="cannot be opened"):
        client.insert("tasks", "a", {"title": "A"})
    with pytest.raises(QueueUnusable, match="cannot be opened"):
        await client.connect()
    assert client.unanswered == 0
