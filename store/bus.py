"""The one supervised NATS connection of a process: publish, subscribe, request, JetStream requests, micro services.

nats-py's own reconnection is switched off. Whatever ends a connection (end of file, silence, an error of the server, a dead
read loop), the bus builds a new client with the same subscriptions; nothing that was published while down is ever sent later.
Everything in `store` that needs NATS stands on this module; nobody else imports nats.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from actors.contract.calls import Reply


class Message(NamedTuple):
    """One message as a handler gets it."""

    subject: str
    data: bytes
    reply: str
    headers: Mapping[str, str] | None


Handler = Callable[[Message], Awaitable[None]]


class BusSubscription:
    """Interest in a subject; it lives across reconnects until `unsubscribe`."""

    async def unsubscribe(self) -> None:
        """Stop; messages that wait are dropped."""
        raise NotImplementedError


class Bus:
    """See the module."""

    connected: bool
    on_disconnect: list[Callable[[], None]]
    on_reconnect: list[Callable[[], None]]

    @classmethod
    async def connect(cls, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> Self:
        """Connect within 10 s; raises BusDown. `url` may name several servers, separated by commas."""
        raise NotImplementedError

    async def publish(self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Send a message; raises BusDown when there is no connection."""
        raise NotImplementedError

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> BusSubscription:
        """Call `handler` for each message, one after the other."""
        raise NotImplementedError

    def new_inbox(self) -> str:
        """A reply subject of this role that nobody else has."""
        raise NotImplementedError

    async def request(self, subject: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Ask and wait for one answer; raises RequestTimeout, NoResponder, BusDown."""
        raise NotImplementedError

    async def call(self, subject: str, payload: bytes, *, timeout_seconds: float) -> list[Reply]:
        """Ask the owner and collect the replies (JSON) of the host that answers first; raises like `request`."""
        raise NotImplementedError

    async def barrier(self) -> None:
        """Return when the server knows every subscription made before; raises BusDown."""
        raise NotImplementedError

    async def js_request(self, api_subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the JetStream API, `api_subject` without `$JS.API.`; raises JetStreamError and like `request`."""
        raise NotImplementedError

    async def add_service(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        """Show this process to `nats micro ls / info / stats`; kept across reconnects."""
        raise NotImplementedError

    async def close(self) -> None:
        """Send what is pending and disconnect for good."""
        raise NotImplementedError
