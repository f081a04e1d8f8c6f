"""Reading the log in order, each position once, across every loss of the consumer behind it (design D3).

A pull consumer with a plain inbox, no acknowledgements, memory storage. The host's fold and tools read the log through it.
Every doubt has one remedy: delete the consumer and make a new one from the own position + 1.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from store.acknowledgements import delivery_tokens
from store.bus import Bus, BusSubscription, Message
from store.errors import GenerationChanged, JetStreamError, LogMismatch, StoreError
from store.log_continuity import Continuity
from store.log_search import first_of

#: (position, log time in Unix milliseconds, subject, data)
OnMessage = Callable[[int, int, str, bytes], Awaitable[None]]

PULL_MESSAGES = 2000
PULL_EXPIRES_SECONDS = 30
#: A reader that is gone leaves its consumer behind for this long.
INACTIVE_SECONDS = 30
RETRY_SECONDS = 0.2
ASK_EVERY_SECONDS = 1.0
#: Nobody answers for a stream whose leader has just died: to ask again soon finds the next one soon.
ANSWER_WITHIN_SECONDS = 1.5
_NANOSECONDS = 1_000_000_000

log = structlog.get_logger()


class LogConsumer:
    """Delivers the messages of some partitions of one stream after a position."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: list[str],
        after_position: int,
        on_message: OnMessage,
        *,
        on_reset: Callable[[str], None] = lambda _reason: None,
        on_broken: Callable[[Exception], None] = lambda _error: None,
        heartbeat_seconds: float = 1.0,
        silence_seconds: float = 2.5,
        require_whole: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """`on_reset` hears why the consumer was made anew; `on_broken` that reading ended for good.

        `require_whole` is asked before each consumer whether the log holds everything after a position; it raises LogMismatch.

        It ends when `on_message` raises (the exception is handed over) and when the log is not the one that was read
        (LogMismatch, GenerationChanged).
        """
        #: Every message of the filters at or below it has been handled; it advances while idle too.
        self.position = after_position
        self._bus = bus
        self._stream = stream
        self._filters = filters
        self._on_message = on_message
        self._on_reset = on_reset
        self._on_broken = on_broken
        self._heartbeat_seconds = heartbeat_seconds
        self._silence_seconds = silence_seconds
        self._require_whole = require_whole
        self._inbox = bus.new_inbox()
        self._continuity = Continuity(bus, stream)
        self._incarnation = 0
        #: The name of the consumer that is believed, "" while there is none.
        self._consumer = ""
        self._consumer_sequence = 0
        #: (messages, position): when so many came from this consumer, everything up to the position has been handled.
        self._caught_up: tuple[int, int] = (0, 0)
        self._asked = 0
        self._heard_at = time.monotonic()
        self._doubt, self._is_copied = "", False
        self._wake = asyncio.Event()
        self._previous_asking: tuple[int, int, bool] | None = None
        self._subscription: BusSubscription | None = None
        self._watch_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns when the consumer exists. Raises LogMismatch when this log does not go on at `after_position`."""
        self._subscription = await self._bus.subscribe(f"{self._inbox}.*", self._on_delivery)
        self._bus.on_reconnect.append(self._on_reconnect)
        try:
            await self._create()
        except StoreError:
            await self.stop()
            raise
        self._watch_task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End; no message is delivered after it returns."""
        if self._on_reconnect in self._bus.on_reconnect:
            self._bus.on_reconnect.remove(self._on_reconnect)
        if self._watch_task is not None and self._watch_task is not asyncio.current_task():
            self._watch_task.cancel()
            await asyncio.wait([self._watch_task])
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None
            await self._delete()

    async def last_position(self) -> int:
        """Ask for the stream's last position; raises StoreError."""
        return int((await self._stream_info())["state"]["last_seq"])

    async def _on_delivery(self, message: Message) -> None:
        tokens = delivery_tokens(message.reply)
        if not tokens:
            await self._on_status(message)
            return
        _, consumer, _, sequence, consumer_sequence, nanoseconds, _ = tokens
        if consumer != self._consumer:
            return
        self._heard_at = time.monotonic()
        if int(consumer_sequence) != self._consumer_sequence + 1:
            self._reset("gap")
            return
        position, timestamp_ms = int(sequence), int(nanoseconds) // 1_000_000
        if position > self.position:
            try:
                await self._on_message(position, timestamp_ms, message.subject, message.data)
            except Exception as error:
                self._break(error)
                return
            self.position = position
            self._continuity.handled(position, timestamp_ms)
            if consumer != self._consumer:  # made anew meanwhile: the counts are another consumer's
                return
        self._consumer_sequence += 1
        if self._consumer_sequence == self._caught_up[0]:
            self.position = max(self.position, self._caught_up[1])
        self._asked -= 1
        if self._asked == PULL_MESSAGES // 2:
            await self._pull()

    async def _on_status(self, message: Message) -> None:
        if not self._consumer or message.subject != self._reply_subject():
            return
        self._heard_at = time.monotonic()
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "100":
            if int(headers.get("Nats-Last-Consumer", "0")) > self._consumer_sequence:
                self._reset("lost")
        elif status == "408":
            self._asked -= int(headers.get("Nats-Pending-Messages", "0"))
            if self._asked <= PULL_MESSAGES // 2:
                await self._pull()
        else:
            self._reset(f"{status} {headers.get('Description', '')}".strip())

    async def _pull(self) -> None:
        self._asked += PULL_MESSAGES
        request = (
            f'{{"batch":{PULL_MESSAGES},"expires":{PULL_EXPIRES_SECONDS * _NANOSECONDS},'
            f'"idle_heartbeat":{int(self._heartbeat_seconds * _NANOSECONDS)}}}'
        )
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        with suppress(StoreError):  # a reconnect or silence makes the consumer anew
            await self._bus.publish(subject, request.encode(), reply=self._reply_subject())

    def _reply_subject(self) -> str:
        return f"{self._inbox}.{self._incarnation}"

    def _on_reconnect(self) -> None:
        self._reset("reconnect")

    def _reset(self, reason: str) -> None:
        self._doubt = reason
        self._wake.set()

    def _break(self, error: Exception) -> None:
        log.error("log_reader_broken", stream=self._stream, position=self.position, error=str(error))
        self._consumer = ""
        if self._watch_task is not None:
            self._watch_task.cancel()
        self._on_broken(error)

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._doubt else ASK_EVERY_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if not self._doubt:
                    await self._look()
                if self._doubt:
                    await self._recreate()
            except (GenerationChanged, LogMismatch) as error:
                self._break(error)
                return
            except StoreError as error:
                log.warning("log_reader_waits", stream=self._stream, error=error.message)

    async def _look(self) -> None:
        """Ask what the consumer delivered; doubt it when it is silent, gone, or ahead of us twice with nothing between."""
        if time.monotonic() - self._heard_at > self._silence_seconds and self._is_idle():
            self._reset("silence")
            return
        # First the stream, then the consumer: what the consumer has no more of was in the stream before.
        last_position = await self.last_position()
        try:
            info = await self._ask(f"CONSUMER.INFO.{self._stream}.{self._consumer}")
        except JetStreamError as error:
            self._reset(error.message)
            return
        received, delivered = self._consumer_sequence, int(info["delivered"]["consumer_seq"])
        previous, self._previous_asking = self._previous_asking, (received, last_position, delivered > received)
        if previous is None:
            return
        if previous == (received, previous[1], True) and delivered > received and self._is_idle():
            self._reset("stuck")
        elif delivered == received and info["num_pending"] == 0:
            # The server counts what is pending a moment after it stores: only what it had an asking ago is sure.
            await self._follow(previous[1])

    async def _follow(self, position: int) -> None:
        """Go on to a position up to which the consumer calls nothing pending."""
        consumer, before = self._consumer, self.position
        if position <= before:
            return
        # The server that leads the consumer counts in a copy of its own, which may lag behind: who leads the stream is asked.
        first = await first_of(self._bus, self._stream, self._filters, before + 1) if self._is_copied else None
        if (consumer, before) != (self._consumer, self.position):
            return
        if first is not None and first <= position:
            # Without waking anybody: as long as the copy lags, making the consumer anew may wait for its turn.
            self._doubt = "lags behind"
        else:
            self.position = position

    def _is_idle(self) -> bool:
        """Whether all that has arrived was handled: a slow handler is no reason for doubt."""
        return self._subscription is not None and not self._subscription.waiting

    async def _recreate(self) -> None:
        reason = self._doubt
        await self._delete()
        self._consumer = ""
        await self._create()
        log.info("log_reader_recreated", stream=self._stream, after=self.position, reason=reason)
        self._on_reset(reason)

    async def _create(self) -> None:
        info = await self._stream_info()
        await self._continuity.require(info, self.position)
        if self._require_whole is not None:
            await self._require_whole(self.position)
        start = self.position + 1
        self._incarnation += 1
        name = f"reader-{self._inbox.rsplit('.', 2)[1]}-{self._inbox.rsplit('.', 1)[1]}-{self._incarnation}"
        config = {
            "name": name,
            "description": "WedSync log reader: folds ops in order; made anew after any doubt",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": start,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subjects": self._filters,
            "mem_storage": True,
            "num_replicas": info["config"]["num_replicas"],
            "inactive_threshold": INACTIVE_SECONDS * _NANOSECONDS,
        }
        created = await self._ask(
            f"CONSUMER.CREATE.{self._stream}.{name}", {"stream_name": self._stream, "config": config, "action": "create"}
        )
        self._doubt, self._previous_asking = "", None
        self._consumer_sequence = self._asked = 0
        self._heard_at = time.monotonic()
        self._is_copied = info["config"]["num_replicas"] > 1
        self._consumer = name
        pending, last_position = int(created["num_pending"]), int(info["state"]["last_seq"])
        # What a copy calls pending is not all that there is.
        self._caught_up = (pending, 0 if self._is_copied else last_position)
        await self._pull()
        if pending == 0:
            await self._follow(last_position)

    async def _stream_info(self) -> dict[str, Any]:
        return await self._ask(f"STREAM.INFO.{self._stream}")

    async def _ask(self, api_subject: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._bus.js_request(api_subject, body, timeout_seconds=ANSWER_WITHIN_SECONDS)

    async def _delete(self) -> None:
        """Without waiting for the answer, which may not come: a consumer that nobody asks goes by itself."""
        if self._consumer:
            subject = f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}"
            with suppress(StoreError):
                await self._bus.publish(subject, b"", reply=self._bus.new_inbox())
