"""The parts of one gateway and how they are wired. `process` runs it; routes and services of the edge find their parts here."""

import asyncio
import secrets
from typing import Protocol, Self

from aiohttp import web

from config.settings import Settings
from gateway.access.authentication import Authentication
from gateway.access.limiter import Limiter
from gateway.access.revocations import Revocations
from gateway.counts import Counts
from gateway.ops.group_commit import GroupCommit
from gateway.ops.submit import Submitter
from gateway.ports import PresenceHub
from gateway.rooms.hub import Hub
from gateway.rooms.owner import Owner
from gateway.wire.socket import WriteTurn
from store.bus import Bus
from store.log_writer import LogWriter
from store.postgres import Database


class Service(Protocol):
    """A part with a life of its own: started before the port opens, stopped after the sockets are closed."""

    async def start(self) -> None:
        """Begin; an error keeps the gateway from starting."""
        ...

    async def stop(self) -> None:
        """End within a second or so."""
        ...


class Gateway:
    """Everything that one gateway process has one of. `ready` is False while it starts and while it drains."""

    def __init__(self, settings: Settings, bus: Bus, database: Database, writer: LogWriter, boot: str) -> None:
        self.settings = settings
        self.id = settings.gateway_id
        self.boot = boot
        self.bus = bus
        self.database = database
        self.ready = False
        self.counts = Counts()
        self.limiter = Limiter(settings.limits, self.counts)
        self.write_turn = WriteTurn()
        self.commits = [
            GroupCommit(
                writer,
                batch_ops=settings.commit_batch_ops,
                publishes_in_flight=settings.commits_in_flight,
                timeout_seconds=settings.publish_timeout_seconds,
                waiting_bytes_limit=settings.limits.waiting_bytes_per_gateway // settings.log_streams,
            )
            for _ in range(settings.log_streams)
        ]
        self.owner = Owner(bus, settings, self.counts)
        self.hub = Hub(bus, self.owner, settings, self.counts)
        self.revocations = Revocations(bus, database, settings)
        self.revocations.on_revoked.append(self.hub.end_revoked)
        self.authentication = Authentication(settings.jwt_secret.get_secret_value(), self.revocations.includes)
        self.submitter = Submitter(self.commits, self.owner, self.limiter, self.counts)
        self._presence: PresenceHub | None = None
        self.writer = writer

    @property
    def presence(self) -> PresenceHub:
        assert self._presence is not None  # noqa: S101  # process wires it before the port opens
        return self._presence

    @presence.setter
    def presence(self, presence: PresenceHub) -> None:
        self._presence = presence

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect to NATS; raises StoreError. Postgres is connected to by whoever first asks it."""
        boot = secrets.token_hex(16)
        name = f"gateway {settings.gateway_id}"
        password = settings.nats_password.get_secret_value()
        bus = await Bus.connect(
            settings.nats_url.get_secret_value(),
            user=settings.nats_user,
            password=password,
            name=name,
            inbox_prefix="_INBOX_gateway",
        )
        database = await Database.open(settings.database_url.get_secret_value(), min_size=0, max_size=2)
        writer = await LogWriter.open(bus, boot, database)
        return cls(settings, bus, database, writer, boot)

    def is_full(self) -> bool:
        """Whether there is no room for another socket, or for many more ops on their way to the log."""
        limits = self.settings.limits
        waiting_bytes = sum(commit.waiting_bytes for commit in self.commits)
        return self.hub.open_sockets >= limits.sockets_per_gateway or waiting_bytes > limits.waiting_bytes_per_gateway * 3 // 4

    async def commits_drained(self) -> None:
        """Return once every op that was taken has its place in the log."""
        await asyncio.gather(*(commit.drained() for commit in self.commits))

    async def close(self) -> None:
        """Give everything back; what still waits for the log is given up."""
        for commit in self.commits:
            await commit.close()
        await self.writer.close()
        await self.bus.close()
        await self.database.close()


GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
