"""What the rules made of an op. A `Decision` is what is stored, replayed and published; an `Answer` decides nothing.

Stored as arrays: fields are only ever added at the end, with a default, and the fixtures of every past shape stay in the tests.
"""

from typing import Literal

import msgspec

from actors.contract.changes import Change
from actors.contract.codes import CODES
from actors.contract.text_ot import Delta

Relation = Literal["after", "concurrent", "unknown"]
#: What a timer does that fires long after its time, as after a downtime: fire once all the same, or not at all.
IfMissed = Literal["fire_once_late", "skip_missed"]


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Why an op was not applied."""

    code: str
    message: str
    remedy: str


def refusal(code: str, message: str = "", remedy: str = "") -> Refusal:
    """Make a refusal, with the code's default texts where none are given."""
    text = CODES[code]
    return Refusal(code, message or text.message, remedy or text.remedy)


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One channel's part of a decision: the changes that its readers see under `sequence`.

    `clock` holds the latest numbers of the clients that wrote in this channel last (at most 16, the author's included);
    `concurrent_with` the ops of this channel that the author had not seen and that wrote the same fields.
    """

    channel: str
    sequence: int
    changes: tuple[Change, ...]
    clock: dict[str, int]
    relation: Relation
    concurrent_with: tuple[str, ...] = ()


class StartTimer(msgspec.Struct, frozen=True, array_like=True, tag="start_timer"):
    """Effect: an op shall arrive in this wedding's log at `due_ms` (Unix milliseconds); `body` is its LogEntry as JSON.

    `number` counts the wedding's armings: only the firing of the last arming of an id does anything (see ids.timer_op_id).
    """

    id: str
    due_ms: int
    body: bytes
    number: int = 0
    if_missed: IfMissed = "fire_once_late"


class CancelTimer(msgspec.Struct, frozen=True, array_like=True, tag="cancel_timer"):
    """Effect: the timer is no longer armed; a firing that comes all the same is ignored."""

    id: str


class SendMessage(msgspec.Struct, frozen=True, array_like=True, tag="send_message"):
    """Effect: a message to another actor, numbered per receiver; `body` is the LogEntry as JSON, `hops` above 4 are refused."""

    kind: Literal["w", "v"]
    id: str
    number: int
    body: bytes
    hops: int = 0


class Resubmit(msgspec.Struct, frozen=True, array_like=True, tag="resubmit"):
    """Effect: an op that waited stands in this log once more, as its author's; `body` is its LogEntry as JSON."""

    op: str
    principal: str
    body: bytes


Effect = StartTimer | CancelTimer | SendMessage | Resubmit


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """An op that waits for others until `until_ms` (Unix milliseconds); `body` is its LogEntry as JSON."""

    op: str
    principal: str
    dependencies: tuple[str, ...]
    until_ms: int
    body: bytes


class Authored(msgspec.Struct, frozen=True, array_like=True):
    """An edit of a text as its author made it, on the text at the sequence `base` of its channel; kept where it was moved."""

    base: int
    delta: Delta


class Decision(msgspec.Struct, frozen=True, array_like=True):
    """The one decision about one op. `rev` counts the wedding's decisions without a hole; `refusal` None means applied.

    `now_ms` is the wedding's clock at this op, `number` the client's number that it consumed (0 for ops that came over NATS),
    `permissions_changed` says that read rights may be others from this rev on. `rules` is the version that decided, 0 below 3;
    `undoes` the op that an applied `undo` takes back. `priority` is how urgent the op said to be, `said` holds what it sent for
    fields of which merging made another value. With `waits` the op is taken and not decided yet: it waits for others, and its
    decision follows under the same op.
    """

    rev: int
    position: int
    op: str
    principal: str
    client: str
    number: int
    now_ms: int
    type: str
    action: str
    source: str
    client_version: str
    refusal: Refusal | None
    parts: tuple[Part, ...] = ()
    permissions_changed: bool = False
    effects: tuple[Effect, ...] = ()
    rules: int = 0
    undoes: str = ""
    priority: int = 1
    said: dict[str, object] = {}
    authored: Authored | None = None
    waits: Waiting | None = None


class Answer(msgspec.Struct, frozen=True):
    """What the fold says to an op that it does not take: a repeat gets its old outcome, a hole `resend_from`, and so on.

    `next` is the number that the fold takes next from this client. `look_up` says that the outcome is older than the state
    remembers: it stands in the stored changes under (principal, op). `waits`: it is not decided yet, and no answer goes out.
    """

    op: str
    principal: str
    position: int
    refusal: Refusal | None
    next: int = 0
    look_up: bool = False
    waits: bool = False
