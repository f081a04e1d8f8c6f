"""gateway/web/client.js keeps to the rules for clients: with a real gateway, with a scripted one, and by the vectors."""

import asyncio
import json
import re
import time
from datetime import UTC, datetime

import pytest

from actors.contract.collections import COLLECTIONS
from gateway.client import Client, TextEditor
from gateway.client.closing import MOVES
from tests.client.scripted_server import CLIENT, Peer, ScriptedServer, event
from tests.support.gateways import RunningGateway, token_of
from tests.support.http_api import HttpApi
from tests.support.requirements import ROOT
from tests.support.waiting import eventually
from tests.web.javascript import JavaScript, meet_in_javascript


async def test_javascript_holds_the_digest_vectors_and_the_table_of_closes(js: JavaScript) -> None:
    """Digests, close codes and addresses are those of Python."""
    vectors = json.loads((ROOT / "docs" / "digest-vectors.json").read_text(encoding="utf-8"))["vectors"]
    assert await js.do("vectors", states=[each["state"] for each in vectors]) == [each["digest"] for each in vectors]
    assert await js.do("moves") == {str(code): move.value for code, move in MOVES.items()}
    urls = ["http://localhost:8080", "https://wedding.example/sync/", "ws://h/ws"]
    assert await js.do("urls", urls=urls) == ["ws://localhost:8080/ws", "wss://wedding.example/sync/ws", "ws://h/ws"]


@pytest.mark.servers
async def test_inv3_javascript_and_python_converge(js: JavaScript, stack: RunningGateway) -> None:
    """Edits of both, a text edit, a change of channel and a lost connection: same digests, no mismatch, nothing twice."""
    async with Client(stack.url, "w1", token_of("ana", "w1")) as ana:
        await js.do("make", name="ben", url=stack.url, wedding="w1", tokens=[token_of("ben", "w1")])
        await js.do("connect", name="ben")
        await ana.insert("documents", "vows", {"title": "Vows", "text": "I do 💍"}).outcome()
        await js.do("edit", name="ben", action="insert", collection="tasks", id="rings", data={"title": "Fetch the rings"})
        toast = {"title": "Toast", "visibility": "core"}
        await js.do("edit", name="ben", action="insert", collection="timeline", id="toast", data=toast)
        await js.do("edit", name="ben", action="update", collection="timeline", id="toast", data={"visibility": "everyone"})
        assert [each["applied"] for each in await js.do("answered", name="ben")] == [True] * 3
        channel = next(name for name, items in ana.channels().items() if "documents" in items)
        base = {channel: ana.sequences()[channel]}
        delta = [{"retain": 6}, {"insert": " and I will"}]
        edit = ana.edit("document_edit", "edit", "documents", "vows", {"delta": delta}, base=base, field="text")
        assert (await edit.outcome()).applied
        await js.do("disconnect", name="ben")
        await ana.update("tasks", "rings", {"done": True}).outcome()
        await js.do("wait", name="ben", channel="tasks.team", sequence=2)
        await ana.until(lambda: ana.confirmed()["tasks"]["rings"].get("done") is True)
        state = await js.do("state", name="ben")
        ours, theirs = ana.digests(), state["digests"]
        assert {name: theirs[name] for name in ours if not name.startswith("inbox.")} == {
            name: digest for name, digest in ours.items() if not name.startswith("inbox.")
        }
        assert state["view"]["documents"]["vows"]["text"] == "I do 💍 and I will"
        assert (state["mismatches"], state["status"]["state"], state["status"]["unanswered"]) == (0, "live", 0)
        assert len({tuple(each) for each in state["events"]}) == len(state["events"])
        resumed = [reason for name, reason, _ in state["syncs"] if name == "tasks.team"]
        assert resumed[-1] == "resume"
        await js.do("close", name="ben")


@pytest.mark.servers
async def test_d4_javascript_drops_what_is_withdrawn_and_renews_its_token(js: JavaScript, stack: RunningGateway) -> None:
    """A vendor who becomes a guest loses the team's channels at once; the same socket goes on with a new token."""
    short = token_of("tom", "w1", lifetime_seconds=30, now=time.time())
    await js.do("make", name="tom", url=stack.url, wedding="w1", tokens=[short, token_of("tom", "w1")])
    async with Client(stack.url, "w1", token_of("ana", "w1")) as ana:
        await ana.insert("tasks", "rings", {"title": "Fetch the rings"}).outcome()
        await js.do("connect", name="tom")
        assert "tasks.team" in (await js.do("state", name="tom"))["sequences"]
        assert (await ana.update("people", "tom", {"role": "guest"}).outcome()).applied
        await js.do("wait", name="tom", channel="tasks.team", sequence=None)
        state = await js.do("state", name="tom")
        assert "tasks" not in state["view"]
        assert set(state["sequences"]) <= set(ana.sequences())
        in_a_while = datetime.fromtimestamp(time.time() + 1800, UTC).isoformat()
        await eventually(lambda: _is_after(js, "tom", in_a_while), "the new token holds")
        assert (await js.do("state", name="tom"))["states"].count("live") == 1, "on one and the same socket"
    await js.do("close", name="tom")


async def _is_after(js: JavaScript, name: str, instant: str) -> bool:
    expires: str = (await js.do("state", name=name))["tokenExpiresAt"]
    return expires > instant


async def test_javascript_knows_the_op_type_of_every_collection(js: JavaScript) -> None:
    """Those that the contract says."""
    assert await js.do("opTypes") == {name: collection.type for name, collection in COLLECTIONS.items()}


@pytest.mark.servers
async def test_javascript_renames_and_deletes_a_version(js: JavaScript, stack: RunningGateway) -> None:
    """Without naming the op type, as in every other collection."""
    await js.do("make", name="ben", url=stack.url, wedding="w1", tokens=[token_of("ben", "w1")])
    await js.do("connect", name="ben")
    for action, collection, name, data in (
        ("insert", "documents", "vows", {"title": "Vows", "text": "I do"}),
        ("name_version", "documents", "vows", {"name": "Draft", "version": "first"}),
        ("update", "versions", "first", {"name": "First draft"}),
        ("delete", "versions", "first", None),
    ):
        await js.do("edit", name="ben", action=action, collection=collection, id=name, data=data or {})
    assert [each.get("code") for each in await js.do("answered", name="ben")] == [None] * 4
    assert "versions" not in (await js.do("state", name="ben"))["view"]


async def test_d5_javascript_numbers_anew_what_was_not_taken(js: JavaScript, server: ScriptedServer) -> None:
    """Behind a refused op with a free number everything is sent again, renumbered, once all refusals have come."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    for name in ("x", "y", "z"):
        await js.do("edit", name="a", action="insert", collection="tasks", id=name, data={"title": name})
    assert [(await peer.receive_op())["id"] for _ in range(3)] == [f"{CLIENT}:{n}" for n in (1, 2, 3)]
    await peer.reject(f"{CLIENT}:1", "bad_value", 1)
    await peer.reject(f"{CLIENT}:2", "resend_from", 1)
    await peer.reject(f"{CLIENT}:3", "resend_from", 1)
    again = [await peer.receive_op() for _ in range(2)]
    assert [(op["id"], op["target"]["id"]) for op in again] == [(f"{CLIENT}:1", "y"), (f"{CLIENT}:2", "z")]


async def test_d5_javascript_edits_outlive_the_page_and_are_reported(js: JavaScript, server: ScriptedServer) -> None:
    """The next page has the unanswered edits under their numbers, and is told what became of each."""
    await js.do("make", name="first", url=server.url, wedding="w1", tokens=["t"], kept="slot")
    peer, _ = await meet_in_javascript(js, server, "first")
    await js.do("edit", name="first", action="insert", collection="tasks", id="a", data={"title": "A"})
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
    await js.do("edit", name="first", action="insert", collection="tasks", id="b", data={"title": "B"})
    await js.do("make", name="second", url=server.url, wedding="w1", tokens=["t"], kept="slot")
    assert set((await js.do("state", name="second"))["view"]["tasks"]) == {"a", "b"}
    peer, hello = await meet_in_javascript(js, server, "second", last_op=1)
    assert hello["client"] == CLIENT
    assert [(await peer.receive_op())["id"] for _ in range(2)] == [f"{CLIENT}:1", f"{CLIENT}:2"]
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    await peer.reject(f"{CLIENT}:2", "exists", 3)
    await js.do("answered", name="second")
    [report] = (await js.do("state", name="second"))["reports"]
    assert [each["op"]["target"]["id"] for each in report["applied"]] == ["a"]
    assert [each["outcome"]["code"] for each in report["refused"]] == ["exists"]


async def test_doc1_a_text_that_is_not_sent_outlives_the_page(js: JavaScript, server: ScriptedServer) -> None:
    """Behind the edit in flight everything typed is kept as one more, which the next page sends."""
    await js.do("make", name="first", url=server.url, wedding="w1", tokens=["t"], kept="slot")
    peer, _ = await meet_in_javascript(js, server, "first")
    await peer.snapshot("documents.team", 1, {"documents": {"vows": {"title": "Vows", "text": "So: "}}}, reason="granted")
    await js.do("wait", name="first", channel="documents.team", sequence=1)
    await js.do("write", name="first", id="vows", letters="I do \U0001f48d")
    assert (await peer.receive_op())["data"] == {"delta": [{"retain": 4}, {"insert": "I"}]}
    assert (await js.do("state", name="first"))["status"]["unsaved"] == 2, "what was not sent is not saved"
    await js.do("make", name="second", url=server.url, wedding="w1", tokens=["t"], kept="slot")
    peer, _ = await meet_in_javascript(js, server, "second")
    sent = [await peer.receive_op() for _ in range(2)]
    assert [op["data"]["delta"][-1]["insert"] for op in sent] == ["I", " do \U0001f48d"]
    assert [op["base"] for op in sent] == [{"documents.team": 1}] * 2


async def _with_document(js: JavaScript, server: ScriptedServer, name: str) -> Peer:
    """A client with one empty document, kept as the slot."""
    await js.do("make", name=name, url=server.url, wedding="w1", tokens=["t"], kept="slot")
    peer, _ = await meet_in_javascript(js, server, name)
    await peer.snapshot("documents.team", 1, {"documents": {"vows": {"title": "Vows", "text": ""}}}, reason="granted")
    await js.do("wait", name=name, channel="documents.team", sequence=1)
    return peer


async def test_doc1_an_editor_that_is_left_sends_what_was_typed_once(js: JavaScript, server: ScriptedServer) -> None:
    """It is followed until everything typed has its answer: nothing is sent a second time, and nothing is forgotten."""
    peer = await _with_document(js, server, "a")
    await js.do("write", name="a", id="vows", letters="Hello", isLeft=True)
    sent = [await peer.receive_op()]
    await peer.edited("documents.team", 2, sent[0])
    sent.append(await peer.receive_op())
    await peer.edited("documents.team", 3, sent[1])
    await js.do("wait", name="a", channel="documents.team", sequence=3)
    await js.do("edit", name="a", action="insert", collection="tasks", id="last", data={"title": "x"})
    assert (await peer.receive_op())["target"] == {"collection": "tasks", "id": "last"}
    assert [op["data"]["delta"] for op in sent] == [[{"insert": "H"}], [{"retain": 1}, {"insert": "ello"}]]


async def test_a_draft_too_large_of_a_page_that_is_gone_is_refused_here(js: JavaScript, server: ScriptedServer) -> None:
    """The next page does not send what would end its connection, again and again: it says so and goes on."""
    await _with_document(js, server, "first")
    await js.do("write", name="first", id="vows", letters="I", pasted="x" * 70_000)
    await js.do("make", name="second", url=server.url, wedding="w1", tokens=["t"], kept="slot")
    peer, _ = await meet_in_javascript(js, server, "second")
    assert (await peer.receive_op())["data"] == {"delta": [{"insert": "I"}]}
    await peer.send({"type": "applied", "op": f"{CLIENT}:1"})
    await js.do("answered", name="second")
    [report] = (await js.do("state", name="second"))["reports"]
    assert [each["outcome"]["code"] for each in report["refused"]] == ["too_large"]


async def test_a_store_that_is_full_keeps_no_edit_from_being_sent(js: JavaScript, server: ScriptedServer) -> None:
    """The edit goes out all the same."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"], isFull=True)
    peer, _ = await meet_in_javascript(js, server, "a")
    await js.do("edit", name="a", action="insert", collection="tasks", id="x", data={"title": "x"})
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"


async def test_inv4_javascript_reports_a_gap_and_a_wrong_digest(js: JavaScript, server: ScriptedServer) -> None:
    """Neither is applied nor silent: the channel is asked for with the reason, and the status says `behind` meanwhile."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    late = event("tasks.team", 2, {"collection": "tasks", "id": "b", "insert": {"title": "B"}})
    await peer.send({"type": "collaboration_event", "events": [late]})
    asked = await peer.receive()
    assert (asked["channels"], asked["reason"]) == ({"tasks.team": {"sequence": 0, "digest": "0" * 16}}, "gap")
    state = await js.do("state", name="a")
    assert (state["status"]["state"], state["events"]) == ("behind", [])
    whole = {"tasks": {"a": {"title": "A"}, "b": {"title": "B"}}}
    await peer.snapshot("tasks.team", 2, whole, reason="repair", digest="0123456789abcdef")
    assert (await peer.receive())["reason"] == "digest"
    await peer.snapshot("tasks.team", 2, whole, reason="repair")
    await eventually(lambda: _is_live(js, "a"), "it is repaired")
    state = await js.do("state", name="a")
    assert (state["view"], state["mismatches"]) == (whole, 1)


async def _is_live(js: JavaScript, name: str) -> bool:
    return bool((await js.do("state", name=name))["status"]["state"] == "live")


async def test_javascript_stops_where_the_server_says_so(js: JavaScript, server: ScriptedServer) -> None:
    """4403 ends it with the server's words; 1012 does not."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    await peer.close(1012)
    peer = await server.accept()
    assert (await peer.receive())["resume"] == {"generation": 1, "channels": {}}
    await peer.send({"type": "error", "code": "not_allowed", "message": "Not a member.", "remedy": "Ask the couple."})
    await peer.close(4403)
    await eventually(lambda: _has_stopped(js, "a"), "it has stopped")


async def _has_stopped(js: JavaScript, name: str) -> bool:
    status = (await js.do("state", name=name))["status"]
    return bool(status["state"] == "offline" and "4403" in status["reason"])


@pytest.mark.servers
async def test_the_client_and_its_page_are_served(stack: RunningGateway) -> None:
    """`/client.js` leads to modules that are there, under a type that browsers run; the page may load nothing from elsewhere."""
    nobody = HttpApi(stack, "w1", "ana", token="")
    entrance = await nobody.call("GET", "/client.js")
    modules = set(re.findall(r'"\./(web/[a-z_]+\.js)"', entrance.text))
    assert modules == {f"web/{name}.js" for name in ("client", "left_behind", "stores", "text_area", "text_editor")}
    waiting, seen = [*modules], set(modules)
    while waiting:
        name = waiting.pop()
        module = await nobody.call("GET", f"/{name}")
        assert (module.status, module.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8"), name
        found = {f"web/{each}" for each in re.findall(r'from "\./([a-z_]+\.js)"', module.text)} - seen
        waiting += found
        seen |= found
    assert "web/text_ot.js" in seen
    page = await nobody.call("GET", "/app")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert (await nobody.call("GET", "/web/../app.py")).status == 404


@pytest.mark.servers
async def test_doc1_javascript_and_python_type_in_one_text(js: JavaScript, stack: RunningGateway) -> None:
    """Both type letter by letter at once, one in MessagePack, surrogate pairs among it: one text, and no digest differs."""
    async with Client(stack.url, "w1", token_of("ana", "w1")) as ana:
        await ana.insert("documents", "vows", {"title": "Vows", "text": "I do"}).outcome()
        await js.do("make", name="ben", url=stack.url, wedding="w1", tokens=[token_of("ben", "w1")], isPacked=True)
        await js.do("connect", name="ben")
        editor = TextEditor(ana, "documents", "vows")
        typing = asyncio.create_task(js.do("type", name="ben", id="vows", letters=", \U0001f48d!", length=14))
        for index, letter in enumerate("Today "):
            editor.insert(index, letter)
            await asyncio.sleep(0)
        assert await typing == "Today I do, \U0001f48d!"
        await ana.until(lambda: editor.is_saved and editor.text == "Today I do, \U0001f48d!", within_seconds=30)
        assert (await js.do("state", name="ben"))["mismatches"] == 0
