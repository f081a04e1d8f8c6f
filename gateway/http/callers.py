"""Who asks and what for: the bearer token, membership, and the body of a request. Everything here raises; problems.py answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from actors.contract.channels import Rights
from actors.contract.ids import is_token
from gateway.access.tokens import TokenClaims
from gateway.errors import UNREADABLE, GatewayError, OwnerUnreachable, Stand, TokenError
from gateway.http.api import API
from gateway.rooms.owner import PATIENCE_SECONDS
from gateway.rooms.room import Room

#: What an empty body means: all that may be left out is left out.
NOTHING: Final = b"{}"
_Body = TypeVar("_Body")


class Visit(NamedTuple):
    """A member at the wedding that the path names."""

    claims: TokenClaims
    room: Room
    rights: Rights

    async def require_same_rights(self, stand: Stand) -> None:
        """Raise GatewayError waking unless the visitor's rights were still these where the owner stood when it answered.

        The owner cuts its answer by the rights that it is told, and this gateway may not have heard yet that they are fewer.
        """
        if stand.acl > self.room.acl or stand.generation != self.room.generation:
            self.room.notice_head(stand.generation, stand.rev)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self.room.reached(stand.rev)
            except TimeoutError:
                raise OwnerUnreachable from None
        self.require_present_rights()

    def require_present_rights(self) -> None:
        """The same by what this gateway has heard."""
        if self.room.rights(self.claims.principal) != self.rights:
            raise GatewayError("waking", "Your rights have just changed.", "Ask again.")


def claims_of(request: web.Request) -> TokenClaims:
    """Read the bearer token; raises TokenError."""
    return request.app[API].authentication.claims(_bearer_of(request))


def _bearer_of(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError(message="The header `Authorization: Bearer <token>` is missing.")
    return token.strip()


def claims_for(request: web.Request, wedding: str) -> TokenClaims:
    """The same for one wedding: a token names one and opens no other, but those of our own services open all.

    Counts the request; raises SlowDown too.
    """
    token = _bearer_of(request)
    if not is_token(wedding):
        raise GatewayError("bad_id", "The wedding's id is malformed.")
    claims = request.app[API].authentication.claims_for(token, wedding)
    request.app[API].limiter.require_request(wedding, claims.principal)
    return claims


@asynccontextmanager
async def visiting(request: web.Request) -> AsyncIterator[Visit]:
    """Enter the wedding of the path as a member; raises TokenError, or GatewayError wedding_unknown, not_allowed, waking."""
    wedding = request.match_info["wedding"]
    claims = claims_for(request, wedding)
    async with request.app[API].hub.visit(wedding) as room:
        rights = room.rights(claims.principal)
        if rights is None:
            raise GatewayError(
                "not_allowed", "You are not a member of this wedding.", "Ask the couple or the planner to add you."
            )
        visit = Visit(claims, room, rights)
        yield visit
        if request.method == "GET":
            # The answer was cut by rights that may have changed while it was made.
            visit.require_present_rights()


@asynccontextmanager
async def visiting_at_length(request: web.Request) -> AsyncIterator[Visit]:
    """The same, for what takes long: when it is this person's turn; raises SlowDown too."""
    async with (
        visiting(request) as visit,
        request.app[API].limiter.slow_requests.turn((visit.room.wedding, visit.claims.principal)),
    ):
        if request.transport is None:
            # A page that has moved on asks for something else by now, which stands behind this in the line.
            raise GatewayError("unavailable", "Whoever asked has gone.")
        yield visit


async def body_of(request: web.Request, shape: type[_Body]) -> _Body:
    """Decode the JSON body, nothing being `{}`; raises GatewayError bad_frame, or aiohttp's error when it is too large."""
    return decoded(await read_body(request) or NOTHING, shape)


async def read_body(request: web.Request) -> bytes:
    """Read the body; raises aiohttp's error when it is too large or does not come in time."""
    try:
        async with asyncio.timeout(request.app[API].settings.http_body_timeout_seconds):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def decoded(data: bytes, shape: type[_Body]) -> _Body:
    """Decode JSON of this shape; raises GatewayError bad_frame, which says where it does not fit and never what stood there."""
    try:
        return msgspec.json.decode(data, type=shape)
    except UNREADABLE as error:
        raise GatewayError(
            "bad_frame", f"The body does not fit: {error}", "Send one JSON object as docs/protocol.md shows."
        ) from None


def json_response(body: Any, status: int = 200) -> web.Response:
    """A response with a JSON body; bytes are taken as JSON already."""
    payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(status=status, body=payload, content_type="application/json", headers={"Cache-Control": "no-store"})
