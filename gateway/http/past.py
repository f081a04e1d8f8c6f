"""The past: the wedding as it was, who wrote a field, one's own op taken back (`GET .../state`, `.../why`, `POST .../undo`).

What is shown is what the caller may read today. All of it is asked of the wedding's owner, who has the stored changes.
"""

import time
from collections.abc import Iterable
from typing import Final

import msgspec
from aiohttp import web

from actors.contract.calls import ChannelChunk, PastQuestion, UndoQuestion, WhyQuestion
from actors.contract.changes import ChannelItems
from actors.contract.collections import COLLECTIONS
from actors.contract.events import instant_of
from actors.contract.ids import is_token
from gateway.errors import GatewayError
from gateway.http.api import API
from gateway.http.callers import Visit, body_of, json_response, visiting_at_length
from gateway.http.cursors import opened, sealed
from gateway.http.history import milliseconds, require_readable, whole
from gateway.http.ops import answer_ops
from gateway.http.writes_told import told_writes

#: How long one request may look for writes of a field before it says where it stands.
_PATIENCE_SECONDS: Final = 2.0
_MOST_WRITES: Final = 100
_decode_items: Final = msgspec.json.Decoder(ChannelItems).decode
_encode: Final = msgspec.json.Encoder().encode


class UndoRequest(msgspec.Struct, frozen=True):
    """The body of `POST .../undo`."""

    op: str


async def state(request: web.Request) -> web.Response:
    """The state of every channel that the caller may read today, as it was at an instant, or where a channel had a sequence."""
    async with visiting_at_length(request) as visit:
        stand, head, chunks = await request.app[API].owner.past(visit.room.wedding, _moment(request, visit))
        await visit.require_same_rights(stand)
    channels = {
        name: {"sequence": sequence, "digest": digest, "state": _items(chunks.get(name, ()))}
        for name, (sequence, digest) in head.channels.items()
    }
    return json_response({"at": instant_of(head.now_ms) if head.now_ms else None, "channels": channels})


def _moment(request: web.Request, visit: Visit) -> PastQuestion:
    query = request.query
    if ("at" in query) == ("channel" in query) or ("channel" in query) != ("sequence" in query):
        raise GatewayError(
            "bad_value", "Say when: either `at`, or `channel` and `sequence`.", "As in `?at=2027-06-19T12:00:00Z`."
        )
    if "at" in query:
        return PastQuestion(rights=visit.rights, at_ms=milliseconds(query, "at"))
    channel = query["channel"]
    require_readable(visit.rights, channel)
    known = visit.room.channels.get(channel, 0)
    return PastQuestion(rights=visit.rights, channel=channel, sequence=whole(query, "sequence", known))


def _items(chunks: Iterable[ChannelChunk]) -> ChannelItems:
    items: ChannelItems = {}
    for chunk in chunks:
        for collection, entries in _decode_items(chunk.state).items():
            items.setdefault(collection, {}).update(entries)
    return items


async def why(request: web.Request) -> web.Response:
    """Who wrote one field of one item, the newest first, with the values before and after, and what each author had seen."""
    api = request.app[API]
    secret = api.settings.jwt_secret.get_secret_value()
    until = time.monotonic() + _PATIENCE_SECONDS
    async with visiting_at_length(request) as visit:
        wedding, principal = visit.room.wedding, visit.claims.principal
        limit = whole(request.query, "limit", _MOST_WRITES) or _MOST_WRITES
        cursor = request.query.get("cursor")
        before = opened(secret, wedding, principal, cursor) if cursor else 0
        collection, identifier, field = _field_of(request)
        question = WhyQuestion(0, visit.rights, collection, identifier, field, limit + 1, before)
        # One more than is asked for, since its value is what the last one found.
        stand, writes, end = await api.owner.field_writes(wedding, question)
        while end.more and len(writes) <= limit and time.monotonic() < until:
            further = msgspec.structs.replace(question, limit=limit + 1 - len(writes), before_rev=end.rev)
            stand, older, end = await api.owner.field_writes(wedding, further)
            writes += older
        await visit.require_same_rights(stand)
    told = told_writes(writes, question, is_whole=not end.more)[:limit]
    answer: dict[str, object] = {"writes": told, "more": end.more or len(writes) > limit}
    if answer["more"]:
        answer["cursor"] = sealed(secret, wedding, principal, writes[len(told) - 1].rev if len(writes) > limit else end.rev)
    return json_response(answer)


def _field_of(request: web.Request) -> tuple[str, str, str]:
    collection, identifier, field = (request.match_info[name] for name in ("collection", "id", "field"))
    if collection not in COLLECTIONS or field not in COLLECTIONS[collection].fields:
        raise GatewayError("bad_value", "There is no such field.", "See the collections in docs/protocol.md.")
    if not is_token(identifier):
        raise GatewayError("bad_id", "The item's id is malformed.")
    return collection, identifier, field


async def undo(request: web.Request) -> web.Response:
    """Take one op of the caller back where nobody has written since; what somebody has is in `kept`."""
    api = request.app[API]
    async with visiting_at_length(request) as visit:
        room, principal = visit.room, visit.claims.principal
        body = await body_of(request, UndoRequest)
        question = UndoQuestion(principal=principal, op=body.op, rights=visit.rights)
        stand, plan = await api.owner.undo_plan(room.wedding, question)
        await visit.require_same_rights(stand)
        if not plan.found:
            raise GatewayError("not_found", "You have no such op.", "Name one of your own, by the id that it was answered with.")
        answers = await answer_ops(api, room, principal, [msgspec.Raw(_encode(op)) for op in plan.ops])
    return json_response({"undone": [answer.body for answer in answers], "kept": plan.kept})
