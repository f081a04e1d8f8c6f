"""The presence of several gateways in one process, over real NATS, and sockets that only remember what they were told."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from actors.contract.channels import Rights, rights_of
from config.settings import Settings
from gateway.presence.hub import PresenceHub
from gateway.wire.socket import WriteTurn
from tests.support.hosts import running_bus
from tests.support.servers import NatsServer

COUPLE, VENDOR = rights_of("couple", "ana"), rights_of("vendor", "tom")
#: Starts the presence of one more gateway: its name, perhaps its boot, and settings.
StartGateway = Callable[..., Awaitable[PresenceHub]]


class FakeSocket:
    """A listener that keeps what it was told; `follow` applies it as a client does."""

    def __init__(self, connection: str, principal: str, rights: Rights = COUPLE) -> None:
        self.connection = connection
        self.principal = principal
        self.rights = rights
        self.is_slow = False
        self.frames: list[dict[str, Any]] = []
        #: Which of them it was told patiently: what it had said itself.
        self.echoes: list[int] = []

    def send_presence(self, frame: bytes, *, is_echo: bool = False) -> bool:
        if self.is_slow:
            return False
        if is_echo:
            self.echoes.append(len(self.frames))
        self.frames.append(json.loads(frame[frame.index(b'{"type"') :]))
        return True

    def follow(self) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for frame in self.frames:
            if frame["whole"]:
                seen = {}
            seen |= frame["presence"]
        return {user: presence for user, presence in seen.items() if presence is not None}

    def sections(self) -> dict[str, Any]:
        return {user: presence.get("section") for user, presence in self.follow().items()}


@asynccontextmanager
async def presence_gateways(nats_server: NatsServer) -> AsyncIterator[StartGateway]:
    """Gateways with a connection each, stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start_gateway(name: str, boot: str = "", **settings: Any) -> PresenceHub:
            bus = await stack.enter_async_context(running_bus(nats_server, "gateway"))
            hub = PresenceHub(bus, Settings(gateway_id=name, **settings), boot or f"boot-of-{name}", WriteTurn().before_end)
            await hub.start()
            stack.push_async_callback(hub.stop)
            return hub

        yield start_gateway


def die(hub: PresenceHub) -> None:
    """What kill -9 does: nothing more is said."""
    hub.correspondence.neighbours.send = lambda *_: None  # type: ignore[method-assign]  # a dead gateway sends nothing
