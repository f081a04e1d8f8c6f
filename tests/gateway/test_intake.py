"""Integrators over NATS: ops in their order, typed outcomes, dead letters, and headers that nobody else notices (design D10)."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from store.intake import IntakeConsumer, IntakeMessage
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, running_stack
from tests.support.hosts import host_settings, running_bus, running_host
from tests.support.http_api import HttpApi, op_of
from tests.support.integrators import Integrator, callout_settings, integrator
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture
async def stack(jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """A host and a gateway that admits integrators."""
    async with running_stack(jetstream, database_url, **callout_settings(jetstream)) as gateway:
        yield gateway


@pytest.fixture
async def ana(stack: RunningGateway) -> HttpApi:
    """The founder of w1."""
    return await founder(stack)


async def founder(gateway: RunningGateway) -> HttpApi:
    """Found w1 with two integrators as members: bot and crm."""
    ana = HttpApi(gateway, "w1", "ana")
    assert (await ana.found_wedding()).status == 201
    for name in ("bot", "crm"):
        await ana.submit("permission_update", "insert", "people", name, {"name": name, "role": "vendor"})
        assert (await ana.submit("permission_update", "insert", "permissions", name, {"integrator": True})).status == 200
    return ana


@pytest.fixture
async def bot(jetstream: NatsServer, ana: HttpApi) -> AsyncIterator[Integrator]:
    async with integrator(jetstream, "w1", "bot") as connected:
        yield connected


async def tasks_of(api: HttpApi) -> dict[str, Any]:
    """The tasks as they stand."""
    channels = (await api.post("sync", {"channels": {}})).body["channels"]
    state: dict[str, Any] = channels.get("tasks.team", {}).get("state", {}).get("tasks", {})
    return state


async def messages_in(server: NatsServer, stream: str) -> int:
    client = await server.connect("host")
    try:
        return (await client.jetstream().stream_info(stream)).state.messages
    finally:
        await client.close()


async def test_d10_an_integrators_ops_arrive_in_order(
    ana: HttpApi, bot: Integrator, stack: RunningGateway, jetstream: NatsServer
) -> None:
    """Many ops at once are applied in the order of publishing, seen on its feed and by sockets, and leave the queue."""
    talker = await stack.join("w1", "ana")
    await bot.task("insert", "t1", {"title": "0"})
    for number in range(1, 50):
        await bot.task("update", "t1", {"title": str(number)})
    await eventually(lambda: len(bot.events) == 50, "all events on the feed")
    titles = [event["data"]["changes"][0].get("set", event["data"]["changes"][0].get("insert"))["title"] for event in bot.events]
    assert titles == [str(number) for number in range(50)]
    assert {(event["userId"], event["channel"]) for event in bot.events} == {("bot", "tasks.team")}
    seen = [await talker.expect("collaboration_event") for _ in range(50)]
    assert [frame["events"][0]["id"] for frame in seen] == [event["id"] for event in bot.events]
    assert all(event["id"].startswith("intake-") for event in bot.events)
    assert (await tasks_of(ana))["t1"]["title"] == "49"
    await eventually(lambda: _is_empty(jetstream, "INTAKE"), "the queue is empty")
    assert bot.outcomes == []


async def _is_empty(server: NatsServer, stream: str) -> bool:
    return await messages_in(server, stream) == 0


async def test_d10_order_survives_the_death_of_the_gateway_that_drains(jetstream: NatsServer, database_url: str) -> None:
    """Ops that a dead gateway had in hand come before later ones when another gateway takes over."""
    in_hand: list[IntakeMessage] = []

    async def take_and_die(message: IntakeMessage) -> None:
        in_hand.append(message)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_host(host_settings(jetstream, database_url)))
        dying = await stack.enter_async_context(running_bus(jetstream, "gateway"))
        await IntakeConsumer(dying, take_and_die).start()
        settings = gateway_settings(jetstream, database_url, **callout_settings(jetstream))
        gateway = await stack.enter_async_context(running_gateway(settings))
        await founder(gateway)
        bot = await stack.enter_async_context(integrator(jetstream, "w1", "bot"))
        await bot.task("insert", "t1", {"title": "0"})
        await bot.task("update", "t1", {"title": "1"})
        await eventually(lambda: len(in_hand) == 2, "the first gateway has them in hand")
        await dying.close()
        await bot.task("update", "t1", {"title": "2"})
        await eventually(lambda: len(bot.events) == 3, "another gateway has taken over")
        assert _titles(bot, "t1") == ["0", "1", "2"]


async def test_d10_a_named_op_is_taken_once(ana: HttpApi, bot: Integrator) -> None:
    """A repeat under the same Wedsync-Op-Id changes nothing and gets the same answer."""
    for title in ("first", "first", "another"):
        await bot.task("insert", "t1", {"title": title}, Wedsync_Op_Id="order-77")
    await bot.task("update", "t1", {"done": True})
    await eventually(lambda: len(bot.events) == 2, "the update's event")
    assert bot.events[0]["id"] == "order-77"
    assert (await tasks_of(ana))["t1"]["title"] == "first"


#: What is sent, its headers, and the code of the outcome.
BAD_PAYLOADS: list[tuple[Any, dict[str, str], str]] = [
    (b"not json", {}, "bad_frame"),
    (b"[1, 2]", {}, "bad_frame"),
    (b"\xff\xfe\x00", {}, "bad_frame"),
    (b'{"type":"task_completion","padding":' + b"[" * 2000 + b"]" * 2000 + b"}", {}, "bad_frame"),
    ({"type": "oops"}, {}, "unknown_type"),
    ({"type": "task_completion"}, {}, "bad_frame"),
    (op_of("recipe_update", "insert", "recipes", "r1", {}), {}, "unknown_type"),
    (op_of("task_completion", "insert", "budget", "b1", {}), {}, "type_mismatch"),
    (op_of("task_completion", "insert", "tasks", "a.*.b", {}), {}, "bad_id"),
    (op_of("task_completion", "insert", "tasks", "t1", {"title": 1}), {}, "bad_value"),
    (op_of("message_sent", "insert", "messages", "m1", {"text": "x" * 70_000}), {}, "too_large"),
    (op_of("task_completion", "delete", "tasks", "t1", id="20261122-abcd:1"), {}, "bad_id"),
    (op_of("task_completion", "delete", "tasks", "t1"), {"Wedsync_Op_Id": "*"}, "bad_id"),
    ({"type": "presence_change", "data": {"section": "kitchen"}}, {}, "bad_value"),
]


async def test_i4_bad_payloads_get_a_typed_outcome_and_lie_in_dead(ana: HttpApi, bot: Integrator, jetstream: NatsServer) -> None:
    """Each is told to its author with code and remedy, kept for operators under its code, and stored nowhere else."""
    stored_before = await messages_in(jetstream, "LOG_0")
    for number, (payload, headers, code) in enumerate(BAD_PAYLOADS, 1):
        await bot.publish(payload, **headers)
        await eventually(lambda: len(bot.outcomes) >= number, f"the outcome of {payload!r:.60}")  # noqa: B023  # awaited at once
        assert (bot.outcomes[-1]["type"], bot.outcomes[-1]["code"]) == ("rejected", code), payload
        assert bot.outcomes[-1]["remedy"]
        assert bot.outcomes[-1]["op"]
    await eventually(lambda: _is_empty(jetstream, "INTAKE"), "the queue is empty")
    assert await messages_in(jetstream, "LOG_0") == stored_before
    client = await jetstream.connect("host")
    subjects = (await client.jetstream().stream_info("DEAD", subjects_filter="wedsync.dead.>")).state.subjects or {}
    letter = json.loads((await client.jetstream().get_msg("DEAD", 1)).data or b"")
    await client.close()
    assert sum(subjects.values()) == len(BAD_PAYLOADS)
    assert set(subjects) == {f"wedsync.dead.{code}" for _, _, code in BAD_PAYLOADS}
    assert (letter["subject"], letter["op"]) == ("wedding.w1.op.bot", "not json")


async def test_d10_what_the_rules_refuse_is_told_too(ana: HttpApi, bot: Integrator, jetstream: NatsServer) -> None:
    """A refusal of the wedding itself comes on the same subject; so does that there is no such wedding."""
    await bot.task("update", "nothing", {"title": "x"})
    assert (await bot.outcome("not_found"))["type"] == "rejected"
    async with integrator(jetstream, "nowhere", "bot") as lost:
        await lost.task("insert", "t1", {"title": "x"})
        assert (await lost.outcome("wedding_unknown"))["type"] == "rejected"


async def test_d9_presence_over_nats_becomes_presence(ana: HttpApi, bot: Integrator, jetstream: NatsServer) -> None:
    """An integrator's presence_change is seen, masked like any other, and is not in the log."""
    stored_before = await messages_in(jetstream, "LOG_0")
    await bot.publish({"type": "presence_change", "data": {"status": "busy", "section": "timeline.team"}})
    await eventually(lambda: _sees(ana, "bot", "timeline.team"), "ana sees the bot")
    assert await messages_in(jetstream, "LOG_0") == stored_before
    assert bot.outcomes == []


async def _sees(api: HttpApi, user: str, section: str) -> bool:
    presence = (await api.get("presence")).body["presence"]
    return bool(presence.get(user, {}).get("section") == section)


NATS_HEADERS = [
    {"Nats-Msg-Id": "dup"},
    {"Nats-Expected-Stream": "LOG_0"},
    {"Nats-Expected-Last-Sequence": "4711"},
    {"Nats-Expected-Last-Subject-Sequence": "4711"},
    {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Expected-Last-Subject-Sequence-Subject": "wedding.>"},
    {"Nats-Expected-Last-Msg-Id": "someone"},
    {"Nats-Rollup": "all"},
    {"Nats-Rollup": "sub"},
    {"Nats-TTL": "1s"},
    {"Nats-TTL": "never"},
    {"Nats-Batch-Id": "mine", "Nats-Batch-Sequence": "1"},
    {"Nats-Batch-Id": "mine", "Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"},
    {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "wedding.w1.op.crm"},
    {"Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": "log.r0.1.w.w1.ana", "Nats-Schedule-TTL": "5m"},
    {"Nats-Scheduler": "wedding.w1.op.crm", "Nats-Schedule-Next": "purge"},
    {"Nats-Incr": "+5"},
    {"Nats-Counter-Sources": "{}"},
    {"Nats-Marker-Reason": "Purge"},
    {"Nats-Stream-Source": "LOG_0 1 > > log.>"},
    {"Nats-Required-Api-Level": "99"},
    {"Nats-Pin-Id": "forged"},
    {"Nats-Trace-Dest": "log.r0.1.w.w1.ana", "Nats-Trace-Only": "true"},
    {"Nats-Service-Error": "no", "Nats-Service-Error-Code": "500"},
    {"Nats-Sequence": "1", "Nats-Stream": "LOG_0", "Nats-Subject": "log.r0.1.w.w1.ana"},
    {"Status": "100", "Description": "Idle Heartbeat"},
    {"Status": "409", "Description": "Consumer Deleted"},
]  # fmt: skip


async def test_d10_no_header_of_an_integrator_is_noticed_by_anybody_else(
    ana: HttpApi, bot: Integrator, jetstream: NatsServer
) -> None:
    """With every `Nats-*` header its op is taken or refused for itself; other integrators and people go on, nothing is lost."""
    async with integrator(jetstream, "w1", "crm") as crm:
        await ana.submit("task_completion", "insert", "tasks", "people", {"title": "0"})
        await crm.task("insert", "crm", {"title": "0"})
        await eventually(lambda: len(crm.events) == 2, "both are heard")
        for number, headers in enumerate(NATS_HEADERS, 1):
            await crm.task("update", "crm", {"title": f"before {number}"})
            await bot.task("insert", f"bot-{number}", {"title": "with headers"}, **headers)
            await crm.task("update", "crm", {"title": str(number)})
            answer = await ana.submit("task_completion", "update", "tasks", "people", {"title": str(number)})
            assert answer.status == 200, headers
            await eventually(
                lambda: _titles(crm, "crm")[-2:] == [f"before {number}", str(number)],  # noqa: B023  # awaited at once
                f"crm's ops after {headers}",
            )
        assert crm.outcomes == []
        await eventually(lambda: _is_empty(jetstream, "INTAKE"), "nothing is left in the queue, no schedule either")
        assert _titles(crm, "people") == [str(number) for number in range(len(NATS_HEADERS) + 1)]
    await _no_header_in_the_log(jetstream)


def _titles(listener: Integrator, task: str) -> list[str]:
    changes = [change for event in listener.events for change in event["data"]["changes"] if change["id"] == task]
    return [change.get("set", change.get("insert"))["title"] for change in changes]


async def _no_header_in_the_log(server: NatsServer) -> None:
    """Only the batch headers of our own group commit may stand there."""
    client = await server.connect("host")
    stream = client.jetstream()
    state = (await stream.stream_info("LOG_0")).state
    assert state.num_deleted in (0, None)
    for sequence in range(state.first_seq, state.last_seq + 1):
        headers = (await stream.get_msg("LOG_0", sequence)).headers or {}
        assert all(name.startswith("Nats-Batch-") for name in headers), headers
    await client.close()
