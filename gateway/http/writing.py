"""The routes that write: found a wedding, one op, a batch and what is new since (`POST weddings`, `events`, `sync`)."""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from actors.contract.client_frames import Resume
from actors.contract.ids import MAX_INTEGER
from gateway.errors import GatewayError, LimitMet
from gateway.http.api import API
from gateway.http.callers import body_of, claims_for, claims_of, json_response, read_body, visiting
from gateway.http.news import news_of
from gateway.http.ops import OpAnswer, answer_ops
from gateway.http.problems import problem_response

_Sequence = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class NewWedding(msgspec.Struct, frozen=True):
    """The body of `POST .../weddings`; its values are judged like those of any op."""

    id: str
    title: Any = None
    date: Any = None
    timeZone: Any = None  # noqa: N815  # as it is called on the wire
    homeCurrency: Any = None  # noqa: N815  # as above
    role: Any = None
    rates: Any = None
    venue: Any = None


class SyncRequest(msgspec.Struct, frozen=True):
    """The body of `POST .../sync`; without `generation` the current one is meant."""

    ops: list[msgspec.Raw] = []
    channels: dict[str, _Sequence] | None = None
    generation: Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | None = None


async def found_wedding(request: web.Request) -> web.Response:
    """Insert the wedding's own item; its author becomes the first member."""
    api = request.app[API]
    # The wedding stands in the body, which nobody reads for a caller without a token.
    claims_of(request)
    body = await body_of(request, NewWedding)
    claims = claims_for(request, body.id)
    data = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "id" and value is not None}
    target = {"collection": "wedding", "id": body.id}
    op = msgspec.json.encode({"type": "timeline_update", "action": "insert", "target": target, "data": data})
    async with api.hub.visit(body.id, founding=True) as room:
        [answer] = await answer_ops(api, room, claims.principal, [msgspec.Raw(op)])
    if answer.status == 200:
        return json_response({"id": body.id, **answer.body}, status=201)
    return _response(answer)


async def submit_event(request: web.Request) -> web.Response:
    """Take one op and answer after the fold."""
    async with visiting(request) as (claims, room, _):
        raw = msgspec.Raw(await read_body(request))
        [answer] = await answer_ops(request.app[API], room, claims.principal, [raw])
    return _response(answer)


async def sync(request: web.Request) -> web.Response:
    """Take a batch of ops, then tell what is new since the caller's sequences, its own ops included."""
    api = request.app[API]
    limits = api.settings.limits
    async with visiting(request) as (claims, room, _):
        body = await body_of(request, SyncRequest)
        if len(body.ops) > limits.batch_ops:
            met = LimitMet("batchOps", limits.batch_ops)
            raise GatewayError("too_large", f"A batch has at most {met.value} ops, this one has {len(body.ops)}.", met=met)
        answers = await answer_ops(api, room, claims.principal, body.ops)
        channels: dict[str, Any] = {}
        if body.channels is not None:
            since = Resume(room.generation if body.generation is None else body.generation, body.channels)
            # The ops may have changed what the caller may read, and so may others while the answer is made.
            rights = None
            while rights != (rights := room.rights(claims.principal) or ()):
                channels = await news_of(room, rights, since, limits)
        results = [answer.body for answer in answers]
        return json_response({"results": results, "channels": channels, "generation": room.generation})


def _response(answer: OpAnswer) -> web.Response:
    if answer.is_problem:
        return problem_response(answer.body, answer.headers)
    return json_response(answer.body, status=answer.status)
