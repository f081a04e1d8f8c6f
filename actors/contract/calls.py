"""Questions from gateways and tools to the owner of a wedding, and the shape of the answers (design D2, D4, D8).

A question goes as a request on `actors.<region>.<p>.<kind>.<id>.<call>`; the answer is one or more `Reply` messages on the
reply subject, the last with `more` false. A questioner keeps to the replies of the host that answered first. Calls:

- `state` (StateQuestion): `body` of the first reply is a StateHead, of every further one a ChannelChunk, all at one rev;
- `since` (SinceQuestion): `body` is a list of encoded Envelopes, revs contiguous up to the head; `too_old` if not kept;
- `permissions` (Question): `body` is a PermissionsBody;
- `digest` (Question): `body` is {channel: [sequence, digest]};
- `history` (HistoryQuestion): `body` is a list of encoded Events, in order of (rev, channel), of the last reply a HistoryEnd.
- `past` (PastQuestion): `body` of the first reply is a PastHead, of every further one a ChannelChunk of a readable channel;
- `why` (WhyQuestion): `body` is a list of encoded FieldWrites, the newest first, of the last reply a HistoryEnd;
- `undo` (UndoQuestion): `body` is an UndoPlan;
- `audit` (AuditQuestion): `body` is an OwnerReport (actors.contract.consistency).

Errors, in `Reply.error`: `behind` (ask again), `waking` (the store is away), `wedding_unknown`, `too_old`, `bad_question`.
"""

from typing import Final

import msgspec

from actors.contract.channels import Rights
from actors.contract.ops import Op
from actors.contract.write_rules import WriteRules

CALLS: Final = ("state", "since", "permissions", "digest", "history", "past", "why", "undo", "audit")
CHUNK_BYTES: Final = 512 * 1024


class Question(msgspec.Struct, frozen=True):
    """`position` is the highest log position that the questioner has seen in the partition: an owner behind it says so."""

    position: int = 0


class StateQuestion(msgspec.Struct, frozen=True):
    """Ask for the head, and with `content` for every channel's items too."""

    position: int = 0
    content: bool = True


class SinceQuestion(msgspec.Struct, frozen=True):
    """Ask for every envelope after a rev, or for those that hold everything after the given channel sequences."""

    position: int = 0
    rev: int | None = None
    channels: dict[str, int] | None = None


class HistoryQuestion(msgspec.Struct, frozen=True):
    """Ask for the events of the channels that `rights` include, about `limit` of them: those of one op are never parted.

    Only those above `after_rev`, from `since_ms` on and before `until_ms` (Unix milliseconds, 0: no end); of these `types`, of
    this `user` and of this `channel` above `after_sequence`, where given.
    """

    position: int = 0
    since_ms: int = 0
    rights: Rights = ()
    limit: int = 1000
    after_rev: int = 0
    until_ms: int = 0
    types: tuple[str, ...] = ()
    user: str = ""
    channel: str = ""
    after_sequence: int = 0


class HistoryEnd(msgspec.Struct, frozen=True):
    """How far a history was read: everything up to `rev` was looked at; `more` says that there may be further events."""

    rev: int
    more: bool


class PastQuestion(msgspec.Struct, frozen=True):
    """Ask for the state as it was: after the last op up to `at_ms` (Unix milliseconds), or where `channel` had `sequence`.

    Only the channels that `rights` include are told.
    """

    position: int = 0
    rights: Rights = ()
    at_ms: int = 0
    channel: str = ""
    sequence: int = 0


class PastHead(msgspec.Struct, frozen=True, array_like=True):
    """A wedding as it was at `now_ms`, the time of its last op by then; `channels` maps to (sequence, digest)."""

    now_ms: int
    channels: dict[str, tuple[int, str]]


class WhyQuestion(msgspec.Struct, frozen=True):
    """Ask for the last `limit` writes of one field in the channels that `rights` include, below `before_rev` (0: all)."""

    position: int = 0
    rights: Rights = ()
    collection: str = ""
    id: str = ""
    field: str = ""
    limit: int = 100
    before_rev: int = 0


class FieldWrite(msgspec.Struct, frozen=True, array_like=True):
    """One op that wrote a field: its event in the one channel, and the value after it, None where the field was gone then."""

    rev: int
    action: str
    value: object
    event: msgspec.Raw


class AuditQuestion(msgspec.Struct, frozen=True):
    """Ask whether all that the owner has of a wedding agrees, and with `repair` to mend what does not."""

    position: int = 0
    repair: bool = False


class UndoQuestion(msgspec.Struct, frozen=True):
    """Ask what takes back an op of a principal, who may read `rights` today."""

    position: int = 0
    principal: str = ""
    op: str = ""
    rights: Rights = ()


class KeptWrite(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an undo leaves, since `user` wrote it later by `op`: one field, or the whole item; without both the item is gone."""

    collection: str
    id: str
    user: str | None = None
    op: str | None = None
    field: str | None = None


class UndoPlan(msgspec.Struct, frozen=True):
    """The ops, without ids, that take an op back as far as nobody wrote since, and what they leave; `found` False: no such op."""

    found: bool
    ops: tuple[Op, ...] = ()
    kept: tuple[KeptWrite, ...] = ()


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A member's role, read rights and write rules."""

    role: str
    rights: Rights
    rules: WriteRules = ()


class PermissionsBody(msgspec.Struct, frozen=True, array_like=True):
    """Who may read what, as of the reply's `acl`."""

    members: dict[str, Member]


class ClientCounter(msgspec.Struct, frozen=True, array_like=True):
    """To whom a client id is bound and the last number that was taken of it."""

    principal: str
    last: int


class StateHead(msgspec.Struct, frozen=True, array_like=True):
    """Everything about a wedding but its items; `channels` maps to (sequence, digest)."""

    members: dict[str, Member]
    clients: dict[str, ClientCounter]
    channels: dict[str, tuple[int, str]]


class ChannelChunk(msgspec.Struct, frozen=True, array_like=True):
    """Items of one channel, encoded as `{collection: {id: fields}}`; all but the last chunk of a channel with `more`."""

    channel: str
    sequence: int
    digest: str
    state: msgspec.Raw
    more: bool = False


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """One message of an answer."""

    host: str
    generation: int
    position: int
    rev: int
    acl: int
    body: msgspec.Raw
    more: bool = False
    error: str = ""
