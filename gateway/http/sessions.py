"""Open sessions of a wedding: everybody sees and ends their own, couple and planner all (`GET` and `DELETE .../sessions`).

Ending one revokes its token, ending a person's sessions all tokens that the person has; open sockets close within a second.
The list is the table that gateways write, which may lag by a second.
"""

from datetime import UTC
from typing import Any

from aiohttp import web

from actors.contract.channels import CORE_ROLES
from actors.contract.ids import SERVICE_PRINCIPALS, is_token
from gateway.errors import GatewayError
from gateway.http.api import API
from gateway.http.callers import Visit, json_response, visiting
from store import sessions
from store.errors import StoreError
from store.sessions import OpenSession


async def list_sessions(request: web.Request) -> web.Response:
    """Who is connected, the longest first."""
    async with visiting(request) as visit:
        found = await _open_sessions(request, visit)
    return json_response({"sessions": [_as_wire(each, visit) for each in found]})


async def end_session(request: web.Request) -> web.Response:
    """Revoke the token of one session."""
    api = request.app[API]
    async with visiting(request) as visit:
        wanted = request.match_info["session"]
        found = [each for each in await _open_sessions(request, visit) if each.session == wanted]
        if not found:
            raise GatewayError("not_found", "There is no such open session.", "Read the list of sessions again.")
        session = found[0]
        wedding, principal = visit.room.wedding, visit.claims.principal
        await api.revocations.revoke_token(wedding, session.user, session.token, principal)
    return web.Response(status=204)


async def end_sessions(request: web.Request) -> web.Response:
    """Revoke every token of a person, `user`, or of the caller."""
    api = request.app[API]
    async with visiting(request) as visit:
        principal = visit.claims.principal
        user = request.query.get("user", principal)
        if not is_token(user):
            raise GatewayError("bad_id", "`user` is not a person's id.")
        if user != principal and not _sees_all(visit):
            raise GatewayError("not_allowed", "Only couple and planner end other people's sessions.")
        await api.revocations.revoke_person(visit.room.wedding, user, principal)
    return web.Response(status=204)


async def _open_sessions(request: web.Request, visit: Visit) -> list[OpenSession]:
    user = None if _sees_all(visit) else visit.claims.principal
    try:
        return await sessions.open_sessions(request.app[API].database, visit.room.wedding, user)
    except StoreError as error:
        raise GatewayError("unavailable", "The list of sessions cannot be read.", "Try again in a moment.") from error


def _sees_all(visit: Visit) -> bool:
    return visit.claims.principal in SERVICE_PRINCIPALS or visit.room.role(visit.claims.principal) in CORE_ROLES


def _as_wire(session: OpenSession, visit: Visit) -> dict[str, Any]:
    return {
        "session": session.session,
        "user": session.user,
        "client": session.client,
        "openedAt": f"{session.opened_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "isOwnToken": session.token == visit.claims.id,
    }
