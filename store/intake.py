"""Draining INTAKE: one gateway at a time, through a durable consumer with a pinned priority group (design D10).

The server delivers to one puller, the pinned one; when it stops asking, another gateway's request is pinned. What was not
acknowledged is delivered again, which the fold sees as a repeat. Called by the gateway's intake.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog

from actors.contract.subjects import INTAKE_STREAM
from store.acknowledgements import delivery_tokens
from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError

DURABLE = "intake"
GROUP = "gateways"
OP_ID_HEADER = "Wedsync-Op-Id"
PIN_HEADER = "Nats-Pin-Id"
ACK_WAIT_SECONDS = 30
PIN_SECONDS = 5
EXPIRES_SECONDS = 2
HEARTBEAT_SECONDS = 1
SILENCE_SECONDS = 3.0
RETRY_SECONDS = 0.5
_NANOSECONDS = 1_000_000_000

log = structlog.get_logger()


class IntakeMessage:
    """One op of an integrator or operator, and the right to say what becomes of it; the acknowledgements never raise."""

    __slots__ = ("_bus", "_reply", "data", "op_id_header", "principal", "sequence", "stream_created_seconds", "wedding")

    def __init__(self, bus: Bus, message: Message, stream_created_seconds: int) -> None:
        self._bus = bus
        self._reply = message.reply
        _, self.wedding, _, self.principal = message.subject.split(".")
        self.sequence, _ = _sequences(message.reply)
        #: Tells this sequence from the same one of an earlier INTAKE, in Unix seconds.
        self.stream_created_seconds = stream_created_seconds
        #: The id that its author gave the op, if any; no other header is handed on.
        self.op_id_header = _header(message.headers, OP_ID_HEADER)
        self.data = message.data

    async def ack(self) -> None:
        """It is in the log, or a repeat: take it out of the queue."""
        await self._answer(b"+ACK")

    async def term(self) -> None:
        """It will never be taken: take it out of the queue."""
        await self._answer(b"+TERM")

    async def _answer(self, verdict: bytes) -> None:
        with suppress(StoreError):  # it is delivered again, and is then a repeat
            await self._bus.publish(self._reply, verdict)


class IntakeConsumer:
    """Delivers messages while this process is the pinned one; what is not acknowledged within 30 s is delivered again."""

    def __init__(self, bus: Bus, on_message: Callable[[IntakeMessage], Awaitable[None]], *, batch: int = 200) -> None:
        """`batch` bounds how many are unacknowledged at once."""
        self._bus = bus
        self._on_message = on_message
        self._batch = batch
        self._inbox = bus.new_inbox()
        self._pin = ""
        self._pull = 0
        self._left = 0
        self._is_gone = False
        #: Just pinned: what the gateway before us left unacknowledged would come only after later ops, so the consumer
        #: must be reset, and what was delivered before the reset is dropped.
        self._must_reset = False
        self._awaits_first = False
        self._heard_at = 0.0
        self._stream_created_seconds = 0
        self._wake = asyncio.Event()
        self._subscription: BusSubscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the consumer is made when missing. Raises StoreError."""
        await self._make_consumer()
        self._subscription = await self._bus.subscribe(f"{self._inbox}.*", self._on_delivery)
        self._bus.on_reconnect.append(self._on_reconnect)
        self._task = asyncio.create_task(self._keep_pulling())

    async def stop(self) -> None:
        """End, and let another gateway take over at once."""
        task, self._task = self._task, None
        if task is None or self._subscription is None:
            return
        self._bus.on_reconnect.remove(self._on_reconnect)
        task.cancel()
        await asyncio.wait([task])
        await self._subscription.unsubscribe()
        if self._pin:
            with suppress(StoreError):
                await self._bus.js_request(f"CONSUMER.UNPIN.{INTAKE_STREAM}.{DURABLE}", {"group": GROUP})

    def _on_reconnect(self) -> None:
        # The server may have come back with another INTAKE, whose sequences begin anew: look before anything is handed on.
        self._is_gone = True
        self._wake.set()

    async def _make_consumer(self) -> None:
        stream = await self._bus.js_request(f"STREAM.INFO.{INTAKE_STREAM}")
        self._stream_created_seconds = int(datetime.fromisoformat(stream["created"][:19] + "+00:00").timestamp())
        config = {
            "durable_name": DURABLE,
            "description": "WedSync: drains the intake; one gateway at a time is pinned",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_SECONDS * _NANOSECONDS,
            "max_ack_pending": self._batch,
            "deliver_policy": "all",
            "priority_groups": [GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": PIN_SECONDS * _NANOSECONDS,
        }
        await self._bus.js_request(f"CONSUMER.CREATE.{INTAKE_STREAM}.{DURABLE}", {"stream_name": INTAKE_STREAM, "config": config})

    async def _keep_pulling(self) -> None:
        """Ask anew whenever the last request is used up or over, and after silence; make the consumer again when it is gone."""
        while True:
            self._wake.clear()
            try:
                if self._is_gone:
                    await self._make_consumer()
                    self._is_gone = False
                if self._must_reset:
                    await self._reset()
                await self._ask()
            except StoreError as error:
                log.warning("intake_waits", error=error.message)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            while not self._wake.is_set() and time.monotonic() - self._heard_at < SILENCE_SECONDS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await self._wake.wait()
            if self._is_gone:
                await asyncio.sleep(RETRY_SECONDS)

    async def _reset(self) -> None:
        """Let deliveries begin anew at the oldest op that was not acknowledged."""
        self._must_reset = False
        try:
            await self._bus.js_request(f"CONSUMER.RESET.{INTAKE_STREAM}.{DURABLE}")
        except StoreError:
            self._must_reset = True
            raise

    async def _ask(self) -> None:
        self._pull += 1
        self._left = self._batch
        self._heard_at = time.monotonic()
        request = {
            "batch": self._batch,
            "expires": EXPIRES_SECONDS * _NANOSECONDS,
            "idle_heartbeat": HEARTBEAT_SECONDS * _NANOSECONDS,
            "group": GROUP,
        }
        if self._pin:
            request["id"] = self._pin
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{INTAKE_STREAM}.{DURABLE}"
        await self._bus.publish(subject, msgspec.json.encode(request), reply=f"{self._inbox}.{self._pull}")

    async def _on_delivery(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        if not message.reply.startswith("$JS.ACK."):
            self._on_status(message)
            return
        pin = _pin_of(message.headers) or self._pin
        if pin != self._pin:
            self._pin = pin
            self._must_reset = self._awaits_first = True
            self._wake.set()
            return
        if self._awaits_first:
            _, delivery = _sequences(message.reply)
            if delivery != 1:
                return
            self._awaits_first = False
        self._left -= 1
        if self._left == 0:
            self._wake.set()
        await self._on_message(IntakeMessage(self._bus, message, self._stream_created_seconds))

    def _on_status(self, message: Message) -> None:
        status = _header(message.headers, "Status")
        if status == "100" or not message.subject.endswith(f".{self._pull}"):
            return
        if status == "423":
            self._pin = ""
        elif status != "408":
            self._is_gone = True
        self._wake.set()


def _sequences(reply: str) -> tuple[int, int]:
    """The message's sequence in the stream and among the deliveries since the consumer was made or reset."""
    tokens = delivery_tokens(reply)
    return int(tokens[3]), int(tokens[4])


def _pin_of(headers: Mapping[str, str] | None) -> str | None:
    """The pin as the server adds it at the end, even behind a line that its author left without an end; no author's own."""
    name, pin = next(reversed(list((headers or {}).items())), ("", None))
    return pin if name.endswith(PIN_HEADER) else None


def _header(headers: Mapping[str, str] | None, name: str) -> str | None:
    return None if headers is None else headers.get(name)
