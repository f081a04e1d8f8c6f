"""Questions from gateways and tools to the owner of a wedding, and the shape of the answers (design D2, D4, D8).

A question goes as a request on `actors.<region>.<p>.<kind>.<id>.<call>`; the answer is one or more `Reply` messages on the
reply subject, the last with `more` false. A questioner keeps to the replies of the host that answered first. Calls:

- `state` (StateQuestion): `body` of the first reply is a StateHead, of every further one a ChannelChunk, all at one rev;
- `since` (SinceQuestion): `body` is a list of encoded Envelopes, revs contiguous up to the head; `too_old` if not kept;
- `permissions` (Question): `body` is a PermissionsBody;
- `digest` (Question): `body` is {channel: [sequence, digest]};
- `history` (HistoryQuestion): `body` is a list of encoded Events, in order of (rev, channel), of the last reply a HistoryEnd.

Errors, in `Reply.error`: `behind` (ask again), `waking` (the store is away), `wedding_unknown`, `too_old`, `bad_question`.
"""

from typing import Final

import msgspec

from actors.contract.channels import Rights
from actors.contract.write_rules import WriteRules

CALLS: Final = ("state", "since", "permissions", "digest", "history")
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
