"""What keeps a connection: a new token for one that ends, though the function that fetches it fails, hangs or repeats itself."""

import asyncio
from typing import Any

import pytest

from gateway.client import Client, upkeep
from tests.client.scripted_server import CLIENT, ScriptedServer, meet

EXPIRING = {"type": "token_expiring", "expiresAt": "2027-06-19T12:00:00.000Z"}


def refresh_with(token: str) -> dict[str, Any]:
    """The frame that brings a new token."""
    return {"type": "token_refresh", "token": token}


async def test_a_token_that_cannot_be_fetched_is_asked_for_again_and_the_connection_stays(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old token holds for a while yet: the new one comes over the same socket."""
    monkeypatch.setattr(upkeep, "AGAIN_SECONDS", 0.0)
    tokens = iter(["first", None, None, "second"])

    async def fetch() -> str:
        token = next(tokens)
        if token is None:
            raise OSError("nobody answers")
        return token

    client = Client(server.url, "w1", fetch)
    peer = await meet(server, client)
    await peer.send(EXPIRING)
    assert await peer.receive() == refresh_with("second")
    await client.close()


async def test_a_token_function_that_hangs_keeps_the_client_from_nothing(server: ScriptedServer) -> None:
    """`goaway` is followed all the same, and the call is given up with its connection."""
    hanging, given_up = asyncio.Event(), asyncio.Event()
    calls = []

    async def fetch() -> str:
        calls.append(1)
        if len(calls) == 2:
            hanging.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()
        return f"token {len(calls)}"

    client = Client(server.url, "w1", fetch)
    peer = await meet(server, client)
    await peer.send(EXPIRING)
    await hanging.wait()
    await peer.send({"type": "goaway", "reason": "restart", "reconnectWithinMs": 0, "reconnectAfterMs": 0})
    peer = await server.accept()
    assert (await peer.let_in())["token"] == "token 3"
    assert given_up.is_set()
    await client.close()


async def test_the_same_warning_is_not_answered_twice_without_a_pause(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that gives the same token again would make client and server chase each other."""
    monkeypatch.setattr(upkeep, "AGAIN_SECONDS", 3600.0)
    fetched = []

    async def fetch() -> str:
        fetched.append(1)
        return "kept for long"

    client = Client(server.url, "w1", fetch)
    peer = await meet(server, client)
    await peer.send(EXPIRING)
    assert await peer.receive() == refresh_with("kept for long")
    await peer.send(EXPIRING, EXPIRING)
    for number in (1, 2, 3):
        pending = client.insert("tasks", f"t{number}", {"title": "T"})
        assert (await peer.receive_op())["id"] == f"{CLIENT}:{number}"
        await peer.send({"type": "applied", "op": f"{CLIENT}:{number}"})
        await pending.outcome()
    assert len(fetched) == 2
    await client.close()


async def test_each_new_warning_is_answered_at_once(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens may be short: the next one that ends has its own time."""
    monkeypatch.setattr(upkeep, "AGAIN_SECONDS", 3600.0)
    tokens = iter(["a", "b", "c"])

    async def fetch() -> str:
        return next(tokens)

    client = Client(server.url, "w1", fetch)
    peer = await meet(server, client)
    for minute, token in enumerate("bc"):
        await peer.send({"type": "token_expiring", "expiresAt": f"2027-06-19T12:0{minute}:00.000Z"})
        assert await peer.receive() == refresh_with(token)
    await client.close()
