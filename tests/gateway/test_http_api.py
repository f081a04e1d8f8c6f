"""The HTTP API against a real host: found, join, one op, a batch, presence, history, and every refusal as a problem."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, running_stack, token_of
from tests.support.hosts import host_settings, running_host
from tests.support.http_api import BASE, Answer, HttpApi, is_problem, op_of
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def test_d1_a_wedding_is_founded_by_one_op(stack: RunningGateway) -> None:
    """Its author becomes the first member; a second founding and a role that may not found are refused."""
    ana = HttpApi(stack, "w1", "ana")
    founded = await ana.found_wedding()
    assert (founded.status, founded.body["id"]) == (201, "w1")
    assert founded.body["sequences"] == {"wedding.everyone": 1, "people.everyone": 1}
    joined = await ana.post("join")
    assert joined.body["permissions"]["role"] == "couple"
    assert is_problem(await ana.found_wedding(), 409, "exists")
    assert is_problem(await HttpApi(stack, "w2", "gus").found_wedding(role="guest"), 403, "not_allowed")
    assert is_problem(await HttpApi(stack, "w2", "gus").found_wedding(role="king"), 422, "bad_value")
    assert is_problem(await HttpApi(stack, "w2", "gus").found_wedding(date="someday"), 422, "bad_value")
    assert is_problem(await HttpApi(stack, "w2", "gus").found_wedding(id="w3"), 401, "bad_token")


async def test_d8_join_gives_what_a_client_needs(stack: RunningGateway, found: FoundWedding) -> None:
    """A client id, a fresh token that opens the socket at the given address, and only readable channels."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    assert (await ana.submit("budget_change", "insert", "budget", "dress", {"item": "Dress"})).status == 200
    joined = (await tom.post("join")).body
    assert set(joined) == {"session", "client", "token", "websocketUrl", "permissions", "channels"}
    assert joined["channels"] == {"wedding.everyone": 1, "people.everyone": 4}
    assert joined["websocketUrl"] == f"ws://127.0.0.1:{stack.port}/ws"
    written = ["timeline.everyone", "timeline.team", "timeline.surprise-*", "timeline.private-tom"]
    assert joined["permissions"]["mayWrite"]["timeline"] == written
    assert (await tom.get("permissions")).body == joined["permissions"]
    assert "budget" not in joined["permissions"]["mayWrite"]
    talker = await stack.connect()
    await talker.send({"type": "hello", "version": 1, "wedding": "w1", "token": joined["token"], "client": joined["client"]})
    welcome = await talker.expect("welcome", client=joined["client"], user="tom", role="vendor")
    assert welcome["channels"] == joined["channels"]


async def test_d5_an_op_is_answered_after_the_fold(stack: RunningGateway, found: FoundWedding) -> None:
    """200 with the sequences, numbers of the gateway's own without an id, a repeat taken once, refusals with their code."""
    await found("w1")
    ana, gia = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "gia")
    first = await ana.submit("task_completion", "insert", "tasks", "t1", {"title": "Rings"})
    assert (first.status, first.body["sequences"]) == (200, {"tasks.team": 1})
    second = await ana.submit("task_completion", "update", "tasks", "t1", {"done": True})
    client, _, number = first.body["op"].rpartition(":")
    assert second.body == {"op": f"{client}:{int(number) + 1}", "sequences": {"tasks.team": 2}}
    mine = "20261122-myphone:1"
    for _ in range(2):
        repeated = await ana.submit("task_completion", "insert", "tasks", "t2", {"title": "Cake"}, id=mine)
        assert (repeated.status, repeated.body["op"]) == (200, mine)
    refused = await ana.submit("task_completion", "insert", "tasks", "t1", {"title": "Again"})
    assert is_problem(refused, 409, "exists")
    assert refused.body["next"] == int(refused.body["op"].rpartition(":")[2]) + 1
    assert is_problem(await gia.submit("task_completion", "update", "tasks", "t1", {"done": False}), 404, "not_found")
    assert is_problem(await ana.submit("task_completion", "insert", "tasks", "t3", {"title": 5}), 422, "bad_value")
    assert is_problem(
        await ana.submit("task_completion", "update", "tasks", "t1", {"done": 1}, id="20261122-other:5"), 422, "bad_value"
    )
    assert is_problem(
        await ana.submit("task_completion", "update", "tasks", "t1", {"done": True}, id="20261122-other:5"), 409, "resend_from"
    )
    third = await ana.submit("task_completion", "update", "tasks", "t1", {"title": "The rings"})
    assert third.status == 200, "a refusal before the log has consumed no number"


async def test_d8_sync_answers_each_op_and_tells_what_is_new(stack: RunningGateway, found: FoundWedding) -> None:
    """Per-op results in order; events where they are kept, a snapshot elsewhere, nothing where nothing is new."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    insert = op_of("task_completion", "insert", "tasks", "t1", {"title": "Rings"})
    update = op_of("task_completion", "update", "tasks", "t1", {"done": True})
    secret = op_of("budget_change", "insert", "budget", "b1", {"item": "Dress"})
    answer = (await ana.post("sync", {"ops": [insert, insert, update, secret], "channels": {"people.everyone": 4}})).body
    assert [each.get("code", "applied") for each in answer["results"]] == ["applied", "exists", "applied", "applied"]
    assert "people.everyone" not in answer["channels"], "nothing is new there"
    assert {name: each["mode"] for name, each in answer["channels"].items()} == dict.fromkeys(
        ("wedding.everyone", "tasks.team", "budget.core"), "snapshot"
    )
    task = answer["channels"]["tasks.team"]["state"]["tasks"]["t1"]
    assert (task["title"], task["done"]) == ("Rings", True)
    since = {"channels": {"tasks.team": 1, "wedding.everyone": 1, "people.everyone": 4, "budget.core": 1}}
    theirs = (await tom.post("sync", since | {"generation": answer["generation"]})).body
    assert theirs["channels"].pop("budget.core") == {"mode": "withdrawn"}
    assert set(theirs["channels"]) == {"tasks.team"}
    tasks = theirs["channels"]["tasks.team"]
    assert (tasks["mode"], tasks["sequence"], [event["sequence"] for event in tasks["events"]]) == ("events", 2, [2])
    assert tasks["digest"] == answer["channels"]["tasks.team"]["digest"]
    other = (await tom.post("sync", since | {"generation": 99})).body
    assert {each["reason"] for each in other["channels"].values() if each["mode"] == "snapshot"} == {"generation"}


async def test_inv5_history_holds_only_what_the_caller_may_read(stack: RunningGateway, found: FoundWedding) -> None:
    """Events since an instant, in order, of readable channels alone."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    await ana.submit("task_completion", "insert", "tasks", "t1", {"title": "Rings"})
    await ana.submit("budget_change", "insert", "budget", "b1", {"item": "The surprise dress"})
    mine = (await ana.get("history")).body
    assert [event["channel"] for event in mine["events"]][-2:] == ["tasks.team", "budget.core"]
    assert mine["more"] is False
    theirs = await tom.get("history", "?since=2020-01-01T00:00:00Z")
    assert {event["channel"] for event in theirs.body["events"]} == {"wedding.everyone", "people.everyone", "tasks.team"}
    assert "surprise" not in theirs.text
    later = datetime.fromtimestamp(time.time() + 60, UTC).isoformat()
    assert (await tom.get("history", f"?since={later}")).body == {"events": [], "more": False}
    assert is_problem(await tom.get("history", "?since=yesterday"), 422, "bad_value")


async def test_d9_presence_is_told_over_http(stack: RunningGateway, found: FoundWedding) -> None:
    """Sockets and HTTP ops become presence, several devices one person, masked for the reader; nothing enters the log."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    talker = await stack.join("w1", "ana")
    await talker.send({"type": "presence_update", "presence": {"status": "busy", "section": "budget.core"}})
    before = (await ana.get("history")).body
    told = await tom.post("events", {"type": "presence_change", "data": {"section": "timeline.team"}})
    assert (told.status, told.body) == (200, {"op": None, "sequences": {}})

    async def seen_by(caller: HttpApi) -> dict[str, object]:
        presence = (await caller.get("presence")).body["presence"]
        return {user: each.get("section") for user, each in presence.items()}

    await eventually(lambda: _equals(seen_by(ana), {"ana": "budget.core", "tom": "timeline.team"}), "ana sees both")
    assert await seen_by(tom) == {"ana": None, "tom": "timeline.team"}
    assert (await tom.get("presence")).body["activeUsers"] == ["ana", "tom"]
    assert (await ana.get("history")).body == before
    assert is_problem(await tom.post("events", {"type": "presence_change", "data": {"section": "kitchen"}}), 422, "bad_value")
    assert is_problem(await tom.post("events", {"type": "presence_change", "data": {"note": "x" * 9000}}), 413, "too_large")


async def test_every_refusal_is_a_problem(stack: RunningGateway, found: FoundWedding) -> None:
    """Tokens, membership, ids, bodies, methods and addresses: each with its status and code, and never the token."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    expired = token_of("ana", "w1", now=time.time() - 7200)
    for token in ("", "nonsense", expired, token_of("ana", "w1", use="nats"), token_of("ana", "w9")):
        answer = await HttpApi(stack, "w1", "ana", token).post("join")
        assert is_problem(answer, 401, "bad_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert not token or token not in answer.text
    assert is_problem(await HttpApi(stack, "w1", "eve").post("join"), 403, "not_allowed")
    assert is_problem(await HttpApi(stack, "nowhere", "ana").post("join"), 404, "wedding_unknown")
    assert is_problem(await ana.call("POST", f"{BASE}/join/W.1*"), 400, "bad_id")
    for body in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"type": "task_completion"}', json.dumps({"type": 7}).encode()):
        assert is_problem(await ana.post("events", body), 400, "bad_frame")
    deep = b'{"padding":' + b"[" * 2000 + b"]" * 2000 + b"}"
    for path in ("events", "sync"):
        assert is_problem(await ana.post(path, deep), 400, "bad_frame")
    assert is_problem(await HttpApi(stack, "w1", "ana", "nonsense").call("POST", f"{BASE}/weddings", b"{"), 401, "bad_token")
    assert is_problem(await ana.post("sync", {"ops": 5}), 400, "bad_frame")
    assert is_problem(await ana.post("sync", {"ops": [{}] * 501}), 413, "too_large")
    assert is_problem(await ana.submit("message_sent", "insert", "messages", "m1", {"text": "x" * 70_000}), 413, "too_large")
    assert is_problem(await ana.post("events", b" " * (2 << 20)), 413, "too_large")
    unknown = await ana.submit("recipe_update", "insert", "recipes", "r1", {})
    assert is_problem(unknown, 422, "unknown_type")
    assert is_problem(await ana.submit("task_completion", "insert", "tasks", "a.b*", {"title": "x"}), 400, "bad_id")
    assert is_problem(await ana.call("GET", "/api/nothing"), 404, "not_found")
    wrong_method = await ana.call("GET", f"{BASE}/join/w1")
    assert is_problem(wrong_method, 405, "bad_frame")
    assert wrong_method.headers["Allow"] == "OPTIONS, POST"
    history = (await ana.get("history")).body["events"]
    assert {event["channel"] for event in history} == {"wedding.everyone", "people.everyone"}, "nothing was stored"


async def test_d5_without_an_actor_a_saved_op_is_told_as_saved(jetstream: NatsServer, database_url: str) -> None:
    """202 when the op is on disk and nobody has decided it in time; the next host decides it once; without any, 503 waking."""
    async with (
        running_host(host_settings(jetstream, database_url)) as host,
        running_gateway(gateway_settings(jetstream, database_url, http_answer_timeout_seconds=2.0)) as gateway,
    ):
        ana = HttpApi(gateway, "w1", "ana")
        await ana.found_wedding()
        await host.close()
        answer = await ana.submit("task_completion", "insert", "tasks", "t1", {"title": "Rings"})
        assert (answer.status, answer.body["saved"]) == (202, True)
        unknown = await HttpApi(gateway, "w2", "ana").post("join")
        assert is_problem(unknown, 503, "waking")
        assert int(unknown.headers["Retry-After"]) >= 1
        async with running_host(host_settings(jetstream, database_url, host_id="host-2")):
            again = await ana.submit("task_completion", "insert", "tasks", "t1", {"title": "Rings"}, id=answer.body["op"])
            assert (again.status, again.body["op"]) == (200, answer.body["op"])
            assert [event["sequence"] for event in await _events_of(ana, "tasks.team")] == [1]


async def _events_of(api: HttpApi, channel: str) -> list[dict[str, Any]]:
    return [event for event in (await api.get("history")).body["events"] if event["channel"] == channel]


async def test_inv7_too_many_ops_are_told_to_slow_down(jetstream: NatsServer, database_url: str) -> None:
    """Over the rate a principal gets 429 with Retry-After, and its numbers go on without a hole."""
    limits = {"ops_per_second_per_connection": 1, "op_burst_per_connection": 5}
    async with running_stack(jetstream, database_url, limits=limits) as gateway:
        ana = HttpApi(gateway, "w1", "ana")
        await ana.found_wedding()
        insert = op_of("task_completion", "insert", "tasks", "t1", {"title": "x"})
        update = op_of("task_completion", "update", "tasks", "t1", {"title": "y"})
        burst = (await ana.post("sync", {"ops": [insert] + [update] * 100})).body["results"]
        assert {each.get("code", "applied") for each in burst} == {"applied", "slow_down"}
        refused = await eventually(lambda: _refused(ana, update), "an op over the rate")
        assert is_problem(refused, 429, "slow_down")
        assert int(refused.headers["Retry-After"]) >= 1
        await eventually(lambda: _equals(_status(ana, update), 200), "it goes on after a rest")


async def _refused(api: HttpApi, op: object) -> Answer | None:
    answer = await api.post("events", op)
    return answer if answer.status != 200 else None


async def _status(api: HttpApi, op: object) -> int:
    return (await api.post("events", op)).status


async def _equals(awaitable: object, expected: object) -> bool:
    return bool(await awaitable == expected)  # type: ignore[misc]  # either coroutine of the callers above


async def test_inv5_no_token_and_no_query_reaches_a_log_line(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither ordinary requests nor faults of ours leave what a caller sent beyond the path; a fault is a problem, too."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    with caplog.at_level("DEBUG"), capture_logs() as events:
        await ana.get("history", "?since=2020-01-01T00:00:00Z&token=SECRET-QUERY")
        await ana.call("GET", "/ws?token=SECRET-QUERY")
        await HttpApi(stack, "w1", "ana", "SECRET-TOKEN").get("history")
        monkeypatch.setattr(stack.gateway.owner, "history", fail)
        assert is_problem(await ana.get("history", "?token=SECRET-QUERY"), 500, "internal_error")
    assert [event["event"] for event in events if event["log_level"] == "error"] == ["http_failed"]
    logged = caplog.text + json.dumps(events, default=str)
    assert "SECRET" not in logged
    assert token_of("ana", "w1")[:20] not in logged


async def test_a_service_token_opens_every_wedding(stack: RunningGateway, found: FoundWedding) -> None:
    """The operator's own tokens are for all weddings that exist, without membership."""
    await found("w1")
    operator = HttpApi(stack, "w1", "operator", token_of("operator", "another"))
    assert (await operator.post("join")).body["permissions"]["role"] == "planner"
    operator.wedding = "nowhere"
    assert is_problem(await operator.post("join"), 404, "wedding_unknown")


async def test_a_gateway_that_drains_takes_no_sockets(stack: RunningGateway) -> None:
    """An upgrade is refused with a problem; so is a request to the socket's address that is no upgrade."""
    api = HttpApi(stack, "w1", "ana")
    assert is_problem(await api.call("GET", "/ws"), 400, "bad_frame")
    stack.gateway.ready = False
    refused = await api.call("GET", "/ws", Connection="Upgrade", Upgrade="websocket")
    assert is_problem(refused, 503, "unavailable")
