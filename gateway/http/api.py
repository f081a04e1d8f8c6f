"""What the routes stand on: the parts of the gateway that they call, held by the application under one key."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from config.settings import Settings
from gateway.access.authentication import Authentication
from gateway.access.limiter import Limiter
from gateway.access.revocations import Revocations
from gateway.ids import new_client
from gateway.ops.authors import Authors
from gateway.ops.submit import Submitter
from gateway.presence.hub import PresenceHub
from gateway.rooms.audits import Audits
from gateway.rooms.hub import Hub
from gateway.rooms.owner import Owner
from gateway.telemetry.health import Health
from gateway.telemetry.metrics import Metrics
from store.postgres import Database


def client_of_today() -> str:
    """A new client id with the day of now in front."""
    return new_client(datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Api:
    """See the module."""

    settings: Settings
    hub: Hub
    owner: Owner
    submitter: Submitter
    limiter: Limiter
    presence: PresenceHub
    health: Health
    metrics: Metrics
    authors: Authors
    authentication: Authentication
    revocations: Revocations
    database: Database
    audits: Audits


API = web.AppKey("api", Api)
