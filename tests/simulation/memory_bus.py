"""The bus in memory: messages at most once, in order from one sender to one listener, lost or late as the network pleases.

`Broker` is the server, `MemoryBus` the connection of one process and the port `Bus` of a host. It keeps what
tests/simulation/test_contract_bus.py says of NATS and this alike.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from store.bus import Handler, Message
from store.errors import BusDown
from tests.simulation.lines import Line

#: Who sends and who hears; tells after how many seconds the message is there, or None when it is lost. 0 is at once.
Network = Callable[["MemoryBus", "MemoryBus"], float | None]


def at_once(_sender: "MemoryBus", _listener: "MemoryBus") -> float | None:
    """A network without faults."""
    return 0.0


class Broker:
    """The server: knows who listens to what."""

    def __init__(self, network: Network = at_once) -> None:
        self._network = network
        self._exact: dict[str, list[MemorySubscription]] = {}
        self._below: dict[str, list[MemorySubscription]] = {}

    def add(self, subscription: "MemorySubscription") -> None:
        self._table(subscription.subject).setdefault(subscription.subject.removesuffix(">"), []).append(subscription)

    def remove(self, subscription: "MemorySubscription") -> None:
        listeners = self._table(subscription.subject).get(subscription.subject.removesuffix(">"), [])
        if subscription in listeners:
            listeners.remove(subscription)

    def _table(self, subject: str) -> "dict[str, list[MemorySubscription]]":
        return self._below if subject.endswith(">") else self._exact

    def publish(self, sender: "MemoryBus", message: Message) -> None:
        listeners = list(self._exact.get(message.subject, ()))
        for prefix, below in self._below.items():
            if message.subject.startswith(prefix):
                listeners += below
        for listener in listeners:
            delay = self._network(sender, listener.bus)
            if delay is not None:
                listener.bus.send_to(listener, message, sender, delay)


class MemorySubscription:
    """Interest of one connection in a subject."""

    def __init__(self, bus: "MemoryBus", subject: str, handler: Handler) -> None:
        self.bus = bus
        self.subject = subject
        self._handler = handler
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._handle())

    def take(self, message: Message) -> None:
        if self.bus.is_connected:
            self._waiting.put_nowait(message)

    async def unsubscribe(self) -> None:
        self.bus.broker.remove(self)
        if self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _handle(self) -> None:
        while True:
            message = await self._waiting.get()
            try:
                await self._handler(message)
            except Exception as error:
                self.bus.handler_errors.append(error)


class MemoryBus:
    """The connection of one process; `line` only says when its server has heard of something."""

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop, line: Line, name: str = "") -> None:
        self.name = name
        self.broker = broker
        self.is_connected = True
        self.on_reconnect: list[Callable[[], None]] = []
        self.handler_errors: list[Exception] = []
        self._loop = loop
        self._line = line
        #: Until when the last message of each sender is on its way: none overtakes another.
        self._busy_until: dict[MemoryBus, float] = {}

    def disconnect(self) -> None:
        """Lose the connection."""
        self.is_connected = False

    def reconnect(self) -> None:
        """Find the server again."""
        self.is_connected = True
        for callback in list(self.on_reconnect):
            self._loop.call_soon(callback)

    async def publish(self, subject: str, payload: bytes, *, reply: str = "") -> None:
        if not self.is_connected:
            raise BusDown
        self.broker.publish(self, Message(subject, payload, reply, None))

    def send_to(self, listener: MemorySubscription, message: Message, sender: "MemoryBus", delay: float) -> None:
        """Called by the broker: a message for a listener of this connection."""
        when = max(self._loop.time() + delay, self._busy_until.get(sender, 0.0))
        self._busy_until[sender] = when
        self._loop.call_at(when, listener.take, message)

    async def subscribe(self, subject: str, handler: Handler) -> MemorySubscription:
        subscription = MemorySubscription(self, subject, handler)
        self.broker.add(subscription)
        return subscription

    async def barrier(self) -> None:
        if not self.is_connected:
            raise BusDown
        await self._line.ask(lambda: None)

    async def add_service(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        """No operator looks at a made-up world."""

    async def close(self) -> None:
        self.is_connected = False
