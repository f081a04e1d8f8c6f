"""The host: connections, the identity of the log, one duty after another, and the NATS service that shows it (design D2, D3).

`Host.start` returns when it serves; `stop` drains. What must end the process arrives at `failure`. Called by process and by
tests, which run hosts in their own loop.
"""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import structlog

from actors.domain.rules import NEWEST
from actors.runtime.buffer import FlushBuffer, Mailbox
from actors.runtime.counters import Counters
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.deciding import Deciding
from actors.runtime.duty import Duty
from actors.runtime.errors import HostError
from actors.runtime.ports import Bus, Log, Store
from actors.runtime.publish import Publisher
from actors.runtime.resources import Background, Resources
from config.settings import Settings
from store import streams
from store.bus import Bus as NatsBus
from store.errors import GenerationChanged, LogMismatch, StoreError
from store.host_log import HostLog
from store.host_store import HostStore
from store.migrate import migrate
from store.postgres import Database
from store.streams import LogIdentity

VERSION = "0.1.0"
RETRY_SECONDS = 0.5
#: Connections that no number of reads can take away from flush, snapshots and projections.
CONNECTIONS_FOR_WRITING = 3
log = structlog.get_logger()


class Host:
    """One running host; made with `start`, or on other ports and then told to `serve`."""

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        store: Store,
        op_log: Log,
        identity: LogIdentity,
        new_boot: Callable[[], str],
        deciding: Deciding | None = None,
    ) -> None:
        self.settings = settings
        self.counters = Counters()
        #: Fails with what must end the process.
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bus = bus
        self._store = store
        self._log = op_log
        self._identity = identity
        self._new_boot = new_boot
        self._deciding = deciding or Deciding()
        self._now = asyncio.get_running_loop().time
        self._background = Background(self.failure)
        self._started_at = self._now()
        self.is_closed = False
        self.duty = self._new_duty()

    @classmethod
    async def start(cls, settings: Settings, watch: Callable[[Deciding], None] = lambda _deciding: None) -> Self:
        """Connect, make what is missing, take the first share, and serve; raises StoreError, HostError.

        `watch` is given what the host will have in hand, before it takes anything.
        """
        bus = await NatsBus.connect(
            settings.nats_url.get_secret_value(),
            user=settings.nats_user,
            password=settings.nats_password.get_secret_value(),
            name=f"wedsync-{settings.host_id}",
            inbox_prefix="_INBOX_host",
        )
        try:
            database = await Database.open(
                settings.database_url.get_secret_value(),
                max_size=settings.database_pool_connections,
                timeout_seconds=settings.database_timeout_seconds,
            )
        except StoreError:
            await bus.close()
            raise
        try:
            await migrate(database)
            identity = await streams.provision(bus, database, settings)
            op_log = await HostLog.open(bus, database, identity, settings, secrets.token_hex(16))
        except StoreError:
            await database.close()
            await bus.close()
            raise
        deciding = Deciding.of_life(settings.data_dir, settings.host_id, secrets.token_hex(8), identity.generation)
        watch(deciding)
        host = cls(settings, bus, HostStore(database, identity), op_log, identity, partial(secrets.token_hex, 8), deciding)
        try:
            await host.serve()
        except (StoreError, HostError):
            await host.close()
            raise
        return host

    async def serve(self) -> None:
        """Take the first share and go on with it in the background; raises StoreError, HostError."""
        await self.duty.begin()
        await self._bus.add_service(
            "wedsync-host",
            VERSION,
            "Folds the log for its share of the partitions, stores what was decided and answers reads",
            {"host": self.settings.host_id, "region": self.settings.region},
            self.stats,
        )
        self._bus.on_reconnect.append(self._look_after_streams)
        self._background.start(self._live(), "host")

    def _look_after_streams(self) -> None:
        """A server that was killed has been seen to come back without INTAKE: whatever is missing is made again."""
        self._background.start(self._provision_again(), "provision")

    async def _provision_again(self) -> None:
        try:
            await self._log.look_after()
        except LogMismatch:
            raise
        except StoreError as error:
            log.warning("streams_not_looked_after", error=str(error))

    async def _live(self) -> None:
        """Do one duty after another; each ends when the host has missed its own heartbeats."""
        while True:
            await self.duty.until_lost()
            log.error("host_begins_anew", reason="it has not heard its own heartbeats")
            self.counters.restarts_as_new += 1
            await self.duty.end()
            await self._begin_anew()

    async def _begin_anew(self) -> None:
        while True:
            self.duty = self._new_duty()
            try:
                await self.duty.begin()
                return
            except (GenerationChanged, LogMismatch):
                raise
            except StoreError as error:
                log.warning("host_waits_for_its_store", error=str(error))
                await self.duty.end()
                await asyncio.sleep(RETRY_SECONDS)

    def _new_duty(self) -> Duty:
        settings = self.settings
        readers = settings.database_pool_connections - CONNECTIONS_FOR_WRITING
        return Duty(
            Resources(
                settings,
                self._bus,
                self._store,
                self._log,
                self._identity,
                Publisher(self._identity.generation, settings.limits.envelope_bytes),
                DeadLetters(self._log, self.counters),
                self._deciding,
                self.failure,
                self.counters,
                FlushBuffer(settings.flush_buffer_bytes, settings.flush_ops),
                Mailbox(settings.waking_queue_bytes),
                asyncio.Semaphore(max(1, readers)),
                asyncio.Semaphore(max(1, readers - 1)),
                self._now,
                self._new_boot,
            )
        )

    def stats(self) -> dict[str, Any]:
        """Return what this host does at the moment, for operators."""
        partitions = self.duty.ownership.partitions.values()
        buffer = self.duty.buffer
        return {
            **self.counters.as_dict(),
            "host": self.settings.host_id,
            "generation": self._identity.generation,
            "alarms": self._log.alarms(),
            "rules_known": NEWEST,
            "partitions": len(partitions),
            "halted_partitions": sum(partition.halted_at is not None for partition in partitions),
            "awake_actors": sum(len(partition.actors) for partition in partitions),
            "read_position": max((partition.position for partition in partitions), default=0),
            "lowest_checkpoint": min((partition.checkpoint for partition in partitions), default=0),
            "unflushed_decisions": buffer.count,
            "unflushed_bytes": buffer.bytes,
            "uptime_seconds": round(self._now() - self._started_at, 3),
        }

    async def stop(self) -> None:
        """Drain and disconnect: announce it, store and snapshot everything within `drain_seconds`, then end."""
        await self._background.stop()
        try:
            async with asyncio.timeout(self.settings.drain_seconds):
                await self.duty.drain()
        except (StoreError, TimeoutError) as error:
            # Nothing is lost: whoever owns the partitions next folds what is not stored.
            log.warning("drain_cut_short", error=str(error))
        await self.close()

    async def close(self) -> None:
        """End at once, as after a crash: nothing more is stored."""
        self.is_closed = True
        await self._background.stop()
        await self.duty.end()
        self._deciding.close()
        await self._log.close()
        await self._store.close()
        await self._bus.close()
