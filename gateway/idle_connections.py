"""HTTP connections that only wait for another request, told from those in use: a gateway that drains ends the former at once.

Clients with a pool would otherwise ask a gateway that is going again and again. aiohttp's own `pre_shutdown` ends the handlers of
such connections and leaves them open, so that a request on one is never answered. Used by gateway.process.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web

from gateway.app import GATEWAY
from gateway.http.problems import Handler


class IdleConnections:
    """Knows the connections that are in use, sockets included."""

    def __init__(self) -> None:
        self._in_use: set[asyncio.Transport] = set()

    def watch(self, app: web.Application) -> None:
        """See every request of the application; added before anything else, so that nothing is outside of it."""
        app.middlewares.append(self._notice)
        app.on_response_prepare.append(_end_where_elsewhere_is_better)

    def end(self, server: web.Server) -> None:
        """Close those that are not in use."""
        for connection in server.connections:
            if connection.transport not in self._in_use:
                connection.force_close()

    @web.middleware
    async def _notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return await handler(request)
        self._in_use.add(transport)
        try:
            return await handler(request)
        finally:
            self._in_use.discard(transport)


async def _end_where_elsewhere_is_better(request: web.Request, response: web.StreamResponse) -> None:
    """A connection that is kept leads to this gateway again, also when another one would take the request."""
    if not request.app[GATEWAY].ready or response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        # aiohttp has written down already that the connection stays.
        response.headers["Connection"] = "close"
        response.force_close()
