"""What a member asks for: to join, and who is here (`POST .../join`, `GET .../presence`)."""

import time

from aiohttp import web

from actors.contract.channels import may_read
from gateway.access.tokens import make_token
from gateway.errors import GatewayError
from gateway.http.api import API, client_of_today
from gateway.http.callers import json_response, visiting
from gateway.http.permissions import permissions_in
from gateway.ids import new_connection_id


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
    """Who is in the wedding now, as the caller may see it, ordered by id; while there are `more`, `cursor` leads on."""
    api = request.app[API]
    async with visiting(request) as (_, room, rights):
        most = _limit_of(request.query.get("limit", ""), api.settings.limits.presence_people)
        after = request.query.get("cursor", "")
        seen, summary = await api.presence.whole(room.wedding, rights)
    users = sorted(user for user in seen if user > after)
    page = {user: seen[user] for user in users[:most]}
    answer: dict[str, object] = {
        "activeUsers": [user for user, each in page.items() if each["status"] != "offline"],
        "presence": page,
        "summary": summary,
        "more": len(users) > most,
    }
    if len(users) > most:
        answer["cursor"] = users[most - 1]
    return json_response(answer)


def _limit_of(text: str, most: int) -> int:
    """The number of people on a page; raises GatewayError bad_value."""
    if not text:
        return most
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise GatewayError("bad_value", "`limit` is a number of people, 1 or more.")
    return min(int(text[:9]), most)


def _websocket_url(request: web.Request) -> str:
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return f"{'wss' if secure else 'ws'}://{request.host}/ws"
