"""What a member asks for: to join, and who is here (`POST .../join`, `GET .../presence`)."""

import time

from aiohttp import web

from actors.contract.channels import may_read
from gateway.http.api import API, client_of_today
from gateway.http.callers import json_response, visiting
from gateway.http.permissions import permissions_in
from gateway.ids import new_connection_id
from gateway.tokens import make_token


async def join(request: web.Request) -> web.Response:
    """Give a member what its client needs to open a socket: a client id, a fresh token, the address."""
    settings = request.app[API].settings
    async with visiting(request) as (claims, room, rights):
        token = make_token(
            settings.jwt_secret.get_secret_value(),
            claims.principal,
            claims.wedding,
            use="client",
            lifetime_seconds=settings.token_lifetime_seconds,
            now=time.time(),
        )
        answer = {
            "session": new_connection_id(),
            "client": client_of_today(),
            "token": token,
            "websocketUrl": _websocket_url(request),
            "permissions": permissions_in(room, claims.principal),
            "channels": {channel: sequence for channel, sequence in room.channels.items() if may_read(rights, channel)},
        }
    return json_response(answer)


async def presence(request: web.Request) -> web.Response:
    """Who is in the wedding now, as the caller may see it."""
    async with visiting(request) as (claims, _, rights):
        seen = await request.app[API].presence.whole(claims.wedding, rights)
    active = sorted(user for user, each in seen.items() if each.get("status") != "offline")
    return json_response({"activeUsers": active, "presence": seen})


def _websocket_url(request: web.Request) -> str:
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return f"{'wss' if secure else 'ws'}://{request.host}/ws"
