"""What every log of a host keeps (actors.runtime.ports.Log): the one in memory and the one in JetStream alike."""

import pytest

from actors.contract.subjects import log_filter
from store.errors import LogMismatch
from tests.simulation.conftest import Ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
STREAM = "LOG_0"


def _op(partition: int, text: str) -> tuple[str, bytes]:
    return f"log.r0.{partition}.w.w{partition}.ann", text.encode()


class _Heard:
    """What a reader delivered."""

    def __init__(self, fails_at: int = 0) -> None:
        self.messages: list[tuple[int, str]] = []
        self.broken: list[Exception] = []
        self._fails_at = fails_at

    async def take(self, position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        assert timestamp_ms > 1_700_000_000_000
        assert subject.startswith("log.r0.")
        if position == self._fails_at:
            raise ValueError(position)
        self.messages.append((position, data.decode()))


async def test_d3_each_position_comes_once_and_in_order(ports: Ports) -> None:
    """Whether it was there before the reader or came later; what is not of its partitions only moves the position on."""
    assert await ports.log.append([_op(1, "a"), _op(2, "b"), _op(3, "c")]) == 3
    heard = _Heard()
    reader = ports.log.reader(STREAM, [log_filter("r0", 1), log_filter("r0", 3)], 0, heard.take)
    await reader.start()
    assert await ports.log.append([_op(3, "d")]) == 4
    assert await ports.log.append([_op(2, "e")]) == 5
    await eventually(lambda: reader.position == 5, "the reader is at the end")
    await reader.stop()
    assert heard.messages == [(1, "a"), (3, "c"), (4, "d")]


async def test_d3_a_reader_begins_after_its_position_and_ends_when_stopped(ports: Ports) -> None:
    """Nothing at or below the position comes, and nothing after `stop`."""
    await ports.log.append([_op(1, "a"), _op(1, "b")])
    heard = _Heard()
    reader = ports.log.reader(STREAM, [log_filter("r0", 1)], 1, heard.take)
    await reader.start()
    await eventually(lambda: reader.position == 2, "the reader is at the end")
    await reader.stop()
    await ports.log.append([_op(1, "c")])
    later = ports.log.reader(STREAM, [log_filter("r0", 1)], 2, heard.take)
    await later.start()
    await eventually(lambda: later.position == 3, "the second reader is at the end")
    await later.stop()
    assert heard.messages == [(2, "b"), (3, "c")]


async def test_d3_a_message_that_cannot_be_handled_ends_the_reader_before_it(ports: Ports) -> None:
    """The exception is handed over once, and the position stays."""
    heard = _Heard(fails_at=2)
    reader = ports.log.reader(STREAM, [log_filter("r0", 1)], 0, heard.take, on_broken=heard.broken.append)
    await reader.start()
    await ports.log.append([_op(1, "a"), _op(1, "b"), _op(1, "c")])
    await eventually(lambda: heard.broken, "it is told")
    assert [type(error) for error in heard.broken] == [ValueError]
    assert (heard.messages, reader.position) == ([(1, "a")], 1)
    await reader.stop()


async def test_d12_a_log_that_does_not_go_on_there_is_not_read(ports: Ports) -> None:
    """Neither beyond its end nor where it was trimmed."""
    await ports.log.append([_op(1, "a")])
    with pytest.raises(LogMismatch):
        await ports.log.reader(STREAM, [log_filter("r0", 1)], 2, _Heard().take).start()


async def test_d11_trimming_ends_at_the_lowest_checkpoint(ports: Ports) -> None:
    """What a partition has not stored stays, also what others have; what went cannot be read from any more."""
    await ports.log.append([_op(number % 4, "x") for number in range(8)])
    await ports.store.checkpoints()
    assert await ports.log.trim(by_age=True) == 0
    moves = {0: (0, 8), 1: (0, 3), 2: (0, 8), 3: (0, 8)}
    assert await ports.store.flush(moves, [], [], []) == {}
    assert await ports.log.trim(by_age=False) == 0
    assert await ports.log.trim(by_age=True) == 3
    assert await ports.log.positions(STREAM) == (4, 8)
    with pytest.raises(LogMismatch):
        await ports.log.reader(STREAM, [log_filter("r0", 1)], 1, _Heard().take).start()


async def test_d3_an_empty_log_ends_at_zero(ports: Ports) -> None:
    """And its beginning leaves no hole above a checkpoint of 0."""
    first, last = await ports.log.positions(STREAM)
    assert (first <= 1, last) == (True, 0)


async def test_inv6_dead_letters_lie_beside_the_log(ports: Ports) -> None:
    """A copy put aside moves no position of the log."""
    assert await ports.log.append([("wedsync.dead.internal", b"{}")]) == 1
    assert (await ports.log.positions(STREAM))[1] == 0


async def test_d1_messages_are_found_by_their_subject(ports: Ports) -> None:
    """Above a position, in order, whatever lies between."""
    markers = [(f"log.r0.{number}.m.skip._rules", b"%d" % number) for number in (1, 2)]
    await ports.log.append([_op(1, "a"), markers[0], _op(2, "b"), markers[1]])
    found = await ports.log.messages_after(STREAM, "log.r0.*.m.skip._rules", 0)
    assert [(each.position, each.subject, each.data) for each in found] == [(2, *markers[0]), (4, *markers[1])]
    assert [each.position for each in await ports.log.messages_after(STREAM, "log.r0.*.m.skip._rules", 2)] == [4]
