"""Rights as data, seen from outside: one rule at every entrance, and effective at once on open sockets and feeds (D4, INV5)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateways import RunningGateway, running_stack
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
    """The founder of w1, with `bot`, a supplier who is an integrator, and a task and a row of the budget."""
    ana = HttpApi(stack, "w1", "ana")
    assert (await ana.found_wedding()).status == 201
    for kind, collection, identifier, data in (
        ("permission_update", "people", "bot", {"name": "Bot", "role": "vendor"}),
        ("permission_update", "permissions", "bot", {"integrator": True}),
        ("task_completion", "tasks", "rings", {"title": "Rings"}),
        ("budget_change", "budget", "dress", {"item": "Dress"}),
        ("timeline_update", "timeline", "dinner", {"title": "Dinner", "visibility": "everyone"}),
    ):
        assert (await ana.submit(kind, "insert", collection, identifier, data)).status == 200
    return ana


@pytest.fixture
async def bot(jetstream: NatsServer, ana: HttpApi) -> AsyncIterator[Integrator]:
    async with integrator(jetstream, "w1", "bot") as connected:
        yield connected


_REFUSED: list[tuple[dict[str, Any], str]] = [
    (op_of("permission_update", "insert", "permissions", "role-vendor", {"read": ["budget"]}), "not_allowed"),
    (op_of("permission_update", "update", "permissions", "bot", {"read": ["budget"]}), "not_found"),
    (op_of("permission_update", "update", "people", "bot", {"role": "planner"}), "not_allowed"),
    (op_of("budget_change", "update", "budget", "dress", {"actual": 1}), "not_found"),
    (op_of("task_completion", "delete", "tasks", "rings"), "not_allowed"),
    (op_of("timeline_update", "update", "timeline", "dinner", {"title": "Supper"}), "not_allowed"),
    (op_of("document_edit", "insert", "documents", "note", {"title": "x", "audience": "private-ana"}), "not_allowed"),
    (op_of("document_edit", "insert", "documents", "note", {"title": "x", "audience": "surprise-nobody"}), "bad_value"),
]


async def test_d4_the_same_refusal_comes_over_every_entrance(stack: RunningGateway, ana: HttpApi, bot: Integrator) -> None:
    """A socket, HTTP and NATS hear the same code, message and remedy, since one rule in the fold decides."""
    http, talker = HttpApi(stack, "w1", "bot"), await stack.join("w1", "bot")

    def told() -> list[dict[str, Any]]:
        return [outcome for outcome in bot.outcomes if outcome["op"] == f"refused-{number}"]

    for number, (op, code) in enumerate(_REFUSED, 1):
        problem = (await http.post("events", op)).body
        await talker.submit(op | {"id": f"{talker.client}:{number}"})
        rejected = await talker.expect("rejected")
        await bot.publish(op, Wedsync_Op_Id=f"refused-{number}")
        outcome = (await eventually(told, "the outcome over NATS"))[0]
        assert {rejected["code"], outcome["code"], problem["code"]} == {code}, op
        assert rejected["message"] == outcome["message"] == problem["detail"]
        assert rejected["remedy"] == outcome["remedy"] == problem["remedy"]
    assert not bot.events


async def test_d4_what_a_wedding_says_of_a_person_is_effective_at_once(
    stack: RunningGateway, ana: HttpApi, bot: Integrator
) -> None:
    """Hidden: withdrawn from the open socket, from the feed, from HTTP. Given back: the state comes, and then events again."""
    http, talker = HttpApi(stack, "w1", "bot"), await stack.join("w1", "bot")
    hide = op_of("permission_update", "update", "permissions", "bot", {"hidden": ["tasks"]})
    assert (await ana.post("events", hide)).status == 200
    await talker.expect("withdrawn", channel="tasks.team")
    assert (await ana.submit("task_completion", "update", "tasks", "rings", {"title": "Secret"})).status == 200
    assert "tasks.team" not in (await http.post("sync", {"channels": {}})).body["channels"]
    assert "Secret" not in (await http.get("history")).text
    assert "-tasks.team" in (await http.get("permissions")).body["mayRead"]
    assert (await http.submit("task_completion", "update", "tasks", "rings", {"done": True})).body["code"] == "not_found"
    give = op_of("permission_update", "update", "permissions", "bot", {"hidden": None, "read": ["budget.core"]})
    assert (await ana.post("events", give)).status == 200
    granted = [await talker.expect("data_sync", mode="snapshot", reason="granted") for _ in range(2)]
    assert {frame["channel"] for frame in granted} == {"tasks.team", "budget.core"}
    assert (await ana.submit("budget_change", "update", "budget", "dress", {"actual": 5})).status == 200
    [event] = (await talker.expect("collaboration_event"))["events"]
    assert (event["channel"], event["data"]["changes"][0]["set"]) == ("budget.core", {"actual": 5})
    await eventually(lambda: bot.events, "the feed has the budget")
    assert [each["channel"] for each in bot.events] == ["budget.core"]


async def test_d4_a_surprise_leaves_the_sight_of_its_person(stack: RunningGateway, ana: HttpApi, bot: Integrator) -> None:
    """What becomes a surprise is removed from its person's copy, and nothing of it comes any more, over any way."""
    http, talker = HttpApi(stack, "w1", "bot"), await stack.join("w1", "bot")
    hide = op_of("task_completion", "update", "tasks", "rings", {"audience": "surprise-bot", "title": "Secret"})
    assert (await ana.post("events", hide)).body["sequences"].keys() == {"tasks.team", "tasks.surprise-bot"}
    [event] = (await talker.expect("collaboration_event"))["events"]
    assert event["data"]["changes"] == [{"collection": "tasks", "id": "rings", "remove": True}]
    assert (await ana.submit("task_completion", "update", "tasks", "rings", {"title": "Secret too"})).status == 200
    assert (await ana.submit("task_completion", "insert", "tasks", "flowers", {"title": "Flowers"})).status == 200
    [event] = (await talker.expect("collaboration_event"))["events"]
    assert event["data"]["changes"][0]["id"] == "flowers"
    await eventually(lambda: len(bot.events) == 2, "both events on the feed")
    for told in ((await http.get("history")).text, (await http.post("sync", {"channels": {}})).text, str(bot.events)):
        assert "Secret" not in told
        assert "surprise" not in told


async def test_d4_a_contributor_sees_the_own_row_and_no_other(stack: RunningGateway, ana: HttpApi, bot: Integrator) -> None:
    """Who pays for one thing sees that row come, change and go to another payer, and nothing else of the budget."""
    talker = await stack.join("w1", "bot")
    assert (await ana.submit("budget_change", "insert", "budget", "arch", {"item": "Arch", "payer": "bot"})).status == 200
    assert (await ana.submit("budget_change", "update", "budget", "dress", {"actual": 7})).status == 200
    assert (await ana.submit("budget_change", "update", "budget", "arch", {"payer": "ana"})).status == 200
    assert (await ana.submit("budget_change", "update", "budget", "arch", {"actual": 9})).status == 200
    frames = [await talker.expect("collaboration_event") for _ in range(2)]
    changes = [event["data"]["changes"][0] for frame in frames for event in frame["events"]]
    assert [("insert" in change, change.get("remove")) for change in changes] == [(True, None), (False, True)]
    await talker.send({"type": "ping"})
    await talker.expect("pong")
    await eventually(lambda: len(bot.events) == 2, "both events on the feed")
    assert {each["channel"] for each in bot.events} == {"budget.payer-bot"}
