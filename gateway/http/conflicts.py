"""The conflict inbox over HTTP: read the conflicts that one may read, answer one or many (`GET` and `POST .../conflicts`).

Read from the room's state, so what was just answered shows at once; an answer is an op like any other, and the fold decides it.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web

from actors.contract.channels import may_read
from actors.contract.collections import COLLECTIONS
from actors.contract.conflicts import COLLECTION
from gateway.errors import GatewayError, LimitMet
from gateway.http.api import API
from gateway.http.callers import Visit, body_of, json_response, visiting
from gateway.http.ops import answer_ops
from gateway.http.problems import problem_response

_Records = dict[str, dict[str, Any]]
_OPEN = frozenset({"open"})
_CLOSED = frozenset({"decided", "resolved", "reversed", "expired"})
_STATUSES: Mapping[str, frozenset[str]] = {"": _OPEN | _CLOSED, "all": _OPEN | _CLOSED, "open": _OPEN, "closed": _CLOSED}
_PAGE = 100
_MOST = 500


class Answer(msgspec.Struct, frozen=True):
    """How one conflict is settled; `value` goes with the choice `value`."""

    action: Literal["resolve", "reverse"]
    conflict: str = ""
    choice: str | None = None
    value: Any = None


class Answers(msgspec.Struct, frozen=True):
    """Several at once."""

    answers: list[Answer]


class _Chunk(msgspec.Struct, frozen=True):
    """Of a piece of a channel's state the conflicts alone."""

    conflicts: _Records = {}


_read_chunk = msgspec.json.Decoder(_Chunk).decode


async def list_conflicts(request: web.Request) -> web.Response:
    """The newest first, page by page; `cursor` leads on while there are `more`."""
    query = request.query
    wanted = _STATUSES.get(query.get("status", ""))
    if wanted is None:
        raise GatewayError("bad_value", "`status` is open, closed or all.")
    limit = query.get("limit", str(_PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 6 and 0 < int(limit) <= _MOST):
        raise GatewayError("bad_value", f"`limit` is a whole number from 1 to {_MOST}.")
    async with visiting(request) as visit:
        records = await _readable(visit)
    names = ("collection", "item", "field", "strategy", "priority")
    asked = {name: query[name] for name in names if query.get(name)}
    found = sorted(
        (
            (str(record["at"]), identifier)
            for identifier, record in records.items()
            if record["status"] in wanted and all(record[name] == value for name, value in asked.items())
        ),
        reverse=True,
    )
    if cursor := query.get("cursor"):
        at, _, identifier = cursor.partition("_")
        found = [place for place in found if place < (at, identifier)]
    page = found[: int(limit)]
    more = len(found) > len(page)
    answer: dict[str, Any] = {"conflicts": [{"id": identifier, **records[identifier]} for _, identifier in page], "more": more}
    if more:
        answer["cursor"] = "_".join(page[-1])
    return json_response(answer)


async def answer_conflict(request: web.Request) -> web.Response:
    """Settle the conflict that the address names."""
    async with visiting(request) as visit:
        body = await body_of(request, Answer)
        body = msgspec.structs.replace(body, conflict=request.match_info["conflict"])
        [answer] = await _answer(request, visit, [body])
    if answer.is_problem:
        return problem_response(answer.body, answer.headers)
    return json_response(answer.body, status=answer.status)


async def answer_conflicts(request: web.Request) -> web.Response:
    """Settle several; each gets its own result, in order."""
    limits = request.app[API].settings.limits
    async with visiting(request) as visit:
        body = await body_of(request, Answers)
        if len(body.answers) > limits.batch_ops:
            met = LimitMet("batchOps", limits.batch_ops)
            raise GatewayError("too_large", f"At most {met.value} answers go at once.", met=met)
        answers = await _answer(request, visit, body.answers)
    return json_response({"results": [answer.body for answer in answers]})


async def _answer(request: web.Request, visit: Visit, answers: list[Answer]) -> Any:
    records = await _readable(visit)
    ops = [msgspec.Raw(_op(answer, records.get(answer.conflict))) for answer in answers]
    return await answer_ops(request.app[API], visit.room, visit.claims.principal, ops)


def _op(answer: Answer, record: Mapping[str, Any] | None) -> bytes:
    """The op that settles a conflict; one that is unknown goes through too, and is refused like any target that is not there."""
    collection = "wedding" if record is None else record["collection"]
    data = {name: value for name, value in (("choice", answer.choice), ("value", answer.value)) if value is not None}
    target = {"collection": COLLECTION, "id": answer.conflict}
    return msgspec.json.encode({"type": COLLECTIONS[collection].type, "action": answer.action, "target": target, "data": data})


async def _readable(visit: Visit) -> _Records:
    """Every conflict that the caller may read, as of now."""
    room = visit.room
    checkpoint = await room.checkpoint(content=True, at_least=dict(room.channels))
    found: _Records = {}
    for channel, chunks in (checkpoint.chunks or {}).items():
        if may_read(visit.rights, channel):
            for chunk in chunks:
                found |= _read_chunk(chunk.state).conflicts
    return found
