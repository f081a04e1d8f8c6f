"""The table of addresses, and what goes around every route: problems outermost, then the count of requests."""

import time
from http import HTTPStatus

from aiohttp import web

from gateway.http import probes, reading, sessions, writing
from gateway.http.api import API, Api
from gateway.http.problems import Handler, problems

_BASE = "/api/collaboration"


def register(app: web.Application, api: Api) -> None:
    """Add the HTTP API to an application."""
    app[API] = api
    app.middlewares.extend((measured, problems))
    app.router.add_post(f"{_BASE}/weddings", writing.found_wedding)
    app.router.add_post(f"{_BASE}/join/{{wedding}}", reading.join)
    app.router.add_post(f"{_BASE}/events/{{wedding}}", writing.submit_event)
    app.router.add_post(f"{_BASE}/sync/{{wedding}}", writing.sync)
    app.router.add_get(f"{_BASE}/presence/{{wedding}}", reading.presence)
    app.router.add_get(f"{_BASE}/history/{{wedding}}", reading.history)
    app.router.add_get(f"{_BASE}/sessions/{{wedding}}", sessions.list_sessions)
    app.router.add_delete(f"{_BASE}/sessions/{{wedding}}", sessions.end_sessions)
    app.router.add_delete(f"{_BASE}/sessions/{{wedding}}/{{session}}", sessions.end_session)
    app.router.add_get("/healthz", probes.healthz)
    app.router.add_get("/readyz", probes.readyz)
    app.router.add_get("/metrics", probes.metrics)


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count a request under its route's pattern; sockets are counted elsewhere."""
    started_at = time.perf_counter()
    response = await handler(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        method = request.method if request.method in {"GET", "POST", "DELETE", "HEAD", "OPTIONS"} else "other"
        request.app[API].metrics.observe_request(route, method, response.status, time.perf_counter() - started_at)
    return response
