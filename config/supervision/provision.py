"""What must be there before a host or a gateway starts: migrated tables, streams, and servers that can do our work.

Called once by `up`, between the servers and the roles; real deployments run it with `wedsync provision`. It connects
as the NATS user `host`, whose right it is to make streams.
"""

import structlog

from config.settings import Settings
from config.supervision.errors import JetStreamMissing
from config.supervision.nats_permissions import inbox_prefix
from store.bus import Bus
from store.errors import JetStreamError, NoResponder
from store.migrate import migrate
from store.postgres import Database
from store.streams import provision

# Atomic batches and message schedules: nats-server 2.12.
_API_LEVEL = 2

log = structlog.get_logger(__name__)


async def provision_servers(settings: Settings) -> None:
    """Bring tables and streams up to date; raises StoreError (unreachable, mismatch) with the remedy."""
    database = await Database.open(settings.database_url.get_secret_value(), max_size=2)
    try:
        await migrate(database)
        bus = await _connect(settings)
        try:
            await _check_jetstream(bus)
            identity = await provision(bus, database, settings)
        finally:
            await bus.close()
    finally:
        await database.close()
    log.info("servers_provisioned", stream_id=identity.stream_id, generation=identity.generation)


async def _check_jetstream(bus: Bus) -> None:
    """Raise JetStreamMissing where a server of one's own cannot keep the log; whether it syncs cannot be asked."""
    try:
        account = await bus.js_request("INFO")
    except (NoResponder, JetStreamError) as error:
        raise JetStreamMissing(reason="JetStream is off for this account") from error
    level = account.get("api", {}).get("level", 0)
    if level < _API_LEVEL:
        raise JetStreamMissing(reason=f"its JetStream is of API level {level}, {_API_LEVEL} is needed")


async def _connect(settings: Settings) -> Bus:
    return await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="wedsync-up",
        inbox_prefix=inbox_prefix("host"),
    )
