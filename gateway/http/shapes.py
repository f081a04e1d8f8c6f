"""What the HTTP API answers, as shapes: for the OpenAPI document, and for tests that hold real answers against them.

Routes write the same as plain dictionaries, joined from bytes that are encoded already. Nothing here is on the way of a request.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from actors.contract.codes import CODES
from actors.contract.collections import COLLECTIONS, TYPES
from actors.contract.conflicts import COLLECTION as CONFLICTS
from actors.contract.conflicts import RESOLUTIONS
from actors.contract.events import Event
from actors.contract.ids import CLIENT, MAX_INTEGER, TOKEN
from actors.contract.ops import EVERY_ACTION
from actors.contract.server_frames import PresenceSummary

#: An id: one token of a-z, 0-9, `_` and `-`.
Id = Annotated[str, msgspec.Meta(pattern="^" + TOKEN.pattern.removesuffix(r"\Z") + "$")]
#: The id of a client's op.
OpName = Annotated[str, msgspec.Meta(pattern=f"^{CLIENT.pattern.removesuffix(chr(92) + 'Z')}:[1-9][0-9]{{0,14}}$")]
Sequences = dict[str, Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]]
Word = Annotated[str, msgspec.Meta(max_length=200)]


class Target(msgspec.Struct):
    """The item that an op is about; `field` for edits of a text or a list alone."""

    collection: Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted([*COLLECTIONS, CONFLICTS])})]
    id: Id
    field: Word | UnsetType = UNSET


class IntegratorOp(msgspec.Struct):
    """One op over NATS. `data` maps fields to values, `base` channels to sequences that you had."""

    type: Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(TYPES - {"presence_change"})})]
    action: Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(EVERY_ACTION | RESOLUTIONS)})]
    target: Target
    data: dict[str, object] | UnsetType = UNSET
    base: Sequences | UnsetType = UNSET
    dependencies: Annotated[list[str], msgspec.Meta(max_length=50)] | UnsetType = UNSET
    priority: Literal["low", "normal", "high", "critical"] | UnsetType = UNSET


class Op(IntegratorOp):
    """One op; over HTTP the server numbers one without `id`. `data` and `base` as in IntegratorOp."""

    id: OpName | UnsetType = UNSET


class PresenceChange(msgspec.Struct):
    """What a person does now, for a minute; it gets no number and is not stored in the log."""

    type: Literal["presence_change"]
    data: dict[str, object] | UnsetType = UNSET


class NewWedding(msgspec.Struct):
    """A wedding; its author becomes the first member."""

    id: Id
    title: Word
    date: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
    timeZone: Annotated[str, msgspec.Meta(description="An IANA time zone.")]  # noqa: N815  # as on the wire
    homeCurrency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]  # noqa: N815  # as on the wire
    role: Literal["couple", "planner"]
    rates: dict[str, str] | UnsetType = UNSET
    venue: dict[str, object] | UnsetType = UNSET


class SyncRequest(msgspec.Struct):
    """Ops to take, and where the caller stands in which channels."""

    #: Anything may stand here: what is no op is refused alone, in its place among the results.
    ops: (
        Annotated[list[object], msgspec.Meta(description="Each of the shape `Op`; each is judged and answered alone.")]
        | UnsetType
    ) = UNSET
    channels: Sequences | UnsetType | None = UNSET
    generation: Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | UnsetType | None = UNSET


class Founded(msgspec.Struct):
    """The wedding exists."""

    id: Id
    op: str
    sequences: Sequences


class Taken(msgspec.Struct):
    """The op is applied; `sequences` are those of the readable channels that it touched. `op` is null for presence."""

    op: str | None
    sequences: Sequences
    conflicts: Annotated[list[str], msgspec.Meta(description="The conflicts that the op has met.")] | UnsetType = UNSET


class SavedOp(msgspec.Struct):
    """The op is on disk and will be decided."""

    op: str
    saved: Literal[True]


class Problem(msgspec.Struct):
    """RFC 9457; programs branch on `code`."""

    type: str
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    code: Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(CODES)})]
    remedy: str
    op: str | UnsetType = UNSET
    next: int | UnsetType = UNSET
    limit: str | UnsetType = UNSET
    value: int | UnsetType = UNSET
    retryAfterMs: int | UnsetType = UNSET  # noqa: N815  # as on the wire


class Permissions(msgspec.Struct):
    """A hint for user interfaces; the rules decide."""

    role: str
    mayRead: list[str]  # noqa: N815  # as on the wire
    mayWrite: dict[str, list[str]]  # noqa: N815  # as on the wire
    rules: list[str]


class Joined(msgspec.Struct):
    """What a client needs to open a socket."""

    session: str
    client: str
    token: str
    websocketUrl: str  # noqa: N815  # as on the wire
    permissions: Permissions
    channels: Sequences


class ChannelNews(msgspec.Struct):
    """What is new in one channel."""

    mode: Literal["snapshot", "events", "withdrawn"]
    reason: str | UnsetType = UNSET
    sequence: int | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    state: dict[str, dict[str, dict[str, object]]] | UnsetType = UNSET
    events: list[Event] | UnsetType = UNSET


#: What became of one op of several: one of these three.
Result = Annotated[
    dict[str, object],
    msgspec.Meta(
        extra_json_schema={"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Taken", "SavedOp", "Problem")]}
    ),
]


class Synced(msgspec.Struct):
    """The answer to each op, in order, and what is new."""

    results: list[Result]
    channels: dict[str, ChannelNews]
    generation: int


class Availability(msgspec.Struct):
    """A window in which somebody is there, or is not: `what` says."""

    from_: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})] = msgspec.field(name="from")
    until: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    what: Word | UnsetType = UNSET


class ItemInChannel(msgspec.Struct):
    """An item and the channel that it stands in."""

    id: Word
    channel: str


Status = Literal["online", "away", "busy", "offline"]
Position = int | float | Word | dict[str, object]


class SaidPresence(msgspec.Struct, kw_only=True):
    """What a connection says of its person; other members are its own words."""

    status: Status | UnsetType | None = UNSET
    section: str | UnsetType | None = UNSET
    document: Word | ItemInChannel | UnsetType | None = UNSET
    item: Word | ItemInChannel | UnsetType | None = UNSET
    task: Word | ItemInChannel | UnsetType | None = UNSET
    field: Word | UnsetType | None = UNSET
    cursor: Position | UnsetType | None = UNSET
    selection: Position | list[object] | UnsetType | None = UNSET
    typing: bool | UnsetType | None = UNSET
    availability: Annotated[list[Availability], msgspec.Meta(max_length=50)] | UnsetType | None = UNSET


class Presence(SaidPresence, kw_only=True):
    """What a person shows; `role`, `devices` and `lastActivity` are the server's."""

    status: Status
    lastActivity: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]  # noqa: N815  # as on the wire
    role: str | UnsetType = UNSET
    devices: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET


class Present(msgspec.Struct):
    """Who is in the wedding now: a page of people by their ids, and everybody in numbers; `cursor` leads to the next page."""

    activeUsers: list[str]  # noqa: N815  # as on the wire
    presence: dict[str, Presence]
    summary: PresenceSummary
    more: bool
    cursor: str | UnsetType = UNSET


class PastEvents(msgspec.Struct):
    """Events of the channels that the caller may read, the oldest first; `cursor` leads to the next page."""

    events: list[Event]
    more: bool
    cursor: str | UnsetType = UNSET


class OpenSocket(msgspec.Struct):
    """One open socket."""

    session: str
    user: str
    client: str
    openedAt: str  # noqa: N815  # as on the wire
    isOwnToken: bool  # noqa: N815  # as on the wire


class Sessions(msgspec.Struct):
    """The open sockets, the longest open first."""

    sessions: list[OpenSocket]
