"""A log reader never stays silent: one test per watchdog, and kill -9 of the server (design D3)."""

import asyncio
import secrets

import pytest

from store.bus import Bus, Message
from store.errors import AppendRefused, AppendUnknown, BusDown, StoreError
from store.log_consumer import LogConsumer
from store.log_writer import LogWriter
from tests.store.conftest import Heard, OpenBus
from tests.store.reading import Read, Reader, make_log, op
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


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


async def test_d3_a_slow_fold_is_no_reason_for_doubt(reader: Reader, writer: LogWriter, read: Read) -> None:
    """While messages wait behind a handler that takes long, neither silence nor a consumer ahead makes the reader anew."""
    go_on = asyncio.Event()

    async def slow(position: int, *_message: object) -> None:
        await go_on.wait()
        read.positions.append(position)

    consumer = await reader.start(read, on_message=slow)
    await writer.append([op(1)] * 3)
    await eventually(lambda: not consumer._is_idle())
    for _ in range(3):
        consumer._heard_at -= 3600
        await consumer._look()
    go_on.set()
    await eventually(lambda: read.positions == [1, 2, 3])
    assert read.resets == []


async def test_d3_a_message_in_hand_at_a_reset_is_not_handled_twice(reader: Reader, writer: LogWriter, read: Read) -> None:
    """The new consumer delivers again what the handler is busy with; it is passed over (design D3)."""
    go_on = asyncio.Event()

    async def slow(position: int, *_message: object) -> None:
        read.positions.append(position)
        await go_on.wait()

    consumer = await reader.start(read, on_message=slow)
    await writer.append([op(1)] * 3)
    await eventually(lambda: read.positions == [1])
    consumer._reset("doubt")
    await eventually(lambda: read.resets == ["doubt"])
    go_on.set()
    await eventually(lambda: consumer.position == 3)
    assert read.positions == [1, 2, 3]
    assert read.resets == ["doubt"]
