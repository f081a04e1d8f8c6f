"""What a client can get wrong, each with its code, and nobody else notices (docs/protocol.md, INV6)."""

import json
import time
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from gateway.sessions.session import Session
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, token_of
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

OP: dict[str, object] = {
    "type": "task_completion",
    "action": "insert",
    "target": {"collection": "tasks", "id": "cake"},
    "data": {"title": "x", "done": False},
}


def hello(**members: Any) -> dict[str, Any]:
    return {"type": "hello", "version": 1, "wedding": "w1", "token": token_of("ana", "w1")} | members


#: Valid JSON of a few kilobytes, deeper than any recursion goes.
DEEP = "[" * 2000 + "]" * 2000

BEFORE_WELCOME = [
    ("JSON too deep", f'{{"type":"hello","padding":{DEEP}}}', "bad_frame", 4400),
    ("no JSON", "not json", "bad_frame", 4400),
    ("not an object", "[1,2]", "bad_frame", 4400),
    ("no type", "{}", "bad_frame", 4400),
    ("an unknown type", {"type": "helo"}, "bad_frame", 4400),
    ("another frame first", {"type": "ping"}, "bad_frame", 4400),
    ("no token", {"type": "hello", "version": 1, "wedding": "w1"}, "bad_frame", 4400),
    ("a wedding with a wildcard", hello(wedding="*"), "bad_frame", 4400),
    ("a wedding with a dot", hello(wedding="w1.x"), "bad_frame", 4400),
    ("a client that is none", hello(client="ana's phone"), "bad_id", 4400),
    ("a client of no day", hello(client="20271399-abcdef"), "bad_id", 4400),
    ("an old version", hello(version=0), "version_unsupported", 4406),
    ("a new version", hello(version=2), "version_unsupported", 4406),
    ("an empty token", hello(token=""), "bad_token", 4401),
    ("no token at all in it", hello(token="a.b.c"), "bad_token", 4401),
    ("an expired token", hello(token=token_of("ana", "w1", now=time.time() - 7200)), "bad_token", 4401),
    ("a token for another wedding", hello(token=token_of("ana", "w2")), "bad_token", 4401),
    ("a token for NATS", hello(token=token_of("ana", "w1", use="nats")), "bad_token", 4401),
    ("a stranger", hello(token=token_of("eve", "w1")), "not_allowed", 4403),
    ("a wedding that does not exist", hello(wedding="w9", token=token_of("ana", "w9")), "wedding_unknown", 4404),
]

AFTER_WELCOME = [
    ("JSON too deep", f'{{"type":"ping","padding":{DEEP}}}', "bad_frame"),
    ("an op too deep", f'{{"type":"collaboration_event","op":{{"id":{DEEP}}}}}', "bad_frame"),
    ("no JSON", "{", "bad_frame"),
    ("an unknown type", {"type": "delete_everything"}, "bad_frame"),
    ("a second hello", hello(), "bad_frame"),
    ("an op that is none", {"type": "collaboration_event", "op": 7}, "bad_frame"),
    ("an op without an id", {"type": "collaboration_event", "op": {k: v for k, v in OP.items() if k != "type"}}, "bad_frame"),
    ("nothing to sync", {"type": "data_sync"}, "bad_frame"),
    ("too many ops", {"type": "data_sync", "ops": [{}] * 501}, "too_large"),
    ("presence of the wrong kind", {"type": "presence_update", "presence": []}, "bad_frame"),
]

WEDDING_OP: dict[str, object] = OP | {
    "type": "timeline_update",
    "action": "update",
    "target": {"collection": "wedding", "id": "w1"},
}
BAD_OPS: list[tuple[str, dict[str, object], str]] = [
    ("an id of no client", OP | {"id": "cake"}, "bad_id"),
    ("number zero", OP | {"id": "{client}:0"}, "bad_id"),
    ("somebody else's client", OP | {"id": "20270619-other1:1"}, "bad_id"),
    ("no action", {k: v for k, v in OP.items() if k != "action"}, "bad_frame"),
    ("an unknown op type", OP | {"type": "cake_eaten"}, "unknown_type"),
    ("the type of another collection", OP | {"type": "budget_change"}, "type_mismatch"),
    ("an unknown action", OP | {"action": "eat"}, "bad_value"),
    ("a target with a wildcard", OP | {"target": {"collection": "tasks", "id": "*"}}, "bad_id"),
    ("a target with a dot", OP | {"target": {"collection": "tasks", "id": "a.b"}}, "bad_id"),
    ("an unknown field", OP | {"data": {"title": "x", "done": False, "color": "red"}}, "bad_value"),
    ("a wrong value", OP | {"data": {"title": 1, "done": False}}, "bad_value"),
    ("a negative base", OP | {"base": {"tasks.team": -1}}, "bad_frame"),
    ("a base of no channel", OP | {"base": {"tasks": 1}}, "bad_frame"),
    ("a base of an endless channel", OP | {"base": {"tasks." + "x" * 80: 1}}, "bad_frame"),
    ("a zone in which no clock goes", WEDDING_OP | {"data": {"timeZone": "Mars/Olympus"}}, "bad_value"),
    ("a currency that nobody pays in", WEDDING_OP | {"data": {"homeCurrency": "ZZZ"}}, "bad_value"),
    ("a rate of no currency", WEDDING_OP | {"data": {"rates": {"ZZZ": "1.5"}}}, "bad_value"),
    ("too large an op", OP | {"data": {"title": "x" * 65536, "done": False}}, "too_large"),
]


async def test_inv6_before_welcome_an_error_is_followed_by_its_close(stack: RunningGateway, found: FoundWedding) -> None:
    """Exactly one error with the code and a remedy, then the close code of the protocol."""
    await found("w1")
    for name, frame, code, close in BEFORE_WELCOME:
        talker = await stack.connect()
        await talker.send(frame)
        error = await talker.expect("error")
        assert error["code"] == code, name
        assert error["message"], name
        assert error["remedy"], name
        assert await talker.closed_with() == close, name


async def test_inv6_after_welcome_malformed_input_is_answered_and_the_connection_goes_on(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """Every malformed frame gets its code; afterwards the same connection works and nothing was stored or delivered."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    for name, frame, code in AFTER_WELCOME:
        await ana.send(frame)
        assert (await ana.expect("error"))["code"] == code, name
    await ana.connection.send_bytes(b"\x00\x01")
    await ana.expect("error", code="bad_frame")
    for name, op, code in BAD_OPS:
        identifier = str(op.get("id", "{client}:1")).replace("{client}", ana.client)
        await ana.submit(op | {"id": identifier})
        refused = await ana.expect("rejected", op=identifier)
        assert refused["code"] == code, name
        assert refused.get("next") == (None if "other1" in identifier else 1), name
    rev = stack.gateway.hub.rooms["w1"].rev
    await tom.event_of(await ana.insert_task("cake"))
    assert stack.gateway.hub.rooms["w1"].rev == rev + 1


async def test_inv6_a_frame_above_the_limit_closes_with_1009(stack: RunningGateway, found: FoundWedding) -> None:
    """One frame of more than a megabyte ends this connection and no other."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    await ana.send(json.dumps({"type": "ping", "padding": "x" * (1 << 20)}))
    assert await ana.closed_with() == 1009
    await tom.send({"type": "ping"})
    await tom.expect("pong")


@pytest.mark.parametrize(
    "frame", [{"type": "ping"}, {"type": "data_sync", "reason": "gap", "channels": {}}], ids=["short", "long"]
)
async def test_a_fault_of_ours_closes_with_1011(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch, frame: dict[str, Any]
) -> None:
    """A client learns that the server failed, so that it comes back; a normal close would send it away for good."""
    await found("w1")
    ana = await stack.join("w1", "ana")

    def failing(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Session, "_repair", failing)
    monkeypatch.setattr(Session, "_take_live", failing)
    await ana.send(frame)
    assert await ana.closed_with() == 1011


async def test_inv6_over_the_rate_is_told_when_to_go_on(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """The op over the limit gets slow_down with the number to send next and how long to wait; then it is taken."""
    await found("w1")
    limits = {"op_burst_per_connection": 2, "ops_per_second_per_connection": 2}
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)) as strict:
        ana = await strict.join("w1", "ana")
        ops = [ana.next_op("task_completion", "insert", "tasks", f"t{n}", title="x", done=False) for n in range(4)]
        await ana.send({"type": "data_sync", "ops": ops})
        refused: list[dict[str, Any]] = []
        while len(refused) < 2:
            frame = await ana.receive()
            refused += [frame] if frame["type"] == "rejected" else []
        assert [frame["op"] for frame in refused] == [op["id"] for op in ops[2:]]
        assert {(frame["code"], frame["next"]) for frame in refused} == {("slow_down", 3)}
        assert all(0 < frame["retryAfterMs"] <= 1001 for frame in refused)


async def test_inv6_a_flood_of_frames_ends_its_own_connection(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """Beyond the burst come warnings, then 4429; another one from the same address beyond the limit is not upgraded."""
    await found("w1")
    limits = {
        "frames_per_second_per_connection": 1, "frame_burst_per_connection": 5, "warnings_per_connection": 1,
        "sockets_per_address": 2,
    }  # fmt: skip
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)) as strict:
        ana, tom = await strict.join("w1", "ana"), await strict.join("w1", "tom")
        with pytest.raises(WSServerHandshakeError) as refused:
            await strict.connect()
        assert refused.value.status == 429
        for _ in range(8):
            await ana.send({"type": "ping"})
        told: list[dict[str, Any]] = []
        while len(told) < 2:
            # The ping that met the limit is answered after the pause; the next one is one too many.
            frame = await ana.receive()
            told += [frame] if frame["type"] == "error" else []
        assert {(each["code"], each["limit"], each["value"]) for each in told} == {
            ("slow_down", "framesPerSecondPerConnection", 1)
        }
        assert all(each["retryAfterMs"] > 0 for each in told)
        assert await ana.closed_with() == 4429
        await tom.event_of(await tom.insert_task("cake"))
        await eventually(lambda: strict.gateway.hub.open_sockets == 1, "the flood is over")
        await strict.join("w1", "ana")
