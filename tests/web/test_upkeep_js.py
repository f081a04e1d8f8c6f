"""The JavaScript client keeps its connection in order: answers that do not come, questions of the server, tokens, the clock."""

from typing import Any

import pytest

from tests.client.scripted_server import CLIENT, Peer, ScriptedServer, event
from tests.support.gateways import RunningGateway, token_of
from tests.support.http_api import HttpApi
from tests.web.javascript import JavaScript, javascript, meet_in_javascript


async def send_the_second_event(peer: Peer) -> None:
    """An event whose predecessor was not sent."""
    await peer.send(
        {"type": "collaboration_event", "events": [event("tasks.team", 2, {"collection": "tasks", "id": "b", "remove": True})]}
    )


async def test_an_answer_that_the_server_owes_has_a_deadline(js: JavaScript, server: ScriptedServer) -> None:
    """A repair that is answered by an error, and answers behind a refused op that do not come: both end the connection."""
    for name in ("gap", "hold"):
        await js.do("make", name=name, url=server.url, wedding="w1", tokens=["t"])
    for_gap, _ = await meet_in_javascript(js, server, "gap", client="20270619-gap00000")
    for_hold, _ = await meet_in_javascript(js, server, "hold", client="20270619-hold0000")
    await send_the_second_event(for_gap)
    assert (await for_gap.receive())["reason"] == "gap"
    await for_gap.send({"type": "error", "code": "waking", "message": "m", "remedy": "r"})
    for task in ("a", "b"):
        await js.do("edit", name="hold", action="insert", collection="tasks", id=task, data={"title": "x"})
        await for_hold.receive_op()
    await for_hold.reject("20270619-hold0000:1", "bad_value", 1)
    hellos = [await (await server.accept()).receive() for _ in range(2)]
    assert {each["client"] for each in hellos} == {"20270619-gap00000", "20270619-hold0000"}


async def test_a_repair_that_came_is_owed_no_more_and_the_next_gap_is_asked_for(js: JavaScript, server: ScriptedServer) -> None:
    """Also where digests were wrong again and again: a gap is always reported, once until its answer."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    await send_the_second_event(peer)
    await send_the_second_event(peer)
    for reason in ("gap", "digest", "digest"):
        assert (await peer.receive())["reason"] == reason
        await peer.snapshot("tasks.team", 0, {}, reason="repair", digest="0123456789abcdef")
    await send_the_second_event(peer)
    assert (await peer.receive())["reason"] == "gap"


@pytest.mark.servers
async def test_javascript_says_what_it_holds_when_all_copies_are_compared(
    js: JavaScript, stack: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` is answered: the report knows whether a browser agrees."""
    monkeypatch.setattr("gateway.rooms.audits.PRESENT_SECONDS", 0.1)
    await js.do("make", name="ben", url=stack.url, wedding="w1", tokens=[token_of("ben", "w1")])
    await js.do("connect", name="ben")
    await js.do("edit", name="ben", action="insert", collection="tasks", id="rings", data={"title": "Fetch the rings"})
    await js.do("answered", name="ben")
    report = (await HttpApi(stack, "w1", "ana").post("consistency", {})).body
    [copy] = [each for each in report["copies"] if each["place"] == "client"]
    assert (copy["name"].split("/")[0], copy["agrees"]) == ("ben", True), copy


async def test_javascript_without_hashes_makes_no_claim(server: ScriptedServer) -> None:
    """A page that cannot hash is told as one that did not answer, not as one that differs."""
    async with javascript("--import", "data:text/javascript,delete globalThis.crypto") as js:
        await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
        peer, _ = await meet_in_javascript(js, server, "a")
        await peer.send({"type": "verify"}, {"type": "presence_update", "version": 1, "whole": True, "presence": {"bo": {}}})
        await js.do("hear", name="a", person="bo")
        await js.do("edit", name="a", action="insert", collection="tasks", id="x", data={"title": "x"})
        assert (await peer.receive())["type"] == "collaboration_event"


async def test_a_token_that_is_soon_old_again_is_not_sent_round_and_round(js: JavaScript, server: ScriptedServer) -> None:
    """A second warning right after the first is answered as well, and not at once: what is asked behind it is answered before."""
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["first", "cached", "new"])
    peer, _ = await meet_in_javascript(js, server, "a")
    expiring: dict[str, Any] = {"type": "token_expiring", "expiresAt": "2027-06-19T12:00:00.000Z"}
    await peer.send(expiring)
    assert await peer.receive() == {"type": "token_refresh", "token": "cached"}
    await peer.send({"type": "token_refreshed", "expiresAt": expiring["expiresAt"]}, expiring, expiring, {"type": "verify"})
    assert await peer.receive() == {"type": "ping", "channels": {}}
    assert await peer.receive() == {"type": "token_refresh", "token": "new"}
    await peer.send({"type": "verify"})
    assert (await peer.receive())["type"] == "ping", "one answer to both warnings"


async def test_a_clock_that_goes_back_ends_no_pause_late(js: JavaScript, server: ScriptedServer) -> None:
    """What was refused for now is sent again after the pause, whatever the time of day is said to be."""
    await js.do("turnClockBack")
    await js.do("make", name="a", url=server.url, wedding="w1", tokens=["t"])
    peer, _ = await meet_in_javascript(js, server, "a")
    await js.do("edit", name="a", action="insert", collection="tasks", id="x", data={"title": "x"})
    await peer.receive_op()
    await peer.reject(f"{CLIENT}:1", "slow_down", 1, retryAfterMs=20)
    assert (await peer.receive_op())["id"] == f"{CLIENT}:1"
