"""The edge of the gateway: presence, HTTP routes, intake, auth callout, projections, health and numbers, wired to the core.

Made by `process` with the core's parts in hand; nothing of the core knows what is in here beyond the ports that it fills.
"""

from aiohttp import web

from gateway.access.callout import Callout
from gateway.app import Gateway, Service
from gateway.http import routes
from gateway.http.api import Api
from gateway.ops.authors import Authors
from gateway.ops.intake import Intake
from gateway.presence.hub import PresenceHub
from gateway.presence.sockets import SocketPresence
from gateway.projections import Projections
from gateway.rooms.audits import Audits
from gateway.telemetry.alarms import AlarmWatch
from gateway.telemetry.health import Health
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.service import VERSION, MicroService


class Edge:
    """`services` are started in their order before the port opens and stopped in reverse; `presence` is what sessions call."""

    def __init__(self, gateway: Gateway) -> None:
        settings, bus = gateway.settings, gateway.bus
        self._gateway = gateway
        self._presence = PresenceHub(bus, settings, gateway.boot, gateway.write_turn.before_end, gateway.hub.rooms.get)
        self.presence = SocketPresence(self._presence, settings.limits.socket_buffer_bytes)
        guard = gateway.writer.guard
        alarms = AlarmWatch(gateway.database, guard, settings.gateway_id)
        self._health = Health(
            bus,
            guard,
            is_draining=lambda: not gateway.ready,
            is_full=gateway.is_full,
            log_is_silent=lambda: any(commit.is_silent for commit in gateway.commits),
            database_answers=lambda: alarms.database_answers,
            hosts_are_heard=lambda: gateway.hub.hears_hosts,
        )
        self._intake = Intake(bus, gateway.hub, gateway.submitter, self._presence, gateway.database, settings)
        self._callout = Callout(settings, gateway.authentication)
        projections = Projections(gateway.database, settings, gateway.boot, self._presence.seen)
        gateway.hub.observers.append(projections)
        gateway.hub.on_rights_change.append(lambda room: self._presence.rights_changed(room.wedding))
        self._presence.on_change.append(projections.presence_changed)
        self._presence.correspondence.on_gateway_lost.append(projections.gateway_lost)
        self._audits = Audits(bus, gateway.hub, gateway.owner, settings, gateway.counts)
        self._metrics = Metrics(gateway.counts, gateway=settings.gateway_id, version=VERSION)
        self._add_readings()
        alarms.add_readings(self._metrics)
        service = MicroService(bus, settings, gateway.boot, self._metrics)
        self.services: list[Service] = [
            gateway.revocations, projections, self._presence, self._health, alarms, self._intake, self._callout,
            self._audits, service,
        ]  # fmt: skip

    def register(self, app: web.Application) -> None:
        """Add routes and middlewares."""
        gateway = self._gateway
        authors = Authors(gateway.submitter, "http")
        api = Api(
            settings=gateway.settings,
            hub=gateway.hub,
            owner=gateway.owner,
            submitter=gateway.submitter,
            limiter=gateway.limiter,
            presence=self._presence,
            health=self._health,
            metrics=self._metrics,
            authors=authors,
            authentication=gateway.authentication,
            revocations=gateway.revocations,
            database=gateway.database,
            audits=self._audits,
        )
        routes.register(app, api)

    def _add_readings(self) -> None:
        metrics, hub, commits = self._metrics, self._gateway.hub, self._gateway.commits
        metrics.gauge("ws_connections", "Open WebSockets.", lambda: hub.open_sockets)
        metrics.gauge("gateway_rooms", "Weddings that are open here.", lambda: len(hub.rooms))
        metrics.gauge("gateway_cache_bytes", "States and events kept for joins.", lambda: hub.caches.total_bytes)
        metrics.counter("gateway_cache_evictions", "Rooms whose cache had to go.", lambda: hub.caches.evictions)
        metrics.gauge("gateway_ready", "1 when traffic may come.", lambda: float(not self._health.reasons()))
        metrics.gauge("gateway_loop_lag_seconds", "How late the event loop was.", lambda: self._health.loop_lag_seconds)
        metrics.gauge("gateway_commit_waiting_ops", "Ops on their way to the log.", lambda: sum(c.waiting_ops for c in commits))
        metrics.gauge("gateway_commit_waiting_bytes", "Their bytes.", lambda: sum(c.waiting_bytes for c in commits))
        metrics.counter("gateway_commit_publishes", "Publishes to the log.", lambda: sum(c.publishes for c in commits))
        metrics.counter("gateway_commit_repeats", "Publishes sent again.", lambda: sum(c.publishes_repeated for c in commits))
        metrics.gauge("gateway_presence_rooms", "Weddings whose presence is known here.", lambda: self._presence.room_count)
        metrics.counter("gateway_presence_updates", "Presence updates of our own clients.", lambda: self._presence.updates)
        metrics.counter("gateway_intake_taken", "Integrators' ops brought to the log.", lambda: self._intake.taken)
        metrics.counter("gateway_intake_refused", "Integrators' ops that lie in wedsync.dead.", lambda: self._intake.refused)
        metrics.gauge("gateway_intake_waiting", "Integrators' ops in hand.", lambda: self._intake.waiting)
        metrics.counter("gateway_integrators_admitted", "Connections admitted to NATS.", lambda: self._callout.admitted)
        metrics.counter("gateway_integrators_refused", "Connections refused by NATS.", lambda: self._callout.refused)
