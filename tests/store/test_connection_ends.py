"""Whatever ends a connection to NATS, or only seems to leave it alive, the bus is back with its subscriptions (design D5, D8)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from store import connection
from store.bus import Bus, Message
from store.errors import BusDown
from tests.store.conftest import Heard, OpenBus
from tests.support.scripted_nats import ScriptedNats, scripted_nats
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

SUBJECT = "actors.r0.1.w.w1.state"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedNats]:
    """A server that does what the test says."""
    async with scripted_nats() as scripted:
        yield scripted


@pytest.fixture
async def bus(server: ScriptedNats) -> AsyncIterator[Bus]:
    """A bus on it."""
    connected = await connect(server.url)
    yield connected
    await connected.close()


async def connect(url: str) -> Bus:
    return await Bus.connect(url, user="host", password="p", name="test", inbox_prefix="_INBOX_host")


async def require_back(server: ScriptedNats, heard: Heard) -> None:
    """A second client has come, it listens as before, and what it is told arrives."""
    await eventually(lambda: server.clients == 2 and SUBJECT in server.subjects, "the bus is back with its subscription")
    server.tell(SUBJECT, "fresh")
    await eventually(lambda: heard.payloads == [b"fresh"], "the subscription hears")


@pytest.mark.parametrize(
    "error",
    [
        "User Authentication Expired",
        "Authorization Violation",
        "maximum connections exceeded",
        "Stale Connection",
        "Unknown Protocol Operation",
        "Server Shutdown",
        "words that no client has heard before",
    ],
)
async def test_an_error_of_the_server_is_survived(server: ScriptedNats, bus: Bus, heard: Heard, error: str) -> None:
    """Most errors close nats-py for good; the bus makes a new client with the same subscriptions."""
    await bus.subscribe(SUBJECT, heard)
    server.say(f"-ERR '{error}'")
    await require_back(server, heard)


async def test_bytes_that_are_no_protocol_are_survived(server: ScriptedNats, bus: Bus, heard: Heard) -> None:
    """Nonsense on the wire ends nats-py's read loop while it believes itself connected."""
    await bus.subscribe(SUBJECT, heard)
    server.say("MSG nonsense without numbers")
    await require_back(server, heard)


async def test_a_connection_that_is_silent_is_given_up(
    server: ScriptedNats, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    """Behind a cut cable TCP stays open and nothing fails: unanswered pings lead to a new connection within 6 s."""
    assert connection.PING_INTERVAL_SECONDS * (connection.PINGS_UNANSWERED + 1) <= 6
    monkeypatch.setattr(connection, "PING_INTERVAL_SECONDS", 0.05)
    bus = await connect(server.url)
    await bus.subscribe(SUBJECT, heard)
    server.is_silent = True
    await eventually(lambda: not bus.connected, "the silence is noticed")
    with pytest.raises(BusDown):
        await bus.publish(SUBJECT, b"stale")
    server.is_silent = False
    await require_back(server, heard)
    await bus.close()


@pytest.mark.parametrize("greeting", [b"-ERR 'maximum connections exceeded'\r\n", b"INFO {no json\r\n", b"INFO []\r\n"])
async def test_a_server_that_refuses_for_long_is_asked_for_ever(
    server: ScriptedNats, bus: Bus, heard: Heard, greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-py gives up after 60 attempts, and some greetings raise what is no error of its own; the bus goes on asking."""
    monkeypatch.setattr(connection, "RECONNECT_WAIT_SECONDS", 0.001)
    await bus.subscribe(SUBJECT, heard)
    server.greeting, server.greetings_left = greeting, 70
    server.close()
    await eventually(lambda: server.refused == 70, "it has asked more than 60 times", within_seconds=30)
    await require_back(server, heard)


async def test_the_next_server_is_asked_when_one_is_away(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several addresses the bus goes to another server when its own dies, and finds the one that lives at its start."""
    monkeypatch.setattr(connection, "RECONNECT_WAIT_SECONDS", 0.01)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(scripted_nats()) for _ in range(2)]
        bus = await connect(f"nats://127.0.0.1:1,{first.url},{second.url}")
        stack.push_async_callback(bus.close)
        await bus.subscribe(SUBJECT, heard)
        mine, other = (first, second) if first.clients else (second, first)
        mine.greeting, mine.greetings_left = b"", 1000
        mine.close()
        await eventually(lambda: other.clients and SUBJECT in other.subjects, "the other server has the client")
        other.tell(SUBJECT, "fresh")
        await eventually(lambda: heard.payloads == [b"fresh"], "the subscription hears")


@pytest.mark.servers
async def test_a_forbidden_subject_costs_nothing_but_a_warning(
    nats_server: NatsServer, open_bus: OpenBus, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission violation keeps the connection, even when the error callback cannot write its warning."""
    bus = await open_bus(nats_server)
    await bus.subscribe(SUBJECT, heard)
    warned = asyncio.Event()

    class Unwritable:
        def warning(self, *_words: object, **_values: object) -> None:
            warned.set()
            raise OSError

    client = bus._client
    monkeypatch.setattr(connection, "log", Unwritable())
    await bus.publish("presence.r0.w1", b"not for hosts")
    await eventually(warned.is_set, "the violation is reported")
    await bus.publish(SUBJECT, b"fresh")
    await eventually(lambda: heard.payloads == [b"fresh"], "the subscription hears")
    assert bus._client is client


async def test_a_callback_that_raises_keeps_nobody_from_coming_back(server: ScriptedNats, bus: Bus, heard: Heard) -> None:
    """What one listener of losses and returns raises keeps neither the bus nor the other listeners."""
    await bus.subscribe(SUBJECT, heard)
    told: list[str] = []

    def raise_first() -> None:
        raise ValueError

    bus.on_disconnect[:0] = [raise_first]
    bus.on_disconnect.append(lambda: told.append("down"))
    bus.on_reconnect.extend((raise_first, lambda: told.append("up")))
    server.close()
    await require_back(server, heard)
    await eventually(lambda: told == ["down", "up"], "the others are told")


async def test_an_answer_that_cannot_be_sent_is_one_line_in_the_log(server: ScriptedNats, bus: Bus) -> None:
    """Who is asked something while NATS goes away or is not quite back logs a warning, and no traceback as for a fault."""
    asked, gone = asyncio.Event(), asyncio.Event()
    bus.on_disconnect.append(gone.set)

    async def answer_late(_message: Message) -> None:
        asked.set()
        await gone.wait()
        await bus.publish("_INBOX_host.x", b"late")

    await bus.subscribe(SUBJECT, answer_late)
    await bus.barrier()
    with capture_logs() as events:
        server.tell(SUBJECT, "?")
        await asked.wait()
        server.close()
        await eventually(lambda: any("subject" in event for event in events), "the handler has ended")
    assert [event["log_level"] for event in events if "subject" in event] == ["warning"]


@pytest.mark.servers
async def test_a_slow_handler_loses_nothing(
    nats_server: NatsServer, open_bus: OpenBus, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-py drops what a slow subscriber has not taken beyond a limit; here everything waits and arrives in order."""
    for name in ("DEFAULT_SUB_PENDING_MSGS_LIMIT", "DEFAULT_SUB_PENDING_BYTES_LIMIT"):
        monkeypatch.setattr(f"nats.aio.subscription.{name}", 10)
        monkeypatch.setattr(f"nats.aio.client.{name}", 10)
    bus = await open_bus(nats_server)
    go_on = asyncio.Event()

    async def slow(message: Message) -> None:
        await go_on.wait()
        await heard(message)

    await bus.subscribe(SUBJECT, slow)
    for number in range(1000):
        await bus.publish(SUBJECT, b"%d" % number)
    await bus.barrier()
    go_on.set()
    await eventually(lambda: len(heard.messages) == 1000, "all are there")
    assert heard.payloads == [b"%d" % number for number in range(1000)]
