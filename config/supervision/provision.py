"""What must be there before a host or a gateway starts: migrated tables, streams, and servers that can do our work.

Called once by `up`, between the servers and the roles; real deployments run it with `wedsync provision`. It connects
as the NATS user `host`, whose right it is to make streams.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from config.settings import Settings
from config.supervision.errors import JetStreamMissing
from config.supervision.nats_permissions import inbox_prefix
from store.bus import Bus
from store.errors import BusDown, JetStreamError, NoResponder, RequestTimeout
from store.migrate import migrate
from store.postgres import Database
from store.streams import LogIdentity, provision

# Atomic batches and message schedules: nats-server 2.12.
_API_LEVEL = 2
_LEADERS_WITHIN_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 1.0

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


async def provision_servers(settings: Settings) -> None:
    """Bring tables and streams up to date; raises StoreError (unreachable, mismatch) with the remedy.

    Returns when every stream has a leader.
    """
    database = await Database.open(settings.database_url.get_secret_value(), max_size=2)
    try:
        await migrate(database)
        bus = await _connect(settings)
        try:
            await _check_jetstream(bus)
            identity = await _provision_streams(bus, database, settings)
        finally:
            await bus.close()
    finally:
        await database.close()
    log.info("servers_provisioned", stream_id=identity.stream_id, generation=identity.generation)


async def _check_jetstream(bus: Bus) -> None:
    """Raise JetStreamMissing where a server of one's own cannot keep the log; whether it syncs cannot be asked."""
    try:
        account = await with_a_leader(lambda: bus.js_request("INFO", timeout_seconds=_ASK_AGAIN_SECONDS))
    except (NoResponder, JetStreamError) as error:
        raise JetStreamMissing(reason="JetStream is off for this account") from error
    level = account.get("api", {}).get("level", 0)
    if level < _API_LEVEL:
        raise JetStreamMissing(reason=f"its JetStream is of API level {level}, {_API_LEVEL} is needed")


async def _provision_streams(bus: Bus, database: Database, settings: Settings) -> LogIdentity:
    return await with_a_leader(lambda: provision(bus, database, settings))


async def with_a_leader(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until a cluster has chosen its leaders, or a server that died is back; raises what the last asking raised."""
    deadline = time.monotonic() + _LEADERS_WITHIN_SECONDS
    while True:
        try:
            return await ask()
        except (BusDown, RequestTimeout) as error:
            if time.monotonic() > deadline:
                raise
            log.debug("jetstream_has_no_leader_yet", reason=error.message)
            await asyncio.sleep(_ASK_AGAIN_SECONDS / 4)


async def _connect(settings: Settings) -> Bus:
    return await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="wedsync-up",
        inbox_prefix=inbox_prefix("host"),
    )
