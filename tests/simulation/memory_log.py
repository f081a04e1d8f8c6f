"""The log in memory: streams of positions, atomic batches, trimming, readers; and copies put aside in DEAD.

`MemoryStreams` is the server; `MemoryLog` the port `Log` of one host over a line. It keeps what
tests/simulation/test_contract_log.py says of JetStream and this alike.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.subjects import DEAD_STREAM, log_stream
from actors.runtime.ports import OnMessage
from store.errors import AppendRefused, LogMismatch, StoreError
from store.log_search import Found
from store.timers import TimerRow
from tests.simulation.lines import Line
from tests.simulation.memory_store import MemoryDatabase

RETRY_SECONDS: Final = 0.2


class Record(NamedTuple):
    """One message of a stream."""

    position: int
    timestamp_ms: int
    subject: str
    data: bytes


class MemoryStream:
    """One stream. What was trimmed stays in `records`, where only those who check a history look."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.first = 1
        self.readers: dict[MemoryReader, None] = {}

    @property
    def last(self) -> int:
        return len(self.records)

    def append(self, timestamp_ms: int, messages: Sequence[tuple[str, bytes]]) -> int:
        for subject, data in messages:
            self.records.append(Record(self.last + 1, timestamp_ms, subject, data))
        for reader in self.readers:
            reader.notify()
        return self.last

    def after(self, position: int, prefixes: tuple[str, ...]) -> tuple[list[Record], int]:
        """Return what is above a position and begins so, and how far the stream went."""
        start = max(position, self.first - 1)
        return [record for record in self.records[start:] if record.subject.startswith(prefixes)], self.last

    def matching(self, subject: str, position: int) -> list[Found]:
        """Return what is above a position and has such a subject, in which `*` stands for one word."""
        pattern = re.compile(re.escape(subject).replace(r"\*", r"[^.]+"))
        kept = self.records[max(position, self.first - 1) :]
        return [Found(*each) for each in kept if pattern.fullmatch(each.subject)]

    def require(self, position: int) -> None:
        """Raise LogMismatch when the stream does not go on after this position."""
        if self.last < position or self.first > position + 1:
            raise LogMismatch(f"The stream holds {self.first} to {self.last} and was to be read from {position}.")


def never(_instant_ms: int, _happens: Callable[[], None]) -> None:
    """Let no time pass."""


class MemoryStreams:
    """Every stream of a system, and the clock of the log."""

    def __init__(self, streams: int, now_ms: Callable[[], int], at_ms: Callable[[int, Callable[[], None]], None] = never) -> None:
        """`at_ms` lets something happen at an instant of the log's clock, such as the firing of a timer."""
        self.streams = {log_stream(index): MemoryStream() for index in range(streams)} | {DEAD_STREAM: MemoryStream()}
        self.appends = 0
        #: What is stored is in the way of new ops.
        self.is_filled = False
        #: What TIMERS holds, by the subject of the firing and the timer.
        self.schedules: dict[tuple[str, str], TimerRow] = {}
        self._count = streams
        self._now_ms = now_ms
        self._at_ms = at_ms

    def append(self, messages: Sequence[tuple[str, bytes]]) -> int:
        names = {self._stream_of(subject) for subject, _ in messages}
        if len(names) != 1:
            raise AppendRefused(10201, "the messages of a batch lie in one stream")
        self.appends += 1
        return self.streams[names.pop()].append(self._now_ms(), messages)

    def _stream_of(self, subject: str) -> str:
        words = subject.split(".")
        if words[0] == "log":
            return log_stream(int(words[2]) % self._count)
        if subject.startswith("wedsync.dead."):
            return DEAD_STREAM
        raise AppendRefused(503, "no stream listens to the subject")

    def put_timers(self, rows: Sequence[TimerRow]) -> None:
        for row in rows:
            subject = f"log.r0.{row.partition}.{row.kind}.{row.id}.{TIMER_PRINCIPAL}"
            schedule = (subject, row.timer)
            self.schedules.pop(schedule, None)
            if row.due_ms is not None:
                self.schedules[schedule] = row
                self._at_ms(row.due_ms, partial(self._fire, schedule, row))

    def _fire(self, schedule: tuple[str, str], row: TimerRow) -> None:
        if self.schedules.get(schedule) is row:
            del self.schedules[schedule]
            self.append([(schedule[0], row.body)])

    def trim(self, checkpoints: dict[int, int]) -> int:
        """Drop everything that every partition of its stream has stored."""
        dropped = 0
        for index in range(self._count):
            stream = self.streams[log_stream(index)]
            lowest = min(position for partition, position in checkpoints.items() if partition % self._count == index)
            if lowest >= stream.first:
                dropped += lowest + 1 - stream.first
                stream.first = lowest + 1
        return dropped


class MemoryReader:
    """Reads one stream; see actors.runtime.ports.LogReader."""

    def __init__(
        self, stream: MemoryStream, line: Line, prefixes: tuple[str, ...], after_position: int, on_message: OnMessage,
        on_broken: Callable[[Exception], None],
    ) -> None:  # fmt: skip  # a list of what it works with
        self.position = after_position
        self._stream = stream
        self._line = line
        self._prefixes = prefixes
        self._on_message = on_message
        self._on_broken = on_broken
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """Called by the stream that has something new."""
        self._line.deliver(self._news.set)

    async def start(self) -> None:
        await self._line.ask(partial(self._stream.require, self.position))
        self._stream.readers[self] = None
        self._news.set()
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def stop(self) -> None:
        self._stream.readers.pop(self, None)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                records, last = await self._line.ask(partial(self._stream.after, self.position, self._prefixes))
            except StoreError:
                await self._line.pause(RETRY_SECONDS)
                self._news.set()
                continue
            for record in records:
                try:
                    await self._on_message(*record)
                except Exception as error:
                    self._stream.readers.pop(self, None)
                    self._on_broken(error)
                    return
                self.position = record.position
            self.position = max(self.position, last)


class MemoryLog:
    """The log of one host."""

    def __init__(self, streams: MemoryStreams, database: MemoryDatabase, line: Line) -> None:
        self._streams = streams
        self._database = database
        self._line = line

    async def append(self, messages: Sequence[tuple[str, bytes]]) -> int:
        return await self._line.ask(partial(self._streams.append, messages))

    def reader(
        self,
        stream: str,
        filters: list[str],
        after_position: int,
        on_message: OnMessage,
        *,
        on_reset: Callable[[str], None] = lambda _reason: None,
        on_broken: Callable[[Exception], None] = lambda _error: None,
    ) -> MemoryReader:
        del on_reset  # it never loses what it reads with
        prefixes = tuple(each.removesuffix(">") for each in filters)
        return MemoryReader(self._streams.streams[stream], self._line, prefixes, after_position, on_message, on_broken)

    async def positions(self, stream: str) -> tuple[int, int]:
        found = self._streams.streams[stream]
        return await self._line.ask(lambda: (found.first, found.last))

    async def put_timers(self, rows: Sequence[TimerRow]) -> None:
        await self._line.ask(partial(self._streams.put_timers, rows))

    async def messages_after(self, stream: str, subject: str, position: int) -> list[Found]:
        return await self._line.ask(partial(self._streams.streams[stream].matching, subject, position))

    def alarms(self) -> list[str]:
        return []  # nothing ever damages it

    async def report_unreadable(self, weddings: Sequence[str]) -> bool:
        """Nothing stored is ever damaged."""
        return True

    async def look_after(self) -> None:
        """Every stream is there."""

    async def trim(self, *, by_age: bool) -> int:
        return await self._line.ask(
            lambda: self._streams.trim(self._database.positions) if by_age or self._streams.is_filled else 0
        )

    async def close(self) -> None:
        with suppress(StoreError):
            await self._line.ask(lambda: None)
