"""A booking as people at the entrances see it (rule V1), and that nobody there speaks as an actor (design D6, D10)."""

from collections.abc import AsyncIterator
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client

from tests.gateway.conftest import FoundWedding
from tests.gateway.test_intake import founder, messages_in
from tests.support.correspondence import HOURS
from tests.support.gateways import RunningGateway, running_stack, token_of
from tests.support.http_api import HttpApi, is_problem, op_of
from tests.support.integrators import callout_settings, integrator
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
VENDOR: dict[str, Any] = {"name": "Bloom", "account": "bloom"} | HOURS
ACTORS = pytest.mark.parametrize("principal", ["_v-bloom", "_w-w2"])


@pytest.fixture
async def stack(jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """A host and a gateway that admits integrators."""
    async with running_stack(jetstream, database_url, **callout_settings(jetstream)) as gateway:
        yield gateway


async def test_v1_a_booking_arrives_as_an_event(stack: RunningGateway, found: FoundWedding) -> None:
    """The op says `asked` to everybody on the team, and a moment later an event of the supplier's says what became of it."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    op = await ana.submit(ana.next_op("vendor_assignment", "insert", "vendors", "flora", **VENDOR))
    for talker in (ana, tom):
        asked = (await talker.event_of(op))["events"][0]
        assert asked["data"]["changes"][0]["insert"]["booking"] == "asked"
        answered = (await talker.expect("collaboration_event"))["events"][0]
        assert (answered["userId"], answered["channel"], answered["sequence"]) == ("_v-bloom", "vendors.team", 2)
        assert answered["data"]["changes"] == [{"collection": "vendors", "id": "flora", "set": {"booking": "confirmed"}}]


async def test_v1_who_took_a_supplier_in_can_undo_that_after_the_answer(stack: RunningGateway, found: FoundWedding) -> None:
    """The owner proposes to take the row away, and names nobody who would have written there since."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    op = await ana.submit(ana.next_op("vendor_assignment", "insert", "vendors", "flora", **VENDOR))
    await ana.event_of(op)
    await ana.expect("collaboration_event")
    answer = (await HttpApi(stack, "w1", "ana").post("undo", {"op": op})).body
    assert ([set(each["sequences"]) for each in answer["undone"]], answer["kept"]) == ([{"vendors.team"}], [])


async def test_v1_an_op_that_names_a_booking_never_reaches_the_log(stack: RunningGateway, found: FoundWedding) -> None:
    """`booking` is refused at once, over the socket and over HTTP, and the number stays free."""
    await found("w1")
    tom = await stack.join("w1", "tom")
    op = await tom.submit(tom.next_op("vendor_assignment", "insert", "vendors", "flora", **VENDOR, booking="confirmed"))
    await tom.expect("rejected", op=op, code="bad_value", next=1)
    answer = await HttpApi(stack, "w1", "ana").submit(
        "vendor_assignment", "insert", "vendors", "flora", VENDOR | {"booking": "confirmed"}
    )
    assert is_problem(answer, 422, "bad_value"), answer


@ACTORS
async def test_d6_no_socket_and_no_request_speaks_as_an_actor(stack: RunningGateway, found: FoundWedding, principal: str) -> None:
    """A token under an actor's name is none, even with our own signature."""
    await found("w1")
    talker = await stack.connect()
    await talker.hello("w1", principal)
    await talker.expect("error", code="bad_token")
    assert await talker.closed_with() == 4401
    answer = await HttpApi(stack, "w1", "ana", token_of(principal, "w1")).submit("task_completion", "insert", "tasks", "t")
    assert is_problem(answer, 401, "bad_token")


@ACTORS
async def test_d6_no_integrator_speaks_as_an_actor(stack: RunningGateway, jetstream: NatsServer, principal: str) -> None:
    """NATS lets nobody in under an actor's name, and no integrator publish under it."""
    await founder(stack)
    client, token = Client(), token_of(principal, "w1", use="nats")
    with pytest.raises(nats.errors.Error):
        await client.connect(f"nats://{principal}:{token}@127.0.0.1:{jetstream.port}", allow_reconnect=False)
    await client.close()
    async with integrator(jetstream, "w1", "bot") as bot:
        bot.subject = f"wedding.w1.op.{principal}"
        await bot.publish(op_of("task_completion", "insert", "tasks", "t", {"title": "Forged"}))
        await eventually(lambda: any("permissions violation" in error for error in bot.errors), "the server refuses it")
    assert await messages_in(jetstream, "INTAKE") == 0
