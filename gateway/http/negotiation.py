"""What is judged before a route runs: a body that is compressed or no JSON (415), a caller that takes no JSON (406).

A parameter given twice is refused, too. A body without a type, or with the one that curl, urllib and aiohttp name when told
nothing, is read as JSON. A middleware of gateway.http.routes; only operations that answer JSON are judged.
"""

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.http.operations import OPERATIONS, Query
from gateway.http.problems import Handler

_JSON: Final = "application/json"
_PLAIN: Final = "identity"
_UNTOLD: Final = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
_TAKES_BODY: Final = frozenset(operation.route for operation in OPERATIONS if operation.body is not None)
_QUERY: Final = {operation.route: operation.query for operation in OPERATIONS}
_ANSWERS_JSON: Final = frozenset(
    operation.route for operation in OPERATIONS if any(shape is not None for shape in operation.answers.values())
)


@web.middleware
async def negotiated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """See the module; raises aiohttp's errors and GatewayError, which become problems."""
    route = request.match_info.handler
    if route in _ANSWERS_JSON and not takes_json(request.headers.getall(hdrs.ACCEPT, [])):
        raise web.HTTPNotAcceptable
    if route in _TAKES_BODY and not (is_json(request.content_type) and is_plain(request.headers)):
        raise web.HTTPUnsupportedMediaType
    for parameter in _QUERY.get(route, ()):
        _judge(parameter, request.query.getall(parameter.name, []))
    return await handler(request)


def _judge(parameter: Query, values: list[str]) -> None:
    """What holds for every parameter; the rest is for its route to judge. Raises GatewayError bad_value."""
    name, schema = parameter.name, parameter.schema
    if parameter.is_required and not any(values):
        raise GatewayError("bad_value", f"`{name}` is missing.", f"Add it: {parameter.description}")
    if len(values) > 1:
        raise GatewayError("bad_value", f"`{name}` stands there twice.", "Give each parameter once.")
    for value in values:
        if "enum" in schema and value not in schema["enum"]:
            raise GatewayError("bad_value", f"`{name}` is none of its values.", f"Use one of {', '.join(schema['enum'])}.")
        if schema.get("type") == "integer" and not value:
            raise GatewayError("bad_value", f"`{name}` is empty.", "Give a number, or leave it out.")


def is_json(media_type: str) -> bool:
    """Whether a body of this type is read as JSON; aiohttp says octet-stream where none is named."""
    is_named = media_type == _JSON or (media_type.startswith("application/") and media_type.endswith("+json"))
    return is_named or media_type in _UNTOLD


def is_plain(headers: Mapping[str, str]) -> bool:
    """Whether a body is sent as it is: nothing here unpacks one."""
    return headers.get(hdrs.CONTENT_ENCODING, _PLAIN).strip().lower() in {"", _PLAIN}


def takes_json(accepted: list[str]) -> bool:
    """Whether the values of the header Accept let `application/json` in (RFC 9110, 12.5.1: the most exact range decides)."""
    weights = dict(_weighed(each) for value in accepted for each in value.split(",") if each.strip())
    if not weights:
        return True
    return next((weights[each] > 0 for each in (_JSON, "application/*", "*/*") if each in weights), False)


def _weighed(text: str) -> tuple[str, float]:
    """One range and its weight; a weight that cannot be read counts as 1."""
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return media_range, float(weight)
    except ValueError:
        return media_range, 1.0
