"""One supervised connection to NATS: publish and subscribe, across every loss of the connection.

nats-py's own reconnection is switched off. Whatever ends a connection (end of file, silence, an error of the server, a dead
read loop), a new client is built with the same subscriptions; nothing that was published while down is ever sent later, and
no handler is cancelled half way. Only store.bus builds on this module.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Self

import nats.errors
import structlog
from nats.aio.subscription import Subscription

from store.client import LogClient, Message
from store.errors import BadMessage, BusDown

CONNECT_WITHIN_SECONDS = 5.0
RECONNECT_WAIT_SECONDS = 0.2
BARRIER_TIMEOUT_SECONDS = 5
#: A server that does not answer two pings is gone, whatever TCP says: noticed within three intervals.
PING_INTERVAL_SECONDS = 2.0
PINGS_UNANSWERED = 2
#: Beyond this many bytes a publisher waits for the socket.
_PENDING_BYTES = 8 * 1024 * 1024
_MALFORMED = (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, nats.errors.BadHeaderError)
_LOST = (OSError, nats.errors.Error, TimeoutError)

log = structlog.get_logger()


Handler = Callable[[Message], Awaitable[None]]


class BusSubscription:
    """Interest in a subject; it lives across reconnects until `unsubscribe`."""

    def __init__(self, connection: "Connection", subject: str, queue: str, handler: Handler) -> None:
        self.subject = subject
        self.client: LogClient | None = None
        self._connection = connection
        self._queue = queue
        self._handler = handler
        self._native: Subscription | None = None
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.create_task(self._deliver())

    @property
    def waiting(self) -> int:
        """How many messages have arrived and not been handled."""
        return self._waiting.qsize()

    async def attach(self, client: LogClient) -> None:
        """Subscribe on this client; raises what nats-py raises."""
        native = await client.subscribe(self.subject, queue=self._queue, pending_msgs_limit=0, pending_bytes_limit=0)
        # Our queue instead of the client's own: it outlives the client, and so does the task that empties it.
        early: asyncio.Queue[Any] = native._pending_queue  # noqa: SLF001  # nats-py has no public way
        native._pending_queue = self._waiting  # type: ignore[assignment]  # noqa: SLF001  # LogClient puts ours
        while not early.empty():
            self._waiting.put_nowait(early.get_nowait())
        self._native, self.client = native, client
        if self._task.done():  # unsubscribed meanwhile
            await native.unsubscribe()

    async def unsubscribe(self) -> None:
        """Stop; messages that wait are dropped."""
        self._connection.forget(self)
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
                await handler(message)
            except BusDown:
                # It would have answered; who asked hears nothing, as of anybody while NATS is away, and asks again.
                log.warning("bus_handler_without_nats", subject=self.subject)
            except Exception:
                log.exception("bus_handler_failed", subject=self.subject)


class Connection:
    """See the module. `on_disconnect` and `on_reconnect` are called without arguments and must not block."""

    def __init__(self, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> None:
        self.connected = False
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_reconnect: list[Callable[[], None]] = []
        self._servers = url.split(",")
        #: Whose turn it is: processes spread over the servers, and go to the next one whenever theirs fails.
        self._turn = secrets.randbelow(len(self._servers))
        self._options: dict[str, Any] = {"user": user, "password": password, "name": name, "inbox_prefix": inbox_prefix}
        self._inbox_prefix = f"{inbox_prefix}.{secrets.token_hex(8)}"
        self._numbers = itertools.count(1)
        self._subscriptions: set[BusSubscription] = set()
        self._closing = False
        self._client: LogClient
        self._rebuild_task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> Self:
        """Connect within 5 s; raises BusDown. `url` may name several servers, separated by commas."""
        connection = cls(url, user=user, password=password, name=name, inbox_prefix=inbox_prefix)
        deadline = time.monotonic() + CONNECT_WITHIN_SECONDS
        while not await connection._build():
            if time.monotonic() > deadline:
                await connection.close()
                raise BusDown(f"NATS did not answer at {_without_credentials(url)}; check the address, user and password.")
        return connection

    async def publish(self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Send a message; raises BusDown when there is no connection, BadMessage when no server would take it."""
        if not self.connected:
            raise BusDown
        try:
            await self._client.publish(subject, payload, reply, headers)
        except _MALFORMED as error:
            raise BadMessage(f"{subject[:200]!r}: {error}") from None
        except _LOST as error:
            raise BusDown from error

    async def publish_batch(self, batch_id: str, messages: Sequence[tuple[str, bytes]], *, reply: str) -> None:
        """Send an atomic batch of JetStream; raises like `publish`."""
        if not self.connected:
            raise BusDown
        try:
            await self._client.publish_batch(batch_id, messages, reply)
        except _MALFORMED as error:
            raise BadMessage(f"A message of the batch: {error}") from None
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

    async def barrier(self) -> None:
        """Return when the server knows every subscription made before; raises BusDown."""
        if not self.connected:
            raise BusDown
        try:
            await _round_trip(self._client)
        except _LOST as error:
            raise BusDown from error

    async def close(self) -> None:
        """Send what is pending and disconnect for good."""
        self._closing = True
        self.connected = False
        if self._rebuild_task is not None:
            self._rebuild_task.cancel()
            await asyncio.wait([self._rebuild_task])
        if hasattr(self, "_client"):
            await _retire(self._client)
        for subscription in list(self._subscriptions):
            await subscription.unsubscribe()

    async def _build(self) -> bool:
        """Connect, subscribe everything and only then let publishers in; False, after a pause, when that failed."""
        client = LogClient()
        try:
            await client.connect(
                self._servers[self._turn % len(self._servers)],
                **self._options,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type]  # typed int, used in a sleep
                ping_interval=PING_INTERVAL_SECONDS,  # type: ignore[arg-type]  # typed int, used in a sleep
                max_outstanding_pings=PINGS_UNANSWERED,
                pending_size=_PENDING_BYTES,
                flush_timeout=5,
                error_cb=self._on_error,
            )
            while missing := [each for each in self._subscriptions if each.client is not client]:
                for subscription in missing:
                    await subscription.attach(client)
                await _round_trip(client)
        except asyncio.CancelledError:
            await _retire(client)
            raise
        except Exception as error:  # whatever a server says or nats-py makes of it, the next attempt follows
            log.debug("bus_connect_failed", error=repr(error))
            await _retire(client)
            self._turn += 1
            await asyncio.sleep(RECONNECT_WAIT_SECONDS)
            return False
        self._client = client
        self.connected = not self._closing
        # The end of the read loop is the one sign that all ends of a connection share; nats-py's own callbacks miss some.
        reading = client._reading_task  # noqa: SLF001  # see above
        assert reading is not None  # noqa: S101  # set by connect
        reading.add_done_callback(lambda _task: self._on_lost())
        return True

    def _on_lost(self) -> None:
        if self._closing:
            return
        log.warning("bus_disconnected")
        self.connected = False
        self._rebuild_task = asyncio.create_task(self._rebuild())
        _call_each(self.on_disconnect)

    async def _rebuild(self) -> None:
        await _retire(self._client)
        self._turn += 1
        # nats-py swallows a cancellation now and then, so `close` is looked for at every turn.
        while not self._closing and not await self._build():
            pass
        if self._closing:
            return
        log.info("bus_reconnected")
        _call_each(self.on_reconnect)

    async def _on_error(self, error: Exception) -> None:
        # Such as a subject that this user may not use. While connecting, failure is expected and tried again.
        if self.connected:
            with suppress(Exception):  # what is raised here would end nats-py's read loop
                log.warning("bus_error", error=str(error))


def _call_each(callbacks: Sequence[Callable[[], None]]) -> None:
    """Whatever one of them raises, the others are called and the connection lives on."""
    for callback in list(callbacks):
        try:
            callback()
        except Exception:
            log.exception("bus_callback_failed")


async def _round_trip(client: LogClient) -> None:
    # The first flush writes its PING before the commands that wait; only the second comes after them.
    await client.flush(timeout=BARRIER_TIMEOUT_SECONDS)
    await client.flush(timeout=BARRIER_TIMEOUT_SECONDS)


async def _retire(client: LogClient) -> None:
    with suppress(Exception):
        async with asyncio.timeout(1):
            await client.close()


def _without_credentials(url: str) -> str:
    return ", ".join(each.rpartition("@")[2] for each in url.split(","))
