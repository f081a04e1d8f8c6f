"""The one supervised NATS connection of a process: publish, subscribe, request, JetStream requests.

nats-py's own reconnection is switched off. Whatever ends a connection (end of file, silence, an error of the server, a dead
read loop), the bus builds a new client with the same subscriptions; nothing that was published while down is ever sent later,
and no handler is cancelled half way. Everything in `store` that needs NATS stands on this module; nobody else imports nats.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from actors.contract.calls import Reply
from store.errors import BadMessage, BusDown, JetStreamError, NoResponder, RequestTimeout, StoreError
from store.micro import Service

CONNECT_WITHIN_SECONDS = 10.0
RECONNECT_WAIT_SECONDS = 0.2
BARRIER_TIMEOUT_SECONDS = 5
JETSTREAM_TIMEOUT_SECONDS = 5.0
#: Beyond this many bytes a publisher waits for the socket.
_PENDING_BYTES = 8 * 1024 * 1024

log = structlog.get_logger()
_decode_reply = msgspec.json.Decoder(Reply).decode
_LOST = (OSError, nats.errors.Error, TimeoutError)


class Message(NamedTuple):
    """One message as a handler gets it."""

    subject: str
    data: bytes
    reply: str
    headers: Mapping[str, str] | None


Handler = Callable[[Message], Awaitable[None]]


class BusSubscription:
    """Interest in a subject; it lives across reconnects until `unsubscribe`."""

    def __init__(self, bus: "Bus", subject: str, queue: str, handler: Handler) -> None:
        self.subject = subject
        self.client: Client | None = None
        self._bus = bus
        self._queue = queue
        self._handler = handler
        self._native: Subscription | None = None
        self._waiting: asyncio.Queue[Msg] = asyncio.Queue()
        self._task = asyncio.create_task(self._deliver())

    @property
    def waiting(self) -> int:
        """How many messages have arrived and not been handled."""
        return self._waiting.qsize()

    async def attach(self, client: Client) -> None:
        """Subscribe on this client; raises what nats-py raises."""
        native = await client.subscribe(self.subject, queue=self._queue, pending_msgs_limit=0, pending_bytes_limit=0)
        # Our queue instead of the client's own: it outlives the client, and so does the task that empties it.
        early, native._pending_queue = native._pending_queue, self._waiting  # noqa: SLF001  # nats-py has no public way
        while not early.empty():
            self._waiting.put_nowait(early.get_nowait())
        self._native, self.client = native, client
        if self._task.done():  # unsubscribed meanwhile
            await native.unsubscribe()

    async def unsubscribe(self) -> None:
        """Stop; messages that wait are dropped."""
        self._bus.forget(self)
        if self._native is not None:
            with suppress(*_LOST):
                await self._native.unsubscribe()
        if self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _deliver(self) -> None:
        waiting, handler = self._waiting, self._handler
        while True:
            message = await waiting.get()
            try:
                await handler(Message(message.subject, message.data, message.reply, message.headers))
            except Exception:
                log.exception("bus_handler_failed", subject=self.subject)


class Bus:
    """See the module. `on_disconnect` and `on_reconnect` are called without arguments and must not block or raise."""

    def __init__(self, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> None:
        self.connected = False
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_reconnect: list[Callable[[], None]] = []
        self._servers = url.split(",")
        self._options: dict[str, Any] = {"user": user, "password": password, "name": name, "inbox_prefix": inbox_prefix}
        self._inbox_prefix = f"{inbox_prefix}.{secrets.token_hex(8)}"
        self._numbers = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Message] | _HostReplies] = {}
        self._subscriptions: set[BusSubscription] = set()
        self._closing = False
        self._client: Client
        self._rebuild_task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> Self:
        """Connect within 10 s; raises BusDown. `url` may name several servers, separated by commas."""
        bus = cls(url, user=user, password=password, name=name, inbox_prefix=inbox_prefix)
        bus._subscriptions.add(BusSubscription(bus, f"{bus._inbox_prefix}.*", "", bus._on_answer))
        try:
            async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
                await bus._build()
        except TimeoutError:
            await bus.close()
            raise BusDown(f"NATS did not answer at {_without_credentials(url)}; check the address, user and password.") from None
        return bus

    async def publish(self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Send a message; raises BusDown when there is no connection, BadMessage when no server would take it."""
        if not self.connected:
            raise BusDown
        try:
            await self._client.publish(subject, payload, reply, headers)
        except (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, nats.errors.BadHeaderError) as error:
            raise BadMessage(f"{subject[:200]!r}: {error}") from None
        except _LOST as error:
            raise BusDown from error

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> BusSubscription:
        """Call `handler` for each message, one after the other; what it raises is logged."""
        subscription = BusSubscription(self, subject, queue, handler)
        self._subscriptions.add(subscription)
        if self.connected:
            with suppress(*_LOST):  # then the rebuild that follows attaches it
                await subscription.attach(self._client)
        return subscription

    def forget(self, subscription: BusSubscription) -> None:
        """Called by a subscription that ends."""
        self._subscriptions.discard(subscription)

    def new_inbox(self) -> str:
        """A reply subject of this role that nobody else has; the caller may append tokens to it."""
        return f"{self._inbox_prefix}.{next(self._numbers)}"

    async def request(self, subject: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Ask and wait for one answer; raises RequestTimeout, NoResponder, BusDown."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        async with self._awaiting(future, subject, payload, timeout_seconds):
            return (await future).data

    async def call(self, subject: str, payload: bytes, *, timeout_seconds: float) -> list[Reply]:
        """Ask the owner and collect the replies (JSON) of the host that answers first; raises like `request`."""
        replies = _HostReplies()
        async with self._awaiting(replies, subject, payload, timeout_seconds):
            return await replies.done

    @asynccontextmanager
    async def _awaiting(
        self, answer: "asyncio.Future[Message] | _HostReplies", subject: str, payload: bytes, timeout_seconds: float
    ) -> AsyncIterator[None]:
        inbox = self.new_inbox()
        self._answers[inbox] = answer
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.publish(subject, payload, reply=inbox)
                yield
        except TimeoutError:
            raise RequestTimeout(f"Nobody answered on {subject} within {timeout_seconds:g} s; ask again.") from None
        finally:
            del self._answers[inbox]

    async def _on_answer(self, message: Message) -> None:
        answer = self._answers.get(message.subject)
        if answer is None:
            return
        future = answer if isinstance(answer, asyncio.Future) else answer.done
        if future.done():
            return
        if message.headers is not None and not message.data and message.headers.get("Status") == "503":
            future.set_exception(NoResponder())
        elif isinstance(answer, asyncio.Future):
            answer.set_result(message)
        else:
            answer.take(message.data)

    async def barrier(self) -> None:
        """Return when the server knows every subscription made before; raises BusDown."""
        if not self.connected:
            raise BusDown
        try:
            await _round_trip(self._client)
        except _LOST as error:
            raise BusDown from error

    async def js_request(self, api_subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the JetStream API, `api_subject` without `$JS.API.`; raises JetStreamError and like `request`."""
        payload = b"" if body is None else msgspec.json.encode(body)
        data = await self.request(f"$JS.API.{api_subject}", payload, timeout_seconds=JETSTREAM_TIMEOUT_SECONDS)
        answer: dict[str, Any] = msgspec.json.decode(data)
        if error := answer.get("error"):
            raise JetStreamError(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
        return answer

    async def add_service(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        """Show this process to `nats micro ls / info / stats`; `stats` is asked at each look."""
        service = Service(name, version, description, metadata, stats)
        for subject, answer in service.endpoints():

            async def handle(message: Message, answer: Callable[[], bytes] = answer) -> None:
                if message.reply:
                    await self.publish(message.reply, answer())

            await self.subscribe(subject, handle)

    async def close(self) -> None:
        """Send what is pending and disconnect for good."""
        self._closing = True
        self.connected = False
        if self._rebuild_task is not None:
            self._rebuild_task.cancel()
            await asyncio.wait([self._rebuild_task])
        if hasattr(self, "_client"):
            await _retire(self._client)
        self._fail_answers()
        for subscription in list(self._subscriptions):
            await subscription.unsubscribe()

    async def _build(self) -> None:
        """Connect, subscribe everything and only then let publishers in; tries for ever."""
        while True:
            client = Client()
            try:
                await client.connect(
                    self._servers,
                    **self._options,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type]  # typed int, used in a sleep
                    ping_interval=5,
                    pending_size=_PENDING_BYTES,
                    flush_timeout=5,
                    error_cb=_on_error,
                )
                while missing := [each for each in self._subscriptions if each.client is not client]:
                    for subscription in missing:
                        await subscription.attach(client)
                    await _round_trip(client)
            except _LOST as error:
                log.debug("bus_connect_failed", error=str(error))
                await _retire(client)
                await asyncio.sleep(RECONNECT_WAIT_SECONDS)
                continue
            except asyncio.CancelledError:
                await _retire(client)
                raise
            break
        self._client = client
        self.connected = True
        # The end of the read loop is the one sign that all ends of a connection share; nats-py's own callbacks miss some.
        reading = client._reading_task  # noqa: SLF001  # see above
        assert reading is not None  # noqa: S101  # set by connect
        reading.add_done_callback(lambda _task: self._on_lost())

    def _on_lost(self) -> None:
        if self._closing:
            return
        log.warning("bus_disconnected")
        self.connected = False
        self._fail_answers()
        for callback in list(self.on_disconnect):
            callback()
        self._rebuild_task = asyncio.create_task(self._rebuild())

    async def _rebuild(self) -> None:
        await _retire(self._client)
        await self._build()
        log.info("bus_reconnected")
        for callback in list(self.on_reconnect):
            callback()

    def _fail_answers(self) -> None:
        for answer in self._answers.values():
            future = answer if isinstance(answer, asyncio.Future) else answer.done
            if not future.done():
                future.set_exception(BusDown())


class _HostReplies:
    """The replies of the host that answered first."""

    def __init__(self) -> None:
        self.done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._replies: list[Reply] = []

    def take(self, data: bytes) -> None:
        try:
            reply = _decode_reply(data)
        except msgspec.DecodeError as error:
            self.done.set_exception(StoreError(f"The owner's answer cannot be read: {error}"))
            return
        if self._replies and reply.host != self._replies[0].host:
            return
        self._replies.append(reply)
        if not reply.more:
            self.done.set_result(self._replies)


async def _round_trip(client: Client) -> None:
    # The first flush writes its PING before the commands that wait; only the second comes after them.
    await client.flush(timeout=BARRIER_TIMEOUT_SECONDS)
    await client.flush(timeout=BARRIER_TIMEOUT_SECONDS)


async def _retire(client: Client) -> None:
    with suppress(Exception):
        async with asyncio.timeout(1):
            await client.close()


async def _on_error(error: Exception) -> None:
    log.warning("bus_error", error=str(error))


def _without_credentials(url: str) -> str:
    return ", ".join(each.rpartition("@")[2] for each in url.split(","))
