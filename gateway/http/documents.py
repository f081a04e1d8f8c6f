"""The API described by itself: `/openapi.json`, `/asyncapi.json`, a page that shows both, and `/limits`. None needs a token."""

import hashlib
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files

import msgspec
from aiohttp import web

from gateway.http.api import API


async def limits(request: web.Request) -> web.Response:
    """Every limit of this gateway, under the names that `welcome.limits` uses."""
    return document(request, msgspec.json.encode(request.app[API].settings.limits.as_wire()))


async def openapi(request: web.Request) -> web.Response:
    """The HTTP API as OpenAPI 3.1."""
    return document(request, _openapi())


async def asyncapi(request: web.Request) -> web.Response:
    """The WebSocket and the NATS subjects as AsyncAPI 3."""
    return document(request, _asyncapi())


async def page(request: web.Request) -> web.Response:
    """Both documents for people."""
    return document(request, _page(), "text/html", {"Content-Security-Policy": _POLICY})


_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"


@lru_cache(maxsize=1)
def _openapi() -> bytes:
    # The table of operations names the routes of this module.
    from gateway.http.openapi import openapi_document

    return msgspec.json.encode(openapi_document())


@lru_cache(maxsize=1)
def _asyncapi() -> bytes:
    from gateway.http.asyncapi import asyncapi_document

    return msgspec.json.encode(asyncapi_document())


@lru_cache(maxsize=1)
def _page() -> bytes:
    return (files("gateway") / "http" / "page.html").read_bytes()


def document(
    request: web.Request, body: bytes, content_type: str = "application/json", headers: dict[str, str] | None = None
) -> web.Response:
    """A body that a caller may keep and ask about again: 304 without it while it is the same (RFC 9110, 13.1.2)."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    known = {each.value for each in request.if_none_match or ()}
    if {tag, "*"} & known:
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    else:
        charset = "utf-8" if content_type.startswith("text/") else None
        response = web.Response(body=body, content_type=content_type, charset=charset, headers=headers)
    response.etag = tag
    response.headers["Cache-Control"] = "no-cache"
    return response
