"""Errors as RFC 9457 problem details: one form for every refusal, unknown routes and faults of ours included.

`type title status detail code remedy`, and `op` and `next` where there is one. The middleware turns whatever a route raises into
it, so that routes only raise. No token, query string or item content is ever in a problem or in a log line of it.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from actors.contract.codes import CODES
from actors.contract.decisions import Refusal
from actors.contract.errors import ContractError
from gateway.errors import GatewayError, LimitMet, Refused
from gateway.http.api import API

PROBLEM_TYPE: Final = "application/problem+json"
_STATUS: Final[dict[str, HTTPStatus]] = {
    "bad_frame": HTTPStatus.BAD_REQUEST,
    "bad_id": HTTPStatus.BAD_REQUEST,
    "bad_token": HTTPStatus.UNAUTHORIZED,
    "bad_value": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_type": HTTPStatus.UNPROCESSABLE_ENTITY,
    "type_mismatch": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not_allowed": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "base_too_old": HTTPStatus.CONFLICT,
    "too_many": HTTPStatus.CONFLICT,
    "wedding_unknown": HTTPStatus.NOT_FOUND,
    "version_unsupported": HTTPStatus.BAD_REQUEST,
    "resend_from": HTTPStatus.CONFLICT,
    "client_expired": HTTPStatus.GONE,
    "slow_down": HTTPStatus.TOO_MANY_REQUESTS,
    "waking": HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "dependencies_missing": HTTPStatus.CONFLICT,
    "conflict_closed": HTTPStatus.CONFLICT,
    "superseded": HTTPStatus.CONFLICT,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
#: Where aiohttp refuses before a route runs: our code, what happened, and what helps.
_OF_HTTP_STATUS: Final[dict[int, tuple[str, str, str]]] = {
    404: ("not_found", "There is nothing at this address.", "Use one of the addresses in docs/protocol.md."),
    405: ("bad_frame", "This address does not take this method.", "Use a method that the header Allow names."),
    408: ("bad_frame", "The body did not come in time.", "Send it at once, over a better connection."),
    406: ("bad_frame", "The answer is JSON, which the header Accept does not take.", "Accept application/json, or leave it out."),
    413: ("too_large", "The body is larger than the limit.", CODES["too_large"].remedy),
    415: (
        "bad_frame",
        "The body is no plain JSON, as its headers say.",
        "Send Content-Type: application/json, and no Content-Encoding.",
    ),
}

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status_of(code: str) -> int:
    """The HTTP status of an outcome code."""
    return int(_STATUS[code])


def problem_members(
    code: str, detail: str, remedy: str, *, op: str = "", following: int = 0, status: int = 0, met: LimitMet | None = None
) -> dict[str, Any]:
    """The members of a problem; `following` becomes `next`, `met` becomes `limit`, `value` and `retryAfterMs`."""
    members: dict[str, Any] = {
        "type": f"urn:wedsync:problem:{code}",
        "title": CODES[code].message,
        "status": status or status_of(code),
        "detail": detail,
        "code": code,
        "remedy": remedy,
    }
    if op:
        members["op"] = op
    if following:
        members["next"] = following
    if met is not None:
        members |= {"limit": met.limit, "value": met.value}
        members |= {} if met.retry_after_ms is None else {"retryAfterMs": met.retry_after_ms}
    return members


def allowed_methods(refused: web.HTTPMethodNotAllowed) -> str:
    """The header Allow: what the address takes, and OPTIONS, which every one takes."""
    return ", ".join(sorted({*refused.allowed_methods, "OPTIONS"}))


def problem_response(members: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    """The response that carries a problem."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return web.Response(status=members["status"], body=_encode(members), content_type=PROBLEM_TYPE, headers=headers)


def refusal_members(refusal: Refusal, op: str, following: int) -> dict[str, Any]:
    """The problem of an op that the wedding refused."""
    return problem_members(refusal.code, refusal.message, refusal.remedy, op=op, following=following)


def error_members(error: GatewayError | ContractError) -> dict[str, Any]:
    """The problem of an error that the gateway raised itself."""
    op, following = (error.op, error.next) if isinstance(error, Refused) else ("", 0)
    met = error.met if isinstance(error, GatewayError) else None
    return problem_members(error.code, error.message, error.remedy, op=op, following=following, met=met)


def error_headers(error: GatewayError | ContractError) -> dict[str, str] | None:
    """What a client should know beside the problem: when to come back, and how to authenticate."""
    if error.code == "bad_token":
        return {"WWW-Authenticate": 'Bearer realm="wedsync"'}
    if error.code in ("slow_down", "waking", "unavailable"):
        met = error.met if isinstance(error, GatewayError) else None
        wait_ms = (None if met is None else met.retry_after_ms) or 1000
        return {"Retry-After": str(-(-wait_ms // 1000))}
    return None


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that a route raises into a problem."""
    try:
        return await handler(request)
    except (GatewayError, ContractError) as error:
        return problem_response(error_members(error), error_headers(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        code, detail, remedy = _OF_HTTP_STATUS.get(error.status, ("bad_frame", *CODES["bad_frame"]))
        met = None
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            met = LimitMet("frameBytes", request.app[API].settings.limits.frame_bytes)
        members = problem_members(code, detail, remedy, status=error.status, met=met)
        return problem_response(
            members, {"Allow": allowed_methods(error)} if isinstance(error, web.HTTPMethodNotAllowed) else None
        )
    except Exception as error:
        # Who has gone in the midst of a request has not met a fault of ours, and hears nothing of it.
        if not (isinstance(error, ConnectionResetError) and request.transport is None):
            _log.exception("http_failed", method=request.method, path=request.path)
        text = CODES["internal_error"]
        return problem_response(problem_members("internal_error", text.message, "Try again; report it if it happens again."))
