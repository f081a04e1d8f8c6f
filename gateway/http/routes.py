"""The routes, made from the table of operations, and what goes around each.

Outermost is the count of requests, then the origin of web pages, problems, and media types.
"""

import time
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.access.addresses import address_of
from gateway.http.api import API, Api
from gateway.http.negotiation import negotiated
from gateway.http.operations import BASE, OPERATIONS
from gateway.http.origins import pages_of_others
from gateway.http.problems import Handler, problems
from gateway.http.web import register as register_web


def register(app: web.Application, api: Api) -> None:
    """Add the HTTP API to an application."""
    app[API] = api
    app.middlewares.extend((measured, pages_of_others, problems, limited, negotiated))
    app.on_response_prepare.append(_without_versions)
    register_web(app)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.address, operation.route)
        if operation.method == "GET":
            app.router.add_route("HEAD", operation.address, operation.route)


async def _without_versions(_: web.Request, response: web.StreamResponse) -> None:
    """Strangers are not told which versions of which libraries answer them."""
    response.headers[hdrs.SERVER] = "WedSync"


@web.middleware
async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count a request where it comes from; those of operators and sockets are not meant."""
    api = request.app[API]
    if request.path.startswith(BASE):
        api.limiter.require_message(address_of(request, api.settings.trusted_proxies))
    return await handler(request)


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
