"""The API described by itself: `/openapi.json`, `/asyncapi.json`, a page that shows both, and `/limits`. None needs a token."""

from functools import lru_cache
from importlib.resources import files

import msgspec
from aiohttp import web

from gateway.http.api import API


async def limits(request: web.Request) -> web.Response:
    """Every limit of this gateway, under the names that `welcome.limits` uses."""
    return _json(msgspec.json.encode(request.app[API].settings.limits.as_wire()))


async def openapi(request: web.Request) -> web.Response:
    """The HTTP API as OpenAPI 3.1."""
    del request
    return _json(_openapi())


async def asyncapi(request: web.Request) -> web.Response:
    """The WebSocket and the NATS subjects as AsyncAPI 3."""
    del request
    return _json(_asyncapi())


async def page(request: web.Request) -> web.Response:
    """Both documents for people."""
    del request
    return web.Response(text=_page(), content_type="text/html", headers={"Content-Security-Policy": _POLICY})


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
def _page() -> str:
    return (files("gateway") / "http" / "page.html").read_text(encoding="utf-8")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
