"""Reading the log: in order, each position once, and never a log that is not the one that was read (design D3, D12)."""

import asyncio

import pytest

from store import log_consumer
from store.bus import Bus, Message
from store.errors import GenerationChanged, LogMismatch, StoreError
from store.log_writer import LogWriter
from tests.store.reading import Read, Reader, make_log, op
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


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
    assert isinstance(read.broken[0], GenerationChanged)
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

    async def is_forgotten() -> bool:
        return not (await bus.js_request("CONSUMER.NAMES.LOG_0"))["consumers"]

    await eventually(is_forgotten, "the server has forgotten the consumer")
    assert read.positions == []
