"""Which web pages may call: one list of origins for HTTP and WebSockets, and the answers that browsers ask for (CORS).

Only browsers name an origin. Programs that name none are let in, since a token is never a cookie: no page can borrow it. Without
a list the gateway's own pages and those of the same machine may call. A middleware of gateway.http.routes.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from config.checks import origins_of
from gateway.errors import GatewayError
from gateway.http.api import API
from gateway.http.problems import Handler, allowed_methods, error_members, problem_response

EVERY_ORIGIN: Final = "*"
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
#: What a page may send, and what it may read beside the body.
_REQUEST_HEADERS: Final = "Authorization, Content-Type, If-None-Match"
_RESPONSE_HEADERS: Final = "Allow, ETag, Retry-After, WWW-Authenticate"
#: How long a browser need not ask again; Chromium asks after two hours anyway.
_ASK_AGAIN_SECONDS: Final = 600


def may_call(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of this origin may call a gateway that was called as `host`; `allowed` are origins, or `*`."""
    if origin is None or EVERY_ORIGIN in allowed or origin.lower() in allowed:
        return True
    try:
        page = urlsplit(origin.lower())
        name = page.hostname
    except ValueError:
        return False
    if page.scheme not in {"http", "https"}:
        return False
    return page.netloc == host.lower() or (not allowed and (name in _THIS_MACHINE or str(name).endswith(".localhost")))


@web.middleware
async def pages_of_others(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign pages before anything is done for them; tell the others' browsers that they may read the answer."""
    origin = request.headers.get(hdrs.ORIGIN)
    if not (request.host + (origin or "")).isascii():
        # Both come back in answers, which could not be encoded.
        return problem_response(error_members(GatewayError("bad_value", "The headers Host and Origin are of ASCII alone.")))
    if not may_call(origin, request.host, origins_of(request.app[API].settings.allowed_origins)):
        refusal = GatewayError(
            "not_allowed", "Pages of this origin may not call.", "Let the operator add it to WEDSYNC_ALLOWED_ORIGINS."
        )
        return problem_response(error_members(refusal), {hdrs.VARY: hdrs.ORIGIN})
    methods = _methods(request)
    if request.method == hdrs.METH_OPTIONS and methods:
        response: web.StreamResponse = _options(request, methods)
    else:
        response = await handler(request)
    if not response.prepared:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if origin is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _RESPONSE_HEADERS
    return response


def _methods(request: web.Request) -> str:
    """The methods of an address that does not take the one asked for, OPTIONS among them; empty where there is no address."""
    refused = request.match_info.http_exception
    return allowed_methods(refused) if isinstance(refused, web.HTTPMethodNotAllowed) else ""


def _options(request: web.Request, methods: str) -> web.Response:
    """What an address takes; for a browser's question before a request also what the page may send."""
    headers = {hdrs.ALLOW: methods}
    if hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = methods
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _REQUEST_HEADERS
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(_ASK_AGAIN_SECONDS)
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
