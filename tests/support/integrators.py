"""An integrator with the plain NATS client: publishes its ops and hears its feed and its outcomes, as docs/protocol.md says."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from gateway.access.tokens import make_token
from tests.support.gateways import JWT_SECRET
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


def callout_settings(server: NatsServer) -> dict[str, Any]:
    """Settings of a gateway that admits integrators to this server."""
    return {"nats_auth_password": server.password_of("auth"), "nats_issuer_seed": server.keys.issuer_seed}


class Integrator:
    """`events` and `outcomes` hold what it heard, in order; `errors` what its connection complained of."""

    def __init__(self, client: Client, wedding: str, principal: str) -> None:
        self.client = client
        self.wedding = wedding
        self.principal = principal
        self.subject = f"wedding.{wedding}.op.{principal}"
        self.events: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        self.errors: list[str] = []

    async def listen(self) -> None:
        async def on_event(message: Msg) -> None:
            self.events.append(json.loads(message.data))

        async def on_outcome(message: Msg) -> None:
            self.outcomes.append(json.loads(message.data))

        await self.client.subscribe(f"wedding.{self.wedding}.feed.{self.principal}.>", cb=on_event)
        await self.client.subscribe(f"wedding.{self.wedding}.outcome.{self.principal}", cb=on_outcome)
        await self.client.flush()

    async def publish(self, payload: Any, **headers: str) -> None:
        """An op, or bytes as they are; underscores in the names of headers stand for hyphens."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.client.publish(self.subject, data, headers={name.replace("_", "-"): each for name, each in headers.items()})
        await self.client.flush()

    async def task(self, action: str, identifier: str, data: dict[str, Any], **headers: str) -> None:
        """An op on a task."""
        target = {"collection": "tasks", "id": identifier}
        await self.publish({"type": "task_completion", "action": action, "target": target, "data": data}, **headers)

    async def outcome(self, code: str) -> dict[str, Any]:
        """The first outcome with this code, once it is there."""
        await eventually(lambda: [each for each in self.outcomes if each.get("code") == code], f"the outcome {code}")
        return next(each for each in self.outcomes if each.get("code") == code)


@asynccontextmanager
async def integrator(server: NatsServer, wedding: str, principal: str) -> AsyncIterator[Integrator]:
    """Connected with a token of its own, listening."""
    token = make_token(JWT_SECRET, principal, wedding, use="nats", lifetime_seconds=600, now=time.time())
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error))

    client = await nats.connect(
        f"nats://{principal}:{token}@127.0.0.1:{server.port}", inbox_prefix=f"_INBOX_{principal}".encode(), error_cb=note
    )
    try:
        connected = Integrator(client, wedding, principal)
        connected.errors = errors
        await connected.listen()
        yield connected
    finally:
        await client.close()
