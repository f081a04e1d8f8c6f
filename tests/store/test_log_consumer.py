"""Reading the log: in order, each position once, whatever becomes of the consumer; one test per watchdog (design D3)."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from store import log_consumer
from store.bus import Bus, Message
from store.errors import AppendRefused, AppendUnknown, BusDown, LogMismatch, StoreError
from store.log_consumer import LogConsumer
from store.log_writer import LogWriter
from tests.store.conftest import Heard, OpenBus
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
ALL = ["log.r0.>"]


async def make_log(bus: Bus) -> None:
    await bus.js_request("STREAM.CREATE.LOG_0", {"name": "LOG_0", "subjects": ["log.*.>"], "allow_atomic": True})


def op(partition: int, payload: bytes = b"x") -> tuple[str, bytes]:
    return f"log.r0.{partition}.w.w{partition}.ann", payload


class Read:
    """What a reader delivered, and why it was made anew."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.messages: list[tuple[str, bytes]] = []
        self.resets: list[str] = []
        self.broken: list[Exception] = []

    async def on_message(self, position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        assert timestamp_ms > 1_700_000_000_000
        self.positions.append(position)
        self.messages.append((subject, data))


class Reader:
    """Starts readers on one bus and stops them after the test."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.started: list[LogConsumer] = []

    def make(self, read: Read, filters: list[str] = ALL, after: int = 0, **options: Any) -> LogConsumer:
        consumer = LogConsumer(
            self.bus, "LOG_0", filters, after, options.pop("on_message", read.on_message),
            on_reset=read.resets.append, on_broken=read.broken.append, **options,
        )  # fmt: skip  # the arguments in their order
        self.started.append(consumer)
        return consumer

    async def start(self, read: Read, filters: list[str] = ALL, after: int = 0, **options: Any) -> LogConsumer:
        consumer = self.make(read, filters, after, **options)
        await consumer.start()
        return consumer


@pytest.fixture
async def bus(jetstream: NatsServer, open_bus: OpenBus) -> Bus:
    opened = await open_bus(jetstream)
    await make_log(opened)
    return opened


@pytest.fixture
async def writer(bus: Bus) -> LogWriter:
    return await LogWriter.open(bus, secrets.token_hex(16))


@pytest.fixture
async def reader(bus: Bus) -> AsyncIterator[Reader]:
    made = Reader(bus)
    yield made
    for consumer in made.started:
        await consumer.stop()


@pytest.fixture
def read() -> Read:
    return Read()


async def test_d3_every_position_comes_once_and_in_order(reader: Reader, writer: LogWriter, read: Read) -> None:
    """What was there before and what comes later, across many pull requests, is delivered once, in order, with its content."""
    for start in range(0, 5000, 500):
        await writer.append([op(1, b"%d" % number) for number in range(start, start + 500)])
    consumer = await reader.start(read)
    await writer.append([op(1, b"%d" % number) for number in range(5000, 5500)])
    await eventually(lambda: consumer.position == 5500)
    assert read.positions == list(range(1, 5501))
    assert read.messages == [op(1, b"%d" % number) for number in range(5500)]
    assert read.resets == []


async def test_d3_a_reader_gets_its_partitions_only(reader: Reader, writer: LogWriter, read: Read) -> None:
    """Several filters together give these partitions' ops, in the order of the log."""
    await writer.append([op(partition) for partition in (1, 2, 3, 1, 2, 3)])
    consumer = await reader.start(read, ["log.r0.1.>", "log.r0.3.>"], after=1)
    await eventually(lambda: consumer.position == 6)
    assert read.positions == [3, 4, 6]


async def test_d2_the_position_of_an_idle_reader_follows_the_log(reader: Reader, writer: LogWriter, read: Read) -> None:
    """Ops of other partitions move the position too: at the start at once, later within the watchdog's beat (design D2)."""
    await writer.append([op(2)] * 10)
    consumer = await reader.start(read, ["log.r0.1.>"])
    assert consumer.position == 10
    await writer.append([op(2)] * 5)
    await eventually(lambda: consumer.position == 15)
    await writer.append([op(1)])
    await eventually(lambda: read.positions == [16])
    assert read.resets == []


async def test_d2_the_position_never_runs_ahead_of_what_was_handled(reader: Reader, writer: LogWriter, read: Read) -> None:
    """While a message waits in the handler the position stays below it, however often the watchdog looks."""
    go_on = asyncio.Event()

    async def slow(*_message: object) -> None:
        await go_on.wait()

    consumer = await reader.start(read, on_message=slow)
    await writer.append([op(1)] * 3)
    await consumer._look()
    await consumer._look()
    assert consumer.position == 0
    go_on.set()
    await eventually(lambda: consumer.position == 3)


async def test_d3_deleted_messages_do_not_stop_a_reader(bus: Bus, reader: Reader, writer: LogWriter, read: Read) -> None:
    """Single ops that were erased from the log are passed over without doubt."""
    await writer.append([op(1)] * 10)
    for position in (4, 5, 10):
        await bus.js_request("STREAM.MSG.DELETE.LOG_0", {"seq": position})
    consumer = await reader.start(read)
    await eventually(lambda: consumer.position == 10)
    assert read.positions == [1, 2, 3, 6, 7, 8, 9]
    assert read.resets == []


async def test_d3_a_deleted_consumer_is_made_anew(bus: Bus, reader: Reader, writer: LogWriter, read: Read) -> None:
    """A consumer that somebody deletes behind the reader's back is replaced, and nothing is missed or repeated."""
    consumer = await reader.start(read)
    await writer.append([op(1)] * 3)
    await eventually(lambda: consumer.position == 3)
    await bus.js_request(f"CONSUMER.DELETE.LOG_0.{consumer._consumer}")
    await writer.append([op(1)] * 3)
    await eventually(lambda: consumer.position == 6)
    assert read.positions == [1, 2, 3, 4, 5, 6]
    assert len(read.resets) == 1


async def test_d3_silence_makes_a_reader_anew(
    reader: Reader, writer: LogWriter, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader to which neither message nor heartbeat comes gets a new consumer."""
    consumer = reader.make(read, silence_seconds=0.2)

    async def mute() -> None:
        monkeypatch.undo()

    monkeypatch.setattr(consumer, "_pull", mute)
    await consumer.start()
    await writer.append([op(1)])
    await eventually(lambda: read.positions == [1])
    assert read.resets == ["silence"]


async def steal(bus: Bus, consumer: LogConsumer) -> None:
    """Take one message of the reader's consumer away, as a delivery lost on its way."""
    thief = Heard()
    inbox = bus.new_inbox() + ".thief"
    await bus.subscribe(inbox, thief)
    await bus.publish(f"$JS.API.CONSUMER.MSG.NEXT.LOG_0.{consumer._consumer}", b'{"batch":1}', reply=inbox)
    await eventually(lambda: thief.messages)


async def test_d3_a_delivery_lost_on_its_way_is_found_at_the_next_message(
    bus: Bus, reader: Reader, writer: LogWriter, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole in the consumer's sequence makes the reader read again from its own position."""
    consumer = reader.make(read)
    real_pull = consumer._pull

    async def steal_first() -> None:
        monkeypatch.undo()
        await steal(bus, consumer)
        await real_pull()

    await writer.append([op(1)] * 3)
    monkeypatch.setattr(consumer, "_pull", steal_first)
    await consumer.start()
    await eventually(lambda: consumer.position == 3)
    assert read.positions == [1, 2, 3]
    assert read.resets == ["gap"]


async def test_d3_a_lost_last_delivery_is_found_by_the_heartbeat(
    bus: Bus, reader: Reader, writer: LogWriter, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing comes after a lost delivery, the heartbeat that counts one more tells of it."""
    consumer = reader.make(read, heartbeat_seconds=0.2)
    real_pull = consumer._pull

    async def steal_first() -> None:
        monkeypatch.undo()
        await steal(bus, consumer)
        await real_pull()

    await writer.append([op(1)])
    monkeypatch.setattr(consumer, "_pull", steal_first)
    await consumer.start()
    await eventually(lambda: consumer.position == 1)
    assert read.positions == [1]
    assert read.resets == ["lost"]


async def test_d3_delivered_above_its_own_twice_makes_a_reader_anew(
    bus: Bus, reader: Reader, writer: LogWriter, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without help of the heartbeat, two askings that find the consumer ahead with nothing between find a lost delivery."""
    consumer = reader.make(read)
    real_pull, real_status = consumer._pull, consumer._on_status

    async def steal_first() -> None:
        await steal(bus, consumer)
        monkeypatch.setattr(consumer, "_pull", real_pull)
        await real_pull()

    async def deaf(message: Message) -> None:
        message.headers.pop("Nats-Last-Consumer", None)  # type: ignore[union-attr]  # a status message has headers
        await real_status(message)

    await writer.append([op(1)])
    monkeypatch.setattr(consumer, "_pull", steal_first)
    monkeypatch.setattr(consumer, "_on_status", deaf)
    await consumer.start()
    await eventually(lambda: consumer.position == 1)
    assert read.positions == [1]
    assert read.resets == ["stuck"]


async def test_d3_an_expired_request_is_followed_by_the_next(
    reader: Reader, writer: LogWriter, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a pull request is no doubt: the same consumer goes on with the next one."""
    monkeypatch.setattr(log_consumer, "PULL_EXPIRES_SECONDS", 1)
    consumer = await reader.start(read, heartbeat_seconds=0.2)
    expired = asyncio.Event()
    real_status = consumer._on_status

    async def watch(message: Message) -> None:
        await real_status(message)
        if (message.headers or {}).get("Status") == "408":
            expired.set()

    monkeypatch.setattr(consumer, "_on_status", watch)
    await expired.wait()
    assert consumer._asked == log_consumer.PULL_MESSAGES
    await writer.append([op(1)])
    await eventually(lambda: read.positions == [1])
    assert read.resets == []


async def test_d3_reading_goes_on_after_kill_9_of_nats_server(own_nats: NatsServer, open_bus: OpenBus, read: Read) -> None:
    """The memory consumer dies with the server; the reader is back by itself and has each stored op once."""
    bus, reading_bus = await open_bus(own_nats), await open_bus(own_nats)
    await make_log(bus)
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    reader = Reader(reading_bus)
    consumer = await reader.start(read)
    for _ in range(3):
        await append_until_stored(writer, [op(1)] * 20)
        own_nats.server.kill()
        own_nats.server.start()
    await append_until_stored(writer, [op(1)] * 20)
    last = await last_position(bus)
    await eventually(lambda: consumer.position == last)
    assert read.positions == list(range(1, last + 1))
    assert set(read.resets) <= {"reconnect"}
    assert read.broken == []
    await consumer.stop()


async def append_until_stored(writer: LogWriter, messages: list[tuple[str, bytes]]) -> None:
    async def stored() -> bool:
        try:
            await writer.append(messages)
        except (AppendRefused, AppendUnknown, BusDown):
            return False
        return True

    await eventually(stored)


async def last_position(bus: Bus) -> int:
    async def asked() -> int:
        try:
            return int((await bus.js_request("STREAM.INFO.LOG_0"))["state"]["last_seq"])
        except StoreError:
            return 0

    return await eventually(asked)


async def test_d3_several_resets_at_once_repeat_nothing(reader: Reader, writer: LogWriter, read: Read) -> None:
    """Whatever casts doubt while messages flow, each position is delivered once."""
    consumer = await reader.start(read)
    for number in range(20):
        await writer.append([op(1)] * 50)
        consumer._reset(f"doubt {number}")
    await eventually(lambda: consumer.position == 1000)
    assert read.positions == list(range(1, 1001))


async def test_d12_a_log_that_was_replaced_breaks_the_reader(bus: Bus, reader: Reader, writer: LogWriter, read: Read) -> None:
    """Another stream under the same name is not folded (design D12)."""
    consumer = await reader.start(read)
    await writer.append([op(1)] * 3)
    await eventually(lambda: consumer.position == 3)
    await bus.js_request("STREAM.DELETE.LOG_0")
    await make_log(bus)
    await writer.append([op(1)] * 9)
    await eventually(lambda: read.broken)
    assert isinstance(read.broken[0], LogMismatch)
    assert read.positions == [1, 2, 3]


async def test_d12_a_log_shorter_than_what_was_stored_is_not_read(
    bus: Bus, reader: Reader, writer: LogWriter, read: Read
) -> None:
    """A reader that is to begin after the end of the log, or before its trimmed beginning, refuses (design D12)."""
    await writer.append([op(1)] * 5)
    with pytest.raises(LogMismatch, match="ends at 5, but 9"):
        await reader.start(read, after=9)
    await bus.js_request("STREAM.PURGE.LOG_0", {"seq": 4})
    with pytest.raises(LogMismatch, match="begins at 4"):
        await reader.start(read, after=1)
    consumer = await reader.start(read, after=3)
    await eventually(lambda: consumer.position == 5)
    assert read.positions == [4, 5]


async def test_a_missing_stream_is_said_at_the_start(bus: Bus, reader: Reader, read: Read) -> None:
    """Where there is no log, `start` fails and leaves nothing behind."""
    await bus.js_request("STREAM.DELETE.LOG_0")
    with pytest.raises(StoreError, match="stream not found"):
        await reader.start(read)
    assert bus.on_reconnect == []


async def test_a_fold_that_raises_ends_the_reading(reader: Reader, writer: LogWriter, read: Read) -> None:
    """An exception of the handler is handed over and nothing more is delivered, so that no op is ever left out."""
    seen = []

    async def poison(position: int, *_message: object) -> None:
        seen.append(position)
        if position == 2:
            raise RuntimeError("poison")

    consumer = await reader.start(read, on_message=poison)
    await writer.append([op(1)] * 5)
    await eventually(lambda: read.broken)
    assert str(read.broken[0]) == "poison"
    await writer.append([op(1)])
    assert await consumer.last_position() == 6
    assert seen == [1, 2]
    assert consumer.position == 1


async def test_a_stopped_reader_delivers_nothing_and_leaves_no_consumer(
    bus: Bus, reader: Reader, writer: LogWriter, read: Read
) -> None:
    """After `stop` no message comes and the server has forgotten the consumer."""
    consumer = await reader.start(read)
    await consumer.stop()
    await writer.append([op(1)])
    names = await bus.js_request("CONSUMER.NAMES.LOG_0")
    assert not names["consumers"]
    assert read.positions == []
