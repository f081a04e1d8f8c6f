"""The conflict inbox over HTTP: what one may read of it, answers one by one and many at once, and what an op says it has met."""

from typing import Any

import pytest

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.http_api import HttpApi, is_problem

pytestmark = pytest.mark.servers


async def disagree(ana: HttpApi, pia: HttpApi, field: str, values: tuple[Any, Any], item: str = "b1") -> list[str]:
    """Let two write one field of a budget row, each having seen it as it was inserted; returns the conflicts of the second."""
    inserted = await ana.submit("budget_change", "insert", "budget", item, {"item": "Flowers", field: 1})
    base = {"base": inserted.body["sequences"]}
    await pia.submit("budget_change", "update", "budget", item, {field: values[0]}, **base)
    second = await ana.submit("budget_change", "update", "budget", item, {field: values[1]}, **base)
    conflicts: list[str] = second.body["conflicts"]
    return conflicts


async def test_conflicts_are_read_filtered_and_answered(stack: RunningGateway, found: FoundWedding) -> None:
    """An op names the conflicts it met; whoever reads the item reads them, and an answer shows at once."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    await ana.submit("permission_update", "insert", "people", "pia", {"name": "Pia", "role": "planner"})
    pia = HttpApi(stack, "w1", "pia")
    [decided] = await disagree(ana, pia, "estimate", (200, 300))
    [waiting] = await disagree(ana, pia, "deposit", (20, 30), item="b2")
    answer = (await ana.get("conflicts")).body
    assert ([each["id"] for each in answer["conflicts"]], answer["more"]) == ([waiting, decided], False)
    [record] = (await pia.get("conflicts", "?status=open")).body["conflicts"]
    assert (record["id"], record["first"]["value"], record["second"]["value"], record["default"]) == (waiting, 20, 30, "second")
    assert (await tom.get("conflicts")).body["conflicts"] == []
    page = (await ana.get("conflicts", "?limit=1")).body
    assert [each["id"] for each in page["conflicts"]] == [waiting]
    rest = (await ana.get("conflicts", f"?limit=1&cursor={page['cursor']}")).body
    assert ([each["id"] for each in rest["conflicts"]], rest["more"]) == ([decided], False)
    path = f"/api/collaboration/conflicts/w1/{waiting}"
    assert is_problem(await pia.call("POST", path, {"action": "resolve", "choice": "first"}), 403, "not_allowed")
    assert is_problem(await tom.call("POST", path, {"action": "resolve", "choice": "first"}), 404, "not_found")
    assert (await ana.call("POST", path, {"action": "resolve", "choice": "value", "value": 25})).status == 200
    assert is_problem(await ana.call("POST", path, {"action": "resolve", "choice": "first"}), 409, "conflict_closed")
    metrics = (await ana.call("GET", "/metrics")).text
    assert 'wedsync_gateway_conflicts_total{strategy="manual_review"} 1.0' in metrics
    [record] = (await ana.get("conflicts", "?field=deposit&status=closed")).body["conflicts"]
    assert (record["status"], record["outcome"], record["answer"]["user"]) == ("resolved", "value", "ana")


async def test_many_conflicts_are_answered_at_once(stack: RunningGateway, found: FoundWedding) -> None:
    """Each answer has its own result, in order, and one that fails keeps none of the others back."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    await ana.submit("permission_update", "insert", "people", "pia", {"name": "Pia", "role": "planner"})
    pia = HttpApi(stack, "w1", "pia")
    met = [conflict for item in ("b1", "b2") for conflict in await disagree(ana, pia, "deposit", (20, 30), item=item)]
    answers = [{"conflict": met[0], "action": "resolve", "choice": "second"}, {"conflict": "c-nothing", "action": "reverse"}]
    answers.append({"conflict": met[1], "action": "resolve", "choice": "first"})
    results = (await ana.post("conflicts", {"answers": answers})).body["results"]
    assert [result.get("code") for result in results] == [None, "not_found", None]
    assert (await ana.get("conflicts", "?status=open")).body["conflicts"] == []
    assert is_problem(await ana.post("conflicts", {"answers": [{"conflict": met[0], "action": "forget"}]}), 400, "bad_frame")
    assert is_problem(await ana.get("conflicts", "?status=some"), 422, "bad_value")
