"""The bus: what it delivers, how it fails, and that it comes back from every end of a connection."""

import asyncio

import msgspec
import pytest

from actors.contract.calls import Reply
from store.bus import Bus, Message
from store.errors import BadMessage, BusDown, JetStreamError, NoResponder, RequestTimeout, StoreError
from tests.store.conftest import Heard, OpenBus
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
# `actors.>` is a subject that hosts may both publish and hear.
SUBJECT = "actors.r0.1.w.w1.state"


def reply_of(host: str, number: int, *, more: bool) -> bytes:
    return msgspec.json.encode(Reply(host, 1, 10, number, 0, msgspec.Raw(b"{}"), more))


async def test_messages_arrive_in_order_with_reply_and_headers(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """A handler gets every message of its subject in the order of publishing, with reply subject and headers."""
    bus = await open_bus(nats_server)
    await bus.subscribe("actors.>", heard)
    for number in range(100):
        await bus.publish(SUBJECT, b"%d" % number, reply="_INBOX_host.x", headers={"Trace": "7"})
    await eventually(lambda: len(heard.messages) == 100)
    assert heard.payloads == [b"%d" % number for number in range(100)]
    assert heard.messages[0].reply == "_INBOX_host.x"
    assert heard.messages[0].headers == {"Trace": "7"}


async def test_a_handler_that_raises_is_called_again(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """One bad message costs nobody else a message."""
    bus = await open_bus(nats_server)
    seen = []

    async def handler(message: Message) -> None:
        seen.append(message.data)
        if message.data == b"bad":
            raise ValueError("bad")

    await bus.subscribe("actors.>", handler)
    await bus.publish(SUBJECT, b"bad")
    await bus.publish(SUBJECT, b"good")
    await eventually(lambda: seen == [b"bad", b"good"])


async def test_after_unsubscribe_nothing_is_delivered(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """A subscription that ended hears nothing, one beside it does."""
    bus = await open_bus(nats_server)
    other = Heard()
    subscription = await bus.subscribe("actors.>", heard)
    await bus.subscribe("actors.>", other)
    await subscription.unsubscribe()
    await bus.publish(SUBJECT, b"late")
    await eventually(lambda: other.payloads == [b"late"])
    assert heard.messages == []


async def test_members_of_a_queue_share_messages(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """With a queue name each message goes to one of the subscriptions."""
    bus = await open_bus(nats_server)
    await bus.subscribe("actors.>", heard, queue="all")
    await bus.subscribe("actors.>", heard, queue="all")
    for number in range(50):
        await bus.publish(SUBJECT, b"%d" % number)
    await bus.barrier()
    await eventually(lambda: len(heard.messages) >= 50)
    await bus.barrier()
    assert sorted(heard.payloads, key=int) == [b"%d" % number for number in range(50)]


async def test_a_request_gets_its_own_answer(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """Many questions at once get each the answer to itself."""
    bus = await open_bus(nats_server)

    async def answer(message: Message) -> None:
        await bus.publish(message.reply, b"re " + message.data)

    await bus.subscribe("actors.>", answer)
    answers = await asyncio.gather(*(bus.request(SUBJECT, b"%d" % number, timeout_seconds=5) for number in range(20)))
    assert answers == [b"re %d" % number for number in range(20)]


async def test_a_request_without_listener_or_answer_says_so(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """Nobody there is told at once and apart from nobody answering in time."""
    bus = await open_bus(nats_server)
    with pytest.raises(NoResponder):
        await bus.request(SUBJECT, b"", timeout_seconds=5)
    await bus.subscribe("actors.>", heard)
    with pytest.raises(RequestTimeout):
        await bus.request(SUBJECT, b"", timeout_seconds=0.05)


async def test_d2_a_call_keeps_to_the_host_that_answers_first(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """The chunks of two hosts that answer at once are never mixed (design D2)."""
    bus = await open_bus(nats_server)

    async def two_owners(message: Message) -> None:
        for host, number, more in (("a", 1, True), ("b", 1, False), ("a", 2, True), ("b", 2, False), ("a", 3, False)):
            await bus.publish(message.reply, reply_of(host, number, more=more))

    await bus.subscribe("actors.>", two_owners)
    replies = await bus.call(SUBJECT, b"{}", timeout_seconds=5)
    assert [(reply.host, reply.rev) for reply in replies] == [("a", 1), ("a", 2), ("a", 3)]


async def test_a_call_whose_last_chunk_is_missing_times_out(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """Half an answer is no answer."""
    bus = await open_bus(nats_server)

    async def half(message: Message) -> None:
        await bus.publish(message.reply, reply_of("a", 1, more=True))

    await bus.subscribe("actors.>", half)
    with pytest.raises(RequestTimeout):
        await bus.call(SUBJECT, b"{}", timeout_seconds=0.1)


async def test_an_unreadable_answer_is_an_error(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """An owner that answers something else is reported, not waited for."""
    bus = await open_bus(nats_server)

    async def nonsense(message: Message) -> None:
        await bus.publish(message.reply, b"nonsense")

    await bus.subscribe("actors.>", nonsense)
    with pytest.raises(StoreError, match="cannot be read"):
        await bus.call(SUBJECT, b"{}", timeout_seconds=5)


async def test_what_no_server_would_take_is_refused_before_it_is_sent(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """A message too large or with a broken subject is refused and leaves the connection alone."""
    bus = await open_bus(nats_server)
    with pytest.raises(BadMessage):
        await bus.publish(SUBJECT, bytes(2_000_000))
    with pytest.raises(BadMessage):
        await bus.publish("two words", b"")
    await bus.barrier()
    assert bus.connected


async def test_jetstream_errors_carry_the_servers_code(jetstream: NatsServer, open_bus: OpenBus) -> None:
    """A refused JetStream request says which error code the server gave."""
    bus = await open_bus(jetstream)
    with pytest.raises(JetStreamError) as caught:
        await bus.js_request("STREAM.INFO.NONE")
    assert caught.value.err_code == 10059


async def test_after_a_barrier_a_subscription_misses_nothing(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """What others publish after the barrier reaches a subscription made before it."""
    bus, other = await open_bus(nats_server), await open_bus(nats_server)
    for number in range(30):
        await bus.subscribe(f"actors.{number}", heard)
        await bus.barrier()
        await other.publish(f"actors.{number}", b"")
    await eventually(lambda: len(heard.messages) == 30)


async def test_a_wrong_password_is_a_clear_error(
    nats_server: NatsServer, open_bus: OpenBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting gives up after its deadline and names the address, never the password."""
    monkeypatch.setattr("store.connection.CONNECT_WITHIN_SECONDS", 0.3)
    with pytest.raises(BusDown, match="check the address, user and password") as caught:
        await Bus.connect(nats_server.url, user="host", password="wrong-one", name="test", inbox_prefix="_INBOX_host")
    assert "wrong-one" not in str(caught.value)


async def test_d8_nothing_published_while_down_is_sent_later(own_nats: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """While NATS is away publishing fails at once; afterwards subscriptions go on and nothing old comes (design D8)."""
    bus = await open_bus(own_nats)
    await bus.subscribe("actors.>", heard)
    ends: list[str] = []
    bus.on_disconnect.append(lambda: ends.append("down"))
    bus.on_reconnect.append(lambda: ends.append("up"))
    own_nats.server.kill()
    await eventually(lambda: not bus.connected)
    with pytest.raises(BusDown):
        await bus.publish(SUBJECT, b"stale")
    with pytest.raises(BusDown):
        await bus.barrier()
    own_nats.server.start()
    await eventually(lambda: bus.connected)
    await bus.publish(SUBJECT, b"fresh")
    await eventually(lambda: heard.payloads == [b"fresh"])
    assert ends == ["down", "up"]


async def test_a_subscription_made_while_down_works_afterwards(own_nats: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """Who subscribes during an outage hears everything after it."""
    bus = await open_bus(own_nats)
    own_nats.server.kill()
    await eventually(lambda: not bus.connected)
    await bus.subscribe("actors.>", heard)
    own_nats.server.start()
    await eventually(lambda: bus.connected)
    await bus.publish(SUBJECT, b"fresh")
    await eventually(lambda: heard.payloads == [b"fresh"])


async def test_a_question_fails_at_once_when_the_connection_is_lost(
    own_nats: NatsServer, open_bus: OpenBus, heard: Heard
) -> None:
    """Nobody waits out a timeout for an answer that cannot come."""
    bus = await open_bus(own_nats)
    await bus.subscribe("actors.>", heard)
    question = asyncio.create_task(bus.request(SUBJECT, b"", timeout_seconds=3600))
    await eventually(lambda: heard.messages)
    own_nats.server.kill()
    with pytest.raises(BusDown):
        await question


async def test_a_handler_is_not_cancelled_by_a_reconnect(own_nats: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """What a handler has begun it ends, whatever happens to the connection."""
    bus = await open_bus(own_nats)
    begun, go_on, ended, back = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    bus.on_reconnect.append(back.set)

    async def handler(_message: Message) -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    await bus.subscribe("actors.>", handler)
    await bus.publish(SUBJECT, b"")
    await begun.wait()
    own_nats.server.kill()
    own_nats.server.start()
    await back.wait()
    go_on.set()
    await eventually(ended.is_set)


async def test_an_error_that_closes_the_client_for_ever_is_survived(
    own_nats: NatsServer, open_bus: OpenBus, heard: Heard
) -> None:
    """After an -ERR that nats-py never recovers from, the bus is back with its subscriptions and services."""
    bus = await open_bus(own_nats)
    await bus.subscribe("actors.>", heard)
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    await bus._client._send_command(b"NONSENSE\r\n")
    await bus._client._flush_pending()
    await back.wait()
    await bus.publish(SUBJECT, b"fresh")
    await eventually(lambda: heard.payloads == [b"fresh"])


async def test_a_dead_read_loop_is_survived(nats_server: NatsServer, open_bus: OpenBus, heard: Heard) -> None:
    """An exception in the client's read loop, after which nats-py believes itself connected, leads to a new connection."""
    bus = await open_bus(nats_server)
    await bus.subscribe("actors.>", heard)
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    bus._client._ps = None  # type: ignore[assignment]  # the parser raises at the next bytes
    await bus.publish(SUBJECT, b"lost")
    await back.wait()
    await bus.publish(SUBJECT, b"fresh")
    await eventually(lambda: heard.payloads == [b"fresh"])


async def test_a_process_shows_itself_to_nats_micro(nats_server: NatsServer, open_bus: OpenBus) -> None:
    """$SRV.PING, INFO, STATS and the health endpoint tell name, description and current figures."""
    bus = await open_bus(nats_server)
    await bus.add_service("wedsync-host", "0.1.0", "Folds weddings", {"id": "host-1"}, lambda: {"weddings": 3})
    await bus.barrier()

    async def ask(subject: str) -> dict[str, object]:
        answer: dict[str, object] = msgspec.json.decode(await bus.request(subject, b"", timeout_seconds=5))
        return answer

    ping = await ask("$SRV.PING")
    info = await ask("$SRV.INFO.wedsync-host")
    stats = await ask(f"$SRV.STATS.wedsync-host.{ping['id']}")
    assert ping["type"] == "io.nats.micro.v1.ping_response"
    assert (info["name"], info["description"], info["metadata"]) == ("wedsync-host", "Folds weddings", {"id": "host-1"})
    assert msgspec.json.encode(stats).count(b'"weddings":3') == 1
    endpoint = msgspec.convert(info["endpoints"], list[dict[str, object]])[0]
    assert await ask(str(endpoint["subject"])) == {"weddings": 3}
