"""The conversation of design section 4 over a bare WebSocket, with a real log, host and database behind it."""

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway


async def test_d5_an_edit_is_saved_and_reaches_everybody_who_may_read_it(stack: RunningGateway, found: FoundWedding) -> None:
    """The author gets saved and the event, another reader gets the same event, a guest gets nothing of it."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    tom = await stack.join("w1", "tom")
    gia = await stack.join("w1", "gia")
    op = await ana.insert_task("cake", "Order the cake")
    frame = await tom.event_of(op)
    [event] = frame["events"]
    assert event["channel"] == "tasks.team"
    assert event["sequence"] == 1
    assert event["data"] == {"changes": [{"collection": "tasks", "id": "cake", "insert": event["data"]["changes"][0]["insert"]}]}
    assert (await ana.event_of(op))["events"] == [event]
    await gia.send({"type": "ping"})
    await gia.expect("pong")
