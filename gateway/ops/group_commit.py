"""Group commit: what comes while a few publishes are in flight goes to the log as one atomic batch, fsynced once (design D5).

A client has ops in at most one uncommitted publish; its later ones wait here. A publish that was refused, timed out or whose fate
is unknown is sent again op by op, in order, before anything later of those clients, for as long as the bus is away. Bounded in
bytes: beyond it `Overloaded`; while the log acknowledges nothing (its disk may be full) nothing more is taken: `LogSilent`.
One instance per log stream, used by the submitter alone; nothing here knows what an op is.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.errors import LogFull, LogRefused, LogSilent, LogUnusable, Overloaded
from store.errors import AppendRefused, AppendUnknown, BadMessage, BusDown, StoreError
from store.log_writer import LogWriter

#: Whose ops must stay in order: one author's client.
CommitKey = tuple[str, str]
#: A batch is cut here, so that one client's large ops do not make everybody wait for one long write.
BATCH_BYTES: Final = 1024 * 1024
#: A log is silent when so many time-outs have gone by, one after the other, without any answer.
_SILENT_TIMEOUTS: Final = 2
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5

_log = structlog.get_logger()


class _Waiting:
    """One op on its way; `uncertain` once a publish of it may have been stored without our knowing."""

    __slots__ = ("future", "key", "payload", "subject", "uncertain")

    def __init__(self, key: CommitKey, subject: str, payload: bytes, future: asyncio.Future[int]) -> None:
        self.key = key
        self.subject = subject
        self.payload = payload
        self.future = future
        self.uncertain = False


class GroupCommit:
    """The way of one gateway's ops into one log stream."""

    def __init__(
        self, writer: LogWriter, *, batch_ops: int, publishes_in_flight: int, timeout_seconds: float, waiting_bytes_limit: int
    ) -> None:
        self._writer = writer
        self._batch_ops = batch_ops
        self._publishes_in_flight = publishes_in_flight
        self._timeout_seconds = timeout_seconds
        self._waiting_bytes_limit = waiting_bytes_limit
        self._queues: dict[CommitKey, deque[_Waiting]] = {}
        #: Keys with ops that wait and none in an uncommitted publish, the longest waiting first.
        self._ready: deque[CommitKey] = deque()
        self._busy: set[CommitKey] = set()
        self._publishes: set[asyncio.Task[None]] = set()
        self._pump_is_scheduled = False
        #: When the first publish began of those that all had no answer.
        self._unanswered_since: float | None = None
        self.waiting_ops = 0
        self.waiting_bytes = 0
        self.publishes = 0
        self.publishes_repeated = 0

    def submit(self, key: CommitKey, subject: str, payload: bytes) -> asyncio.Future[int]:
        """Queue one op; the future gives its log position once it is on disk, or raises LogRefused.

        Raises Overloaded, LogSilent or LogUnusable at once.
        """
        if self._writer.guard.fault:
            raise LogUnusable
        if self.is_silent:
            raise LogSilent
        if self.waiting_bytes + len(payload) > self._waiting_bytes_limit:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self.waiting_ops += 1
        self.waiting_bytes += len(payload)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            if key not in self._busy:
                self._ready.append(key)
        queue.append(_Waiting(key, subject, payload, future))
        if not self._pump_is_scheduled and self._ready and len(self._publishes) < self._publishes_in_flight:
            # At the end of this loop turn: ops that were read in the same turn share the publish.
            self._pump_is_scheduled = True
            loop.call_soon(self._pump)
        return future

    @property
    def is_silent(self) -> bool:
        """Whether the log takes what is sent to it and answers nothing: what has been sent already goes on being sent."""
        since = self._unanswered_since
        return since is not None and time.monotonic() - since >= _SILENT_TIMEOUTS * self._timeout_seconds

    async def drained(self) -> None:
        """Return once every op that was submitted has its answer."""
        while self._publishes or self._ready:
            self._pump()
            await asyncio.wait(self._publishes)

    async def close(self) -> None:
        """Give up what is still waiting: nobody will be told that it was saved."""
        publishes = list(self._publishes)
        for publish in publishes:
            publish.cancel()
        await asyncio.gather(*publishes, return_exceptions=True)
        for queue in self._queues.values():
            for waiting in queue:
                waiting.future.cancel()
        self._queues.clear()
        self._ready.clear()

    def _pump(self) -> None:
        self._pump_is_scheduled = False
        while self._ready and len(self._publishes) < self._publishes_in_flight:
            publish = asyncio.create_task(self._publish(self._take_batch()))
            self._publishes.add(publish)
            publish.add_done_callback(self._published)

    def _take_batch(self) -> list[_Waiting]:
        """Take whole queues, oldest first, until the batch is full; their keys are busy from here on."""
        batch: list[_Waiting] = []
        size = 0
        while self._ready and len(batch) < self._batch_ops and size < BATCH_BYTES:
            key = self._ready.popleft()
            queue = self._queues[key]
            self._busy.add(key)
            while queue and len(batch) < self._batch_ops and size < BATCH_BYTES:
                waiting = queue.popleft()
                size += len(waiting.payload)
                batch.append(waiting)
            if not queue:
                del self._queues[key]
        return batch

    def _published(self, publish: asyncio.Task[None]) -> None:
        self._publishes.discard(publish)
        if not publish.cancelled() and (failure := publish.exception()) is not None:
            _log.error("group_commit_failed", exc_info=failure)
        self._pump()

    async def _publish(self, batch: list[_Waiting]) -> None:
        self.publishes += 1
        try:
            try:
                position = await self._append(batch)
            except (AppendRefused, AppendUnknown, BadMessage, BusDown) as failure:
                await self._publish_one_by_one(batch, failure)
                return
            for saved, waiting in enumerate(batch, position - len(batch) + 1):
                self._save(waiting, saved)
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.future.cancel()
            raise
        finally:
            self._release({waiting.key for waiting in batch})

    async def _append(self, batch: Sequence[_Waiting]) -> int:
        began = time.monotonic()
        messages = [(waiting.subject, waiting.payload) for waiting in batch]
        try:
            position = await self._writer.append(messages, timeout_seconds=self._timeout_seconds)
        except AppendUnknown:
            if self._unanswered_since is None:
                self._unanswered_since = began
            for waiting in batch:
                waiting.uncertain = True
            raise
        except StoreError:
            # A refusal is an answer, and so is that nobody can take it at the moment.
            self._unanswered_since = None
            raise
        self._unanswered_since = None
        return position

    async def _publish_one_by_one(self, batch: list[_Waiting], failure: Exception) -> None:
        self.publishes_repeated += 1
        _log.warning("group_commit_repeats", ops=len(batch), reason=str(failure))
        refused: dict[CommitKey, LogRefused] = {}
        for waiting in batch:
            if waiting.key in refused and not waiting.uncertain:
                self._refuse(waiting, refused[waiting.key])
                continue
            refusal = await self._publish_surely(waiting)
            if refusal is not None:
                refused[waiting.key] = refusal
                self._refuse(waiting, refusal)
                self._refuse_the_rest_of(waiting.key, refusal)

    async def _publish_surely(self, waiting: _Waiting) -> LogRefused | None:
        """Send one op until its fate is known; returns why the log refused it, when it cannot hold it from an earlier try."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                position = await self._append([waiting])
            except (AppendUnknown, BusDown):
                pass
            except (AppendRefused, BadMessage) as refusal:
                if not waiting.uncertain:
                    _log.warning("log_refused_op", reason=str(refusal))
                    return LogFull() if isinstance(refusal, AppendRefused) and refusal.is_full else LogRefused()
            else:
                self._save(waiting, position)
                return None
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _refuse_the_rest_of(self, key: CommitKey, refusal: LogRefused) -> None:
        """What follows a refused op of the same client would leave a hole in its numbers."""
        for waiting in self._queues.pop(key, ()):
            self._refuse(waiting, refusal)

    def _save(self, waiting: _Waiting, position: int) -> None:
        self._forget(waiting)
        if not waiting.future.done():
            waiting.future.set_result(position)

    def _refuse(self, waiting: _Waiting, refusal: LogRefused) -> None:
        self._forget(waiting)
        if not waiting.future.done():
            waiting.future.set_exception(type(refusal)())

    def _forget(self, waiting: _Waiting) -> None:
        self.waiting_ops -= 1
        self.waiting_bytes -= len(waiting.payload)

    def _release(self, keys: set[CommitKey]) -> None:
        self._busy -= keys
        self._ready.extend(key for key in keys if key in self._queues)
