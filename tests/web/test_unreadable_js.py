"""What no server could read ends in the JavaScript client: such a frame has no answer, and all behind it would wait for ever."""

import asyncio
from typing import Any

import pytest

from gateway.client import Client
from tests.client.scripted_server import CLIENT, ScriptedServer
from tests.support.gateways import RunningGateway, token_of
from tests.web.javascript import JavaScript, meet_in_javascript

#: What is left of an emoji when a text is cut at a number of UTF-16 units, and the rest of it.
HALF, OTHER_HALF = "\ud83d", "\udc8d"
RING = "\U0001f48d"


def insert(name: str, **data: Any) -> dict[str, Any]:
    return {
        "type": "task_completion",
        "action": "insert",
        "target": {"collection": "tasks", "id": name},
        "data": data,
        "base": {},
    }


def nested(levels: int) -> list[Any]:
    """A list in a list in a list."""
    return [] if levels == 1 else [nested(levels - 1)]


async def test_an_op_that_cannot_be_read_is_refused_here_and_holds_up_no_other(js: JavaScript, server: ScriptedServer) -> None:
    """Half an emoji, in a value or a name, deep nesting, a BigInt, a cycle: the op behind them goes out as the first one."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    unreadable = [{"title": f"Cake {HALF}"}, {f"Cake {HALF}": 1}, {"a": [{"b": OTHER_HALF}]}, {"a": nested(200)}]
    for data in unreadable:
        await js.do("edit", name="a", action="insert", collection="tasks", id="cake", data=data)
    assert await js.do("sayUnsayable", name="a") == ["TypeError"] * 6
    await js.do("edit", name="a", action="insert", collection="tasks", id="rings", data={"title": f"Rings {RING}"})
    op = await peer.receive_op()
    assert (op["id"], op["data"]) == (f"{CLIENT}:1", {"title": f"Rings {RING}"})
    await peer.send({"type": "applied", "op": op["id"]})
    answers = await js.do("answered", name="a")
    assert [each.get("code") for each in answers] == ["bad_value"] * len(unreadable) + [None]
    assert answers[0]["remedy"], "it is said how to cut a text"
    assert (await js.do("state", name="a"))["status"]["unanswered"] == 1, "the draft that was not amended waits, and nothing else"


@pytest.mark.servers
async def test_a_queue_that_was_left_with_half_an_emoji_heals(js: JavaScript, stack: RunningGateway) -> None:
    """The next page tells that the op is refused, and sends what lies behind it."""
    known = {"url": stack.url, "wedding": "w1", "tokens": [token_of("ben", "w1")], "kept": "slot"}
    await js.do("make", name="first", **known)
    await js.do("connect", name="first")
    await js.do("edit", name="first", action="insert", collection="tasks", id="cake", data={"title": "Cake"})
    await js.do("answered", name="first")
    await js.do("close", name="first")
    await js.do("leave", kept="slot", ops=[insert("half", title=f"Cake {HALF}"), insert("rings", title="Rings")])
    await js.do("make", name="second", **known)
    await js.do("connect", name="second")
    assert [each.get("code") for each in await js.do("answered", name="second")] == ["bad_value", None]
    state = await js.do("state", name="second")
    assert set(state["view"]["tasks"]) == {"cake", "rings"}
    [report] = state["reports"]
    assert [each["op"]["target"]["id"] for each in report["refused"]] == ["half"]
    assert state["states"].count("connecting") == 1, "on one and the same socket"


async def test_a_number_that_was_given_to_an_unreadable_op_is_given_again(js: JavaScript, server: ScriptedServer) -> None:
    """It was never taken: the client neither leaves a hole in its numbers nor needs a new id, and the page is told at once."""
    known = {"url": server.url, "wedding": "w1", "tokens": ["t"], "kept": "slot"}
    await js.do("make", name="first", **known)
    await meet_in_javascript(js, server, "first")
    await js.do("close", name="first")
    await js.do("leave", kept="slot", ops=[insert("half", title=HALF)])
    await js.do("make", name="second", **known)
    await meet_in_javascript(js, server, "second")
    [report] = (await js.do("state", name="second"))["reports"]
    assert [each["outcome"]["code"] for each in report["refused"]] == ["bad_value"]
    await js.do("disconnect", name="second")
    peer = await server.accept()
    assert (await peer.let_in())["client"] == CLIENT
    await js.do("edit", name="second", action="insert", collection="tasks", id="rings", data={"title": "Rings"})
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"


@pytest.mark.servers
async def test_half_an_emoji_wedges_no_editor(js: JavaScript, stack: RunningGateway) -> None:
    """A pair that is cut in two becomes two characters that say so, for everybody; typing goes on behind it."""
    async with Client(stack.url, "w1", token_of("ana", "w1")) as ana:
        await ana.insert("documents", "vows", {"title": "Vows", "text": f"I do {RING}"}).outcome()
        await js.do("make", name="ben", url=stack.url, wedding="w1", tokens=[token_of("ben", "w1")])
        await js.do("connect", name="ben")
        assert "TypeError" in await js.do("sayUnsayable", name="ben")
        for text, expected in ((f"I do {HALF}x{OTHER_HALF}", "I do \ufffdx\ufffd"), (f"I do {RING}!", f"I do {RING}!")):
            assert await js.do("retype", name="ben", id="vows", text=text) == {"text": expected, "refused": None}
        await ana.until(lambda: ana.confirmed()["documents"]["vows"]["text"] == f"I do {RING}!")


async def test_a_presence_that_cannot_be_read_is_not_said(js: JavaScript, server: ScriptedServer) -> None:
    """It is told as the server tells what it refuses; the one before it stays, also over a reconnect."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    for page in ("timeline", HALF, "x" * 70_000):
        await js.do("presence", name="a", presence={"page": page})
    await js.do("edit", name="a", action="insert", collection="tasks", id="rings", data={"title": "Rings"})
    said = {"type": "presence_update", "presence": {"page": "timeline"}}
    assert await peer.receive() == said
    assert (await peer.receive_op())["target"]["id"] == "rings"
    assert (await js.do("state", name="a"))["errors"] == ["bad_value", "too_large"]
    await js.do("disconnect", name="a")
    again, _ = await asyncio.gather(server.accept(), js.do("state", name="a"))
    await again.let_in()
    assert await again.receive() == said
