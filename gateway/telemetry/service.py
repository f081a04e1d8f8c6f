"""This gateway as a NATS micro service: `nats micro ls / info / stats wedsync-gateway` show it with its numbers."""

import time
from datetime import UTC, datetime
from importlib.metadata import version

from config.settings import Settings
from gateway.telemetry.metrics import Metrics
from store.bus import Bus

SERVICE_NAME = "wedsync-gateway"
VERSION = version("wedsync")


class MicroService:
    """Registered while the bus lives."""

    def __init__(self, bus: Bus, settings: Settings, boot: str, metrics: Metrics) -> None:
        self._bus = bus
        self._metadata = {
            "gateway": settings.gateway_id,
            "boot": boot,
            "region": settings.region,
            "port": str(settings.port),
            "started": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        }
        self._metrics = metrics

    async def start(self) -> None:
        description = "WedSync gateway: WebSocket and HTTP, presence, intake"
        await self._bus.add_service(SERVICE_NAME, VERSION, description, self._metadata, self._metrics.stats)

    async def stop(self) -> None:
        """The registration ends with the connection."""
