"""The table of the HTTP API: every address, what it takes and what it answers. Routes and OpenAPI are made from it."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from aiohttp import web

from actors.contract.collections import TYPES
from actors.contract.conflicts import PRIORITIES
from actors.contract.field_kinds import STRATEGIES
from actors.contract.ids import MAX_INTEGER
from gateway.http import (
    conflict_shapes,
    conflicts,
    consistency,
    documents,
    history,
    past,
    past_shapes,
    permissions,
    probes,
    reading,
    sessions,
    shapes,
    texts,
    writing,
)

BASE: Final = "/api/collaboration"
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Query(NamedTuple):
    """A parameter behind the question mark; `schema` is JSON Schema."""

    name: str
    schema: dict[str, Any]
    description: str
    is_required: bool = False


class Operation(NamedTuple):
    """One method of one address; `answers` maps statuses to shapes, None for another body than JSON. Errors are problems."""

    method: str
    address: str
    route: Route
    summary: str
    answers: dict[HTTPStatus, Any]
    body: Any = None
    query: tuple[Query, ...] = ()
    needs_token: bool = True


_TYPE: Final = f"({'|'.join(sorted(TYPES))})"
_WHOLE: Final = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
_INSTANT: Final = {"type": "string", "format": "date-time"}
_HISTORY: Final = (
    Query("since", _INSTANT, "From this instant on; without a zone it is UTC."),
    Query("until", _INSTANT, "Before this instant."),
    Query("type", {"type": "string", "pattern": f"^({_TYPE}(,{_TYPE})*)?$"}, "Only events of these types, separated by commas."),
    Query("user", {"type": "string", "pattern": "^(_?[a-z0-9][a-z0-9_-]{0,63})?$"}, "Only what this person did."),
    Query("channel", {"type": "string"}, "Only events of this channel."),
    Query("after", _WHOLE, "Only events of the channel above this sequence."),
    Query(
        "limit",
        _WHOLE,
        "About so many events, at most the limit `historyEvents`; the events of one op are never parted.",
    ),
    Query("cursor", {"type": "string"}, "Go on where the page before ended, with the same other parameters."),
)
_PAST: Final = (
    Query("at", _INSTANT, "After the last op up to this instant; without a zone it is UTC."),
    Query("channel", {"type": "string"}, "Instead of `at`: where this channel had `sequence`."),
    Query("sequence", _WHOLE, "A sequence of the channel."),
)
_WHY: Final = (
    Query("limit", _WHOLE, "So many writes at most."),
    Query("cursor", {"type": "string"}, "Go on where the page before ended."),
)
_PRESENCE: Final = (
    Query("limit", {"type": "integer", "minimum": 1}, "At most so many people on this page."),
    Query("cursor", {"type": "string"}, "Go on where the page before ended."),
)
_CONFLICTS: Final = (
    Query("status", {"enum": ["open", "closed", "all"]}, "Only those that wait for somebody, or only those that do not."),
    Query("collection", {"type": "string"}, "Only about items of this collection."),
    Query("item", {"type": "string"}, "Only about items with this id."),
    Query("field", {"type": "string"}, "Only about this field."),
    Query("strategy", {"enum": list(STRATEGIES)}, "Only those decided by this strategy."),
    Query("priority", {"enum": list(PRIORITIES)}, "Only those of this level."),
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "At most so many, 100 unless given."),
    Query("cursor", {"type": "string"}, "Go on where the page before ended, with the same other parameters."),
)
_USER: Final = Query(
    "user", {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}, "Whose sessions; the caller's unless given."
)
_MEMBER: Final = Query("user", {"type": "string"}, "Of whom; the caller unless given. Couple and planner may name others.")
_VERSION: Final = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
_DIFFERENCE: Final = (
    Query("from", _VERSION, "The id of a version, or `current`.", is_required=True),
    Query("to", _VERSION, "The id of another one; `current`, what the document says now, unless given."),
)
_OK, _NO_CONTENT = HTTPStatus.OK, HTTPStatus.NO_CONTENT
_TAKEN: Final = {_OK: shapes.Taken, HTTPStatus.ACCEPTED: shapes.SavedOp}

OPERATIONS: Final = (
    Operation(
        "POST", f"{BASE}/weddings", writing.found_wedding, "Found a wedding",
        {HTTPStatus.CREATED: shapes.Founded, HTTPStatus.ACCEPTED: shapes.SavedOp}, shapes.NewWedding,
    ),
    Operation("POST", f"{BASE}/join/{{wedding}}", reading.join, "Get what a client needs to open a socket", {_OK: shapes.Joined}),
    Operation(
        "POST", f"{BASE}/events/{{wedding}}", writing.submit_event, "Ask one op",
        _TAKEN, shapes.Op | shapes.PresenceChange,
    ),
    Operation(
        "POST", f"{BASE}/sync/{{wedding}}", writing.sync, "Ask several ops and hear what is new",
        {_OK: shapes.Synced}, shapes.SyncRequest,
    ),
    Operation(
        "GET", f"{BASE}/permissions/{{wedding}}", permissions.permissions, "See what somebody may read and write",
        {_OK: shapes.Permissions}, query=(_MEMBER,),
    ),
    Operation("GET", f"{BASE}/presence/{{wedding}}", reading.presence, "See who is here", {_OK: shapes.Present}, query=_PRESENCE),
    Operation(
        "GET", f"{BASE}/history/{{wedding}}", history.history, "Read what happened", {_OK: shapes.PastEvents}, query=_HISTORY
    ),
    Operation(
        "GET", f"{BASE}/state/{{wedding}}", past.state, "Read the wedding as it was", {_OK: past_shapes.PastState}, query=_PAST
    ),
    Operation(
        "GET", f"{BASE}/why/{{wedding}}/{{collection}}/{{id}}/{{field}}", past.why, "Read who wrote a field",
        {_OK: past_shapes.FieldWrites}, query=_WHY,
    ),
    Operation(
        "POST", f"{BASE}/undo/{{wedding}}", past.undo, "Take one of your ops back",
        {_OK: past_shapes.Undone}, past_shapes.UndoRequest,
    ),
    Operation(
        "POST", f"{BASE}/consistency/{{wedding}}", consistency.ensure_consistency, "Compare all copies of the wedding",
        {_OK: past_shapes.Consistency}, past_shapes.ConsistencyRequest,
    ),
    Operation(
        "GET", f"{BASE}/conflicts/{{wedding}}", conflicts.list_conflicts, "Read the conflict inbox",
        {_OK: conflict_shapes.Conflicts}, query=_CONFLICTS,
    ),
    Operation(
        "POST", f"{BASE}/conflicts/{{wedding}}", conflicts.answer_conflicts, "Settle several conflicts",
        {_OK: conflict_shapes.Answered}, conflicts.Answers,
    ),
    Operation(
        "POST", f"{BASE}/conflicts/{{wedding}}/{{conflict}}", conflicts.answer_conflict, "Settle a conflict",
        _TAKEN, conflicts.Answer,
    ),
    Operation(
        "POST", f"{BASE}/operational-transform/{{wedding}}", texts.apply_operational_transform,
        "Move an edit of a text over others", {_OK: texts.Transformed}, texts.TransformRequest,
    ),
    Operation(
        "GET", f"{BASE}/documents/{{wedding}}/{{document}}/versions", texts.list_versions, "List the versions of a document",
        {_OK: texts.Versions},
    ),
    Operation(
        "GET", f"{BASE}/documents/{{wedding}}/{{document}}/versions/{{version}}", texts.read_version,
        "Read a version of a document", {_OK: texts.Version},
    ),
    Operation(
        "GET", f"{BASE}/documents/{{wedding}}/{{document}}/diff", texts.compare_versions, "Compare versions of a document",
        {_OK: texts.Difference}, query=_DIFFERENCE,
    ),
    Operation("GET", f"{BASE}/sessions/{{wedding}}", sessions.list_sessions, "List open sockets", {_OK: shapes.Sessions}),
    Operation(
        "DELETE", f"{BASE}/sessions/{{wedding}}", sessions.end_sessions, "Revoke all tokens of a person",
        {_NO_CONTENT: None}, query=(_USER,),
    ),
    Operation(
        "DELETE", f"{BASE}/sessions/{{wedding}}/{{session}}", sessions.end_session, "Revoke the token of one session",
        {_NO_CONTENT: None},
    ),
    Operation("GET", "/limits", documents.limits, "Read every limit", {_OK: dict[str, int]}, needs_token=False),
    Operation("GET", "/openapi.json", documents.openapi, "Read this document", {_OK: dict[str, Any]}, needs_token=False),
    Operation(
        "GET", "/asyncapi.json", documents.asyncapi, "Read what sockets and NATS carry", {_OK: dict[str, Any]}, needs_token=False
    ),
    Operation("GET", "/docs", documents.page, "Read these documents in a browser", {_OK: None}, needs_token=False),
    Operation("GET", "/healthz", probes.healthz, "Whether the process is alive", {_OK: dict[str, Any]}, needs_token=False),
    Operation("GET", "/readyz", probes.readyz, "Whether traffic may come", {_OK: dict[str, Any]}, needs_token=False),
    Operation("GET", "/startupz", probes.startupz, "Whether the start is over", {_OK: dict[str, Any]}, needs_token=False),
    Operation("GET", "/metrics", probes.metrics, "Numbers for Prometheus", {_OK: None}, needs_token=False),
)  # fmt: skip
