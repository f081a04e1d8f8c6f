"""What the client does after each close code, and that the page for writers of clients says the same."""

import asyncio
import re

import pytest

from gateway.client import Client, Stopped
from gateway.client.closing import MOVES, Move
from gateway.wire import close_codes
from tests.client.scripted_server import CLIENT, ScriptedServer, meet, meet_with_flowers
from tests.support.requirements import ROOT

#: After how many closes in a row a client with a fixed token has stopped.
ENDS: dict[Move, int] = {Move.STOP: 1, Move.WIPE: 1, Move.DOUBT: 3, Move.NEW_TOKEN: 3}


def test_the_page_lists_every_close_code_with_its_move() -> None:
    """docs/protocol.md tells every client the table that ours keeps to, and names each code that a gateway closes with."""
    section = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").partition("## Close codes")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if re.match(r"\| \d{4}", line)]
    listed = {int(code): row[3] for row in rows for code in re.findall(r"\d{4}", row[1])}
    assert listed.keys() == MOVES.keys()
    assert [code for code, text in listed.items() if MOVES[code].value not in text] == []
    assert {code for name, code in vars(close_codes).items() if name.isupper() and isinstance(code, int)} <= MOVES.keys()


@pytest.mark.parametrize("code", [code for code, move in MOVES.items() if move not in ENDS and code != 1006])
async def test_after_most_closes_the_client_comes_back(
    server: ScriptedServer, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says hello again, with what it holds, and keeps its ops; after a flood it waits before."""
    monkeypatch.setattr("gateway.client.client.FLOOD_WAIT_SECONDS", 0.01)
    client = Client(server.url, "w1", "t")
    peer = await meet(server, client)
    client.insert("tasks", "a", {"title": "A"})
    await peer.receive_op()
    await peer.close(code)
    peer = await server.accept()
    assert (await peer.let_in())["resume"] == {"generation": 1, "channels": {}}
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await client.close()


@pytest.mark.parametrize(("code", "times"), [(code, ENDS[move]) for code, move in MOVES.items() if move in ENDS])
async def test_some_close_codes_end_the_client(server: ScriptedServer, code: int, times: int) -> None:
    """A server that refuses for good is not asked again; the error carries its code and remedy."""
    client = Client(server.url, "w1", "t")
    connecting = asyncio.create_task(client.connect())
    for _ in range(times):
        peer = await server.accept()
        await peer.receive()
        await peer.send({"type": "error", "code": "not_allowed", "message": "Not a member.", "remedy": "Ask the couple."})
        await peer.close(code)
    with pytest.raises(Stopped) as stopped:
        await connecting
    assert (stopped.value.close_code, stopped.value.reason) == (code, "not_allowed")


async def test_an_erased_wedding_is_wiped(server: ScriptedServer) -> None:
    """4410 leaves neither state nor edits behind."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_flowers(server, client)
    client.update("tasks", "flowers", {"done": True})
    await peer.close(4410)
    with pytest.raises(Stopped):
        await client.until(lambda: False)
    assert (client.confirmed(), client.unanswered) == ({}, 0)
    await client.close()


async def test_a_hello_that_came_too_late_does_not_end_the_client(server: ScriptedServer) -> None:
    """A busy machine may be slow to say hello: the client comes back with the same token and is let in."""
    client = Client(server.url, "w1", "t")
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    await peer.send({"type": "error", "code": "bad_token", "message": "No hello came in time.", "remedy": ""})
    await peer.close(4401)
    peer = await server.accept()
    assert (await peer.let_in())["token"] == "t"
    await connecting
    assert client.is_synced
    await client.close()


async def test_a_renewable_token_is_fetched_again_after_4401(server: ScriptedServer) -> None:
    """A client whose token can be renewed comes back with a fresh one."""
    tokens = iter(["old", "new"])

    async def next_token() -> str:
        return next(tokens)

    client = Client(server.url, "w1", next_token)
    connecting = asyncio.create_task(client.connect())
    peer = await server.accept()
    assert (await peer.receive())["token"] == "old"
    await peer.close(4401)
    peer = await server.accept()
    assert (await peer.let_in())["token"] == "new"
    await connecting
    await client.close()
