"""Ops that wait for others, through log, outbox and gateway: not answered while they wait, decided once, seen by everybody."""

import pytest

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.http_api import op_of

pytestmark = pytest.mark.servers


async def test_an_op_is_answered_when_what_it_waits_for_has_come(stack: RunningGateway, found: FoundWedding) -> None:
    """Its author hears `saved`, then nothing until its event; later ops of the same client are answered meanwhile."""
    await found("w1")
    ana, ben = await stack.join("w1", "ana", "20261122-anas"), await stack.join("w1", "ben", "20261122-bens")
    late = op_of("task_completion", "insert", "tasks", "late", {"title": "late"}, id="20261122-bens:1")
    await ben.send({"type": "collaboration_event", "op": {**late, "dependencies": ["20261122-anas:1"]}})
    await ben.send(
        {
            "type": "collaboration_event",
            "op": op_of("task_completion", "insert", "tasks", "b", {"title": "b"}, id="20261122-bens:2"),
        }
    )
    assert (await ben.expect("collaboration_event"))["events"][0]["id"] == "20261122-bens:2"
    await ana.send(
        {
            "type": "collaboration_event",
            "op": op_of("task_completion", "insert", "tasks", "a", {"title": "a"}, id="20261122-anas:1"),
        }
    )
    seen = [(await ben.expect("collaboration_event"))["events"][0]["id"] for _ in range(2)]
    assert seen == ["20261122-anas:1", "20261122-bens:1"]
    again = await stack.join("w1", "ben", "20261122-bens")
    await again.send({"type": "collaboration_event", "op": late})
    await again.expect("applied", op="20261122-bens:1")
