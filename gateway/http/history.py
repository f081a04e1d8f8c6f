"""What happened, page by page: by time, type, person, and by channel and sequence (`GET .../history`).

The owner looks at a bounded number of decisions per question; this asks on until there is something to tell or the end is
reached, so that an empty page means the end.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiohttp import web

from actors.contract.calls import HistoryQuestion
from actors.contract.channels import Rights, may_read
from actors.contract.collections import TYPES
from actors.contract.ids import MAX_INTEGER, is_token
from gateway.errors import GatewayError
from gateway.http.api import API
from gateway.http.callers import Visit, json_response, visiting_at_length
from gateway.http.cursors import opened, sealed

#: How long one request may look for events among those that its caller may not read, before it says where it stands.
_PATIENCE_SECONDS: Final = 2.0


async def history(request: web.Request) -> web.Response:
    """Events of the channels that the caller may read, the oldest first; while there are `more`, `cursor` leads on."""
    api = request.app[API]
    secret = api.settings.jwt_secret.get_secret_value()
    async with visiting_at_length(request) as visit:
        wedding, principal = visit.room.wedding, visit.claims.principal
        question = _question(request.query, visit, api.settings.limits.history_events)
        if cursor := request.query.get("cursor"):
            question = msgspec.structs.replace(question, after_rev=opened(secret, wedding, principal, cursor))
        until = time.monotonic() + _PATIENCE_SECONDS
        stand, events, end = await api.owner.history(wedding, question)
        while end.more and not events and time.monotonic() < until:
            question = msgspec.structs.replace(question, after_rev=end.rev)
            stand, events, end = await api.owner.history(wedding, question)
        await visit.require_same_rights(stand)
    answer: dict[str, object] = {"events": [msgspec.Raw(event) for event in events], "more": end.more}
    if end.more:
        answer["cursor"] = sealed(secret, wedding, principal, end.rev)
    return json_response(answer)


def _question(query: Mapping[str, str], visit: Visit, most: int) -> HistoryQuestion:
    types = tuple(each for each in query.get("type", "").split(",") if each)
    if not TYPES.issuperset(types):
        raise GatewayError("bad_value", "`type` names types of ops, separated by commas.", "See the types in docs/protocol.md.")
    user = query.get("user", "")
    if user and not is_token(user.removeprefix("_")):
        raise GatewayError("bad_value", "`user` is not the id of a person.")
    channel, after = query.get("channel", ""), whole(query, "after", MAX_INTEGER)
    if after and not channel:
        raise GatewayError("bad_value", "`after` is a sequence of a channel.", "Name the `channel`, too.")
    require_readable(visit.rights, channel)
    return HistoryQuestion(
        since_ms=milliseconds(query, "since"),
        until_ms=milliseconds(query, "until"),
        rights=visit.rights,
        limit=min(whole(query, "limit", MAX_INTEGER), most) or most,
        types=types,
        user=user,
        channel=channel,
        after_sequence=after,
    )


def require_readable(rights: Rights, channel: str) -> None:
    """A channel that one may not read is like one that is not there; raises GatewayError not_found."""
    if channel and not may_read(rights, channel):
        raise GatewayError("not_found", "There is no such channel that you may read.", "Leave `channel` out to see yours.")


def whole(query: Mapping[str, str], name: str, most: int) -> int:
    """A whole number up to a bound, 0 when absent; raises GatewayError bad_value."""
    text = query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= most):
        raise GatewayError("bad_value", f"`{name}` is a whole number from 0 to {most}.")
    return int(text)


def milliseconds(query: Mapping[str, str], name: str) -> int:
    """An ISO 8601 instant as Unix milliseconds; without a zone it is UTC; 0 when absent."""
    text = query.get(name)
    if text is None:
        return 0
    try:
        # A plus sign that was not escaped arrives as a space.
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return max(0, int(instant.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise GatewayError("bad_value", f"`{name}` is not an ISO 8601 instant.", "Write it as 2027-06-19T12:00:00Z.") from None
