"""What a member asks for: join, who is here, and what happened (`GET .../presence`, `GET .../history`, `POST .../join`)."""

import time
from datetime import UTC, datetime

from aiohttp import web

from actors.contract.channels import may_read
from gateway.errors import GatewayError
from gateway.http.api import API, client_of_today
from gateway.http.callers import json_response, visiting
from gateway.http.permissions import permissions_of
from gateway.ids import new_connection_id
from gateway.tokens import make_token


async def join(request: web.Request) -> web.Response:
    """Give a member what its client needs to open a socket: a client id, a fresh token, the address."""
    settings = request.app[API].settings
    async with visiting(request) as (claims, room, rights):
        role = room.role(claims.principal)
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
            "permissions": permissions_of(role or "guest", rights),
            "channels": {channel: sequence for channel, sequence in room.channels.items() if may_read(rights, channel)},
        }
    return json_response(answer)


async def presence(request: web.Request) -> web.Response:
    """Who is in the wedding now, as the caller may see it."""
    async with visiting(request) as (claims, _, rights):
        seen = await request.app[API].presence.whole(claims.wedding, rights)
    active = sorted(user for user, each in seen.items() if each.get("status") != "offline")
    return json_response({"activeUsers": active, "presence": seen})


async def history(request: web.Request) -> web.Response:
    """The events since an instant, oldest first, of the channels that the caller may read; `more` when there are further ones."""
    api = request.app[API]
    since_ms = _milliseconds(request.query.get("since"))
    limit = api.settings.limits.history_events
    async with visiting(request) as (claims, _, rights):
        events = await api.owner.history(claims.wedding, since_ms=since_ms, rights=rights, limit=limit + 1)
    more = b"true" if len(events) > limit else b"false"
    return json_response(b'{"events":[' + b",".join(events[:limit]) + b'],"more":' + more + b"}")


def _milliseconds(since: str | None) -> int:
    """An ISO 8601 instant as Unix milliseconds; without a zone it is UTC; absent, everything is meant."""
    if since is None:
        return 0
    try:
        # A plus sign that was not escaped arrives as a space.
        instant = datetime.fromisoformat(since.strip().replace(" ", "+"))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return max(0, int(instant.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise GatewayError("bad_value", "`since` is not an ISO 8601 instant.", "Write it as 2027-06-19T12:00:00Z.") from None


def _websocket_url(request: web.Request) -> str:
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return f"{'wss' if secure else 'ws'}://{request.host}/ws"
