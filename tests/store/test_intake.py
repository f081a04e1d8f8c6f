"""Draining the intake: one gateway at a time, nothing lost when it goes, each author bounded by a quota (design D10)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import msgspec
import pytest

from config.settings import Settings
from store import intake, streams
from store.bus import Bus, Message
from store.intake import IntakeConsumer, IntakeMessage
from store.postgres import Database
from tests.store.conftest import Heard, OpenBus
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
SUBJECT = "wedding.w1.op.operator"


class Taken:
    """What one gateway took, acknowledged as the test says."""

    def __init__(self, verdict: Callable[[IntakeMessage], Awaitable[None]]) -> None:
        self.messages: list[IntakeMessage] = []
        self._verdict = verdict

    async def __call__(self, message: IntakeMessage) -> None:
        self.messages.append(message)
        await self._verdict(message)

    @property
    def sequences(self) -> list[int]:
        return [message.sequence for message in self.messages]


async def leave(_message: IntakeMessage) -> None:
    """Neither acknowledge nor refuse."""


@pytest.fixture
async def operator(jetstream: NatsServer, open_bus: OpenBus, database: Database, settings: Settings) -> Bus:
    """Somebody who may publish ops to the intake, with a quota of 50."""
    limits = settings.limits.model_copy(update={"intake_waiting_per_principal": 50})
    await streams.provision(await open_bus(jetstream), database, settings.model_copy(update={"limits": limits}))
    return await open_bus(jetstream, "operator")


Start = Callable[..., Awaitable[IntakeConsumer]]


@pytest.fixture
async def start(jetstream: NatsServer, open_bus: OpenBus) -> AsyncIterator[Start]:
    """Starts consumers, each on a gateway's bus of its own, and stops them after the test."""
    started = []

    async def start_one(taken: Taken, batch: int = 20) -> IntakeConsumer:
        consumer = IntakeConsumer(await open_bus(jetstream, "gateway"), taken, batch=batch)
        started.append(consumer)
        await consumer.start()
        return consumer

    yield start_one
    for consumer in started:
        await consumer.stop()


async def waiting(bus: Bus) -> int:
    return int((await bus.js_request("STREAM.INFO.INTAKE"))["state"]["messages"])


async def put(bus: Bus, payload: bytes, subject: str = SUBJECT) -> None:
    """Publish as an integrator does who waits for the acknowledgement."""
    assert b"error" not in await bus.request(subject, payload, timeout_seconds=5)


async def empty(bus: Bus) -> bool:
    return await waiting(bus) == 0


async def test_d10_a_message_tells_author_wedding_and_nothing_else_of_its_headers(operator: Bus, start: Start) -> None:
    """Identity comes from the subject, the op's id from the one header that is ours, the rest of the headers stops here."""
    taken = Taken(IntakeMessage.ack)
    await start(taken)
    await operator.publish(SUBJECT, b"{}", headers={"Wedsync-Op-Id": "my-7", "Nats-Msg-Id": "x", "Trace": "y"})
    await put(operator, b"[]", "wedding.w2.op.import")
    await eventually(lambda: len(taken.messages) == 2)
    first, second = taken.messages
    assert (first.principal, first.wedding, first.sequence, first.op_id_header, first.data) == (
        "operator",
        "w1",
        1,
        "my-7",
        b"{}",
    )
    assert (second.principal, second.wedding, second.sequence, second.op_id_header) == ("import", "w2", 2, None)
    assert not hasattr(first, "headers")
    await eventually(lambda: empty(operator))


async def test_d10_an_author_cannot_forge_a_pin_by_a_block_without_an_end(
    jetstream: NatsServer, operator: Bus, start: Start
) -> None:
    """The server cuts two bytes off a header block and adds its pin: deliveries do not begin anew for what stood before."""
    taken = Taken(leave)
    await start(taken)
    client = await jetstream.connect("operator")
    for number, block in enumerate([b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nNats-Pin-Id: forged\r\nXab", b"NATS/1.0\r\n\r\n"]):
        await client._send_command(b"HPUB %s %d %d\r\n%sop\r\n" % (SUBJECT.encode(), len(block), len(block) + 2, block))
        await client.flush()
        await eventually(lambda: number + 1 in taken.sequences)  # noqa: B023  # awaited at once
    await client.close()
    assert taken.sequences == [1, 2, 3]


async def test_many_messages_come_once_in_order_across_requests(operator: Bus, start: Start) -> None:
    """More messages than one request asks for are all delivered, in order, and taken out of the queue."""
    taken = Taken(IntakeMessage.ack)
    await start(taken, batch=7)
    for number in range(45):
        await put(operator, b"%d" % number)
    await eventually(lambda: empty(operator))
    assert [int(message.data) for message in taken.messages] == list(range(45))


async def test_d10_only_one_gateway_at_a_time_drains(operator: Bus, start: Start) -> None:
    """While one gateway is pinned the other gets nothing; when it stops, the other goes on at once."""
    first, second = Taken(IntakeMessage.ack), Taken(IntakeMessage.ack)
    pinned = await start(first)
    await put(operator, b"0")
    await eventually(lambda: first.messages)
    await start(second)
    for number in range(1, 20):
        await put(operator, b"%d" % number)
    await eventually(lambda: empty(operator))
    assert (len(first.messages), second.messages) == (20, [])
    await pinned.stop()
    await put(operator, b"20")
    await eventually(lambda: second.sequences == [21])


async def test_d10_what_was_not_acknowledged_comes_again_elsewhere(
    operator: Bus, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that dies with messages in hand leaves them to the next one, under the same sequences."""
    monkeypatch.setattr(intake, "ACK_WAIT_SECONDS", 1)
    first, second = Taken(leave), Taken(IntakeMessage.ack)
    dying = await start(first)
    for number in range(3):
        await put(operator, b"%d" % number)
    await eventually(lambda: first.sequences == [1, 2, 3])
    await dying.stop()
    await start(second)
    await eventually(lambda: empty(operator))
    assert second.sequences == [1, 2, 3]


async def test_a_refused_message_leaves_the_queue(operator: Bus, start: Start) -> None:
    """What will never be taken is not delivered again."""
    taken = Taken(IntakeMessage.term)
    await start(taken)
    await put(operator, b"bad")
    await eventually(lambda: empty(operator))
    assert taken.sequences == [1]


async def test_d10_a_take_over_begins_with_what_was_left(operator: Bus, start: Start) -> None:
    """The ops that a dead gateway had in hand come before the later ones, although their time is not over (design D10)."""
    first, second = Taken(leave), Taken(IntakeMessage.ack)
    dying = await start(first)
    for number in range(3):
        await put(operator, b"%d" % number)
    await eventually(lambda: first.sequences == [1, 2, 3])
    await dying.stop()
    for number in range(3, 6):
        await put(operator, b"%d" % number)
    await start(second)
    await eventually(lambda: empty(operator))
    assert second.sequences == [1, 2, 3, 4, 5, 6]


async def test_d10_an_idle_gateway_stays_pinned(operator: Bus, start: Start) -> None:
    """Requests that run out without an op do not hand the turn over: nothing is delivered twice."""
    taken = Taken(leave)
    consumer = await start(taken)
    await put(operator, b"0")
    await eventually(lambda: taken.sequences == [1])
    asked = consumer._pull
    await eventually(lambda: consumer._pull >= asked + 3)
    await put(operator, b"1")
    await eventually(lambda: taken.sequences == [1, 2])


async def test_d10_a_full_quota_hurts_its_author_alone(operator: Bus) -> None:
    """The op that is over an author's quota is refused with a code; another author's op is taken."""
    answers = Heard()
    inbox = operator.new_inbox() + ".acks"
    await operator.subscribe(inbox, answers)
    for _ in range(51):
        await operator.publish(SUBJECT, b"{}", reply=inbox)
    await operator.publish("wedding.w1.op.import", b"{}", reply=inbox)
    await eventually(lambda: len(answers.messages) == 52)
    refused = [msgspec.json.decode(payload).get("error") for payload in answers.payloads]
    assert [error["err_code"] for error in refused if error] == [10077]
    assert refused[51] is None


async def test_a_deleted_consumer_is_made_anew(operator: Bus, start: Start, jetstream: NatsServer, open_bus: OpenBus) -> None:
    """When somebody deletes the durable consumer, the gateway makes it again and goes on."""
    taken = Taken(IntakeMessage.ack)
    await start(taken)
    host = await open_bus(jetstream)
    await host.js_request(f"CONSUMER.DELETE.INTAKE.{intake.DURABLE}")
    await put(operator, b"0")
    await eventually(lambda: taken.sequences == [1])


async def test_d10_sequences_of_another_intake_are_told_apart(
    operator: Bus, start: Start, jetstream: NatsServer, open_bus: OpenBus, database: Database, settings: Settings
) -> None:
    """A stream that was lost and made again counts from 1 again; messages name the creation of the stream that they are in."""
    taken = Taken(IntakeMessage.ack)
    await start(taken)
    await put(operator, b"{}")
    await eventually(lambda: taken.sequences == [1], "the first message")
    host = await open_bus(jetstream)
    first = await created_seconds(host)
    await host.js_request("STREAM.DELETE.INTAKE")
    while await provisioned_seconds(host, database, settings) == first:
        await host.js_request("STREAM.DELETE.INTAKE")
    await put(operator, b"{}")
    await eventually(lambda: taken.sequences == [1, 1], "the first message of the other stream")
    assert [message.stream_created_seconds for message in taken.messages] == [first, await created_seconds(host)]


async def created_seconds(bus: Bus) -> int:
    created = (await bus.js_request("STREAM.INFO.INTAKE"))["created"]
    return int(datetime.fromisoformat(created[:19] + "+00:00").timestamp())


async def provisioned_seconds(bus: Bus, database: Database, settings: Settings) -> int:
    """Make the streams and return when INTAKE was made."""
    await streams.provision(bus, database, settings)
    return await created_seconds(bus)


async def test_draining_goes_on_after_kill_9_of_nats_server(
    own_nats: NatsServer, open_bus: OpenBus, database: Database, settings: Settings
) -> None:
    """The durable consumer survives the server's death and the gateway finds it again."""
    host = await open_bus(own_nats)
    await streams.provision(host, database, settings)
    operator, gateway = await open_bus(own_nats, "operator"), await open_bus(own_nats, "gateway")
    back = [asyncio.Event() for _ in (operator, gateway, host)]
    for bus, event in zip((operator, gateway, host), back, strict=True):
        bus.on_reconnect.append(event.set)
    taken = Taken(IntakeMessage.ack)
    consumer = IntakeConsumer(gateway, taken)
    await consumer.start()
    await put(operator, b"0")
    await eventually(lambda: empty(host))
    own_nats.server.kill()
    own_nats.server.start()
    for event in back:
        await event.wait()
    await put(operator, b"1")
    await eventually(lambda: taken.sequences[-1:] == [2])
    await consumer.stop()


async def test_a_handler_that_raises_loses_nothing(operator: Bus, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op whose handling failed stays in the queue and is delivered again; others go on."""
    monkeypatch.setattr(intake, "ACK_WAIT_SECONDS", 1)
    seen: list[bytes] = []

    async def fails_once(message: IntakeMessage) -> None:
        seen.append(message.data)
        if seen == [b"a"]:
            raise RuntimeError("fault")
        await message.ack()

    await start(Taken(fails_once))
    await put(operator, b"a")
    await put(operator, b"b")
    await eventually(lambda: empty(operator))
    assert b"b" in seen
    assert seen.count(b"a") > 1


def test_both_forms_of_the_acknowledgement_subject_are_read() -> None:
    """The newer form of the server, with domain and account in front, gives the same sequence."""

    def sequence(reply: str) -> int:
        return IntakeMessage(None, Message(SUBJECT, b"", reply, None), 0).sequence  # type: ignore[arg-type]  # nothing is sent

    assert sequence("$JS.ACK.INTAKE.intake.1.42.7.1795362043000000000.3") == 42
    assert sequence("$JS.ACK._.hash.INTAKE.intake.1.42.7.1795362043000000000.3.token") == 42
