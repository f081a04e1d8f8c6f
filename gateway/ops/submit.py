"""The one way of an op from any entrance to the log: size, form, id, number, rate, then group commit (design D5).

What can be judged without the wedding's state is refused here; nothing is stored then and no number consumed. Called by WebSocket
sessions, HTTP routes and the intake.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from actors.contract.calls import ClientCounter
from actors.contract.channels import is_channel_name, may_read
from actors.contract.collections import TYPES
from actors.contract.errors import BadOp, ContractError
from actors.contract.ids import INTAKE_OP, OpId, parse_op_id
from actors.contract.ops import LogEntry, Op, Source, check_op
from config.limits import Limits
from gateway.access.limiter import Limiter
from gateway.access.rate import TokenBucket
from gateway.counts import Counts
from gateway.errors import UNREADABLE, LimitMet, LogRefused, LogSilent, LogUnusable, Overloaded, Refused, SlowDown
from gateway.ops.group_commit import GroupCommit
from gateway.ops.known_names import require_known_names
from gateway.ops.own_clients import OwnClients
from gateway.rooms.owner import Owner
from gateway.rooms.room import Room

_INTAKE_CLIENT = "intake"
_NOBODY = ClientCounter("", 0)
#: When what waits for the log may have become less.
_OVERLOADED_RETRY_MS = 1_000
_SHAPE = "Send one JSON object of the shape that docs/protocol.md names."


class PresenceChange(msgspec.Struct, frozen=True):
    """An op of type `presence_change`: no number, no log, it becomes presence."""

    data: dict[str, object] = {}


class _Glimpse(msgspec.Struct):
    """What an unreadable op may still tell, so that it is refused by its name."""

    id: object = ""
    type: object = ""


_decode_op = msgspec.json.Decoder(Op).decode
_decode_presence = msgspec.json.Decoder(PresenceChange).decode
_decode_glimpse = msgspec.json.Decoder(_Glimpse).decode
_encode = msgspec.json.Encoder().encode


def read_op(raw: bytes | msgspec.Raw, limits: Limits) -> Op | PresenceChange:
    """Decode one op; raises Refused, with the op's id as far as it can be read."""
    size = len(memoryview(raw))
    if size > limits.op_bytes:
        raise Refused(
            "too_large",
            f"An op is at most {limits.op_bytes} bytes, this one has {size}.",
            op=_glimpse(raw)[0],
            met=LimitMet("opBytes", limits.op_bytes),
        )
    try:
        op = _decode_op(raw)
        return op if op.type != "presence_change" else _decode_presence(raw)
    except UNREADABLE as error:
        identifier, kind = _glimpse(raw)
        if kind == "presence_change":
            return _read_presence(raw)
        if kind and kind not in TYPES:
            raise Refused("unknown_type", f"{kind[:80]!r} is not an op type.", op=identifier) from None
        raise Refused("bad_frame", f"The op cannot be read: {error}.", _SHAPE, op=identifier) from None


def _read_presence(raw: bytes | msgspec.Raw) -> PresenceChange:
    try:
        return _decode_presence(raw)
    except UNREADABLE:
        raise Refused("bad_frame", "`data` of a presence_change is an object.", _SHAPE) from None


def _glimpse(raw: bytes | msgspec.Raw) -> tuple[str, str]:
    try:
        glimpse = _decode_glimpse(raw)
    except UNREADABLE:
        return "", ""
    identifier = glimpse.id if isinstance(glimpse.id, str) else ""
    return identifier[:100], glimpse.type if isinstance(glimpse.type, str) else ""


class Author:
    """Who submits, and from where; `waiting` counts its ops on the way to the log.

    `client` None: ops carry ids of any client that is nobody else's (HTTP), or intake ids and no number (source `nats`).
    `bucket` is the connection's rate of ops, or what stands for it where there is no connection.
    """

    __slots__ = ("bucket", "client", "client_version", "principal", "source", "waiting")

    def __init__(self, principal: str, source: Source, client: str | None, client_version: str, bucket: TokenBucket) -> None:
        self.principal = principal
        self.source = source
        self.client = client
        self.client_version = client_version
        self.bucket = bucket
        self.waiting = 0


class Submitted(NamedTuple):
    """An op on its way; `position` is its place in the log once on disk, or raises LogRefused. `repeat`: it was sent before."""

    op: str
    number: int
    repeat: bool
    position: asyncio.Future[int]


class Submitter:
    """See the module."""

    def __init__(self, commits: Sequence[GroupCommit], owner: Owner, limiter: Limiter, counts: Counts) -> None:
        self._commits = commits
        self._owner = owner
        self.limiter = limiter
        self._counts = counts
        self._own_clients = OwnClients()

    def submit(self, room: Room, author: Author, op: Op) -> Submitted:
        """Judge the op and send it on its way; raises Refused at once."""
        try:
            return self._submit(room, author, op)
        except Refused as refused:
            self._counts.ops_refused_by_code[refused.code] += 1
            raise

    def expected(self, room: Room, client: str) -> int:
        """The number that is taken next of a client."""
        return max(room.clients.get(client, _NOBODY).last, room.forwarded.get(client, 0), self._own_clients.last(client)) + 1

    def following(self, room: Room, author: Author, op: str) -> int:
        """The `next` of a refusal of this op: its own number while that is free, else the one that is; 0 for another client's."""
        try:
            client, number = parse_op_id(op)
        except ContractError:
            return self.expected(room, author.client) if author.client else 0
        return min(number, self.expected(room, client)) if client == (author.client or client) else 0

    def _submit(self, room: Room, author: Author, op: Op) -> Submitted:
        if author.source == "nats":
            client, number, expected = _INTAKE_CLIENT, 0, 0
            if INTAKE_OP.match(op.id) is None:
                raise Refused("bad_id", "An op id over NATS is up to 100 letters, digits and _.:-", op=op.id[:100])
        else:
            if not op.id and author.source == "http":
                op = self._numbered(room, author.principal, op)
            client, number = self._identify(room, author, op)
            expected = self.expected(room, client)
        following = min(number, expected)
        try:
            check_op(op, room.wedding)
            require_known_names(op)
            _require_channels(room, op)
        except ContractError as error:
            raise Refused(error.code, error.message, error.remedy, op=op.id, following=following) from None
        self._limit_rate(room.wedding, author, op, following)
        if number > expected:
            raise Refused("resend_from", op=op.id, following=expected)
        position = self._commit(room, author, without_unreadable_base(room, author.principal, op), client, following)
        if number == expected and number:
            self._forward(room, client, number)
        position.add_done_callback(partial(self._committed, room, author, client, number))
        author.waiting += 1
        self._counts.ops_accepted += 1
        return Submitted(op.id, number, 0 < number < expected, position)

    def _identify(self, room: Room, author: Author, op: Op) -> OpId:
        try:
            client, number = parse_op_id(op.id)
        except ContractError as error:
            following = self.following(room, author, op.id)
            raise Refused(error.code, error.message, error.remedy, op=op.id[:100], following=following) from None
        bound_to = room.clients.get(client, _NOBODY).principal
        if client != (author.client or client) or bound_to not in ("", author.principal):
            raise Refused("bad_id", f"The client {client} is not yours on this connection.", op=op.id)
        return OpId(client, number)

    def _numbered(self, room: Room, principal: str, op: Op) -> Op:
        client = self._own_clients.client_of((room.wedding, room.generation, principal), datetime.now(UTC))
        return msgspec.structs.replace(op, id=f"{client}:{self.expected(room, client)}")

    def _forward(self, room: Room, client: str, number: int) -> None:
        """Remember the last number of a client that is on its way or taken."""
        room.forwarded[client] = number
        self._own_clients.took(client, number)

    def _limit_rate(self, wedding: str, author: Author, op: Op, following: int) -> None:
        try:
            self.limiter.require_op(wedding, author.principal, author.bucket)
        except SlowDown as error:
            # Its own remedy says more: which number to go on with.
            raise Refused(error.code, error.message, op=op.id, following=following, met=error.met) from None

    def _commit(self, room: Room, author: Author, op: Op, client: str, following: int) -> asyncio.Future[int]:
        subject = room.log_prefix + author.principal
        payload = _encode(LogEntry(op, author.source, author.client_version))
        commit = self._commits[room.partition % len(self._commits)]
        limits = self.limiter.limits
        if author.waiting >= limits.waiting_ops_per_connection:
            met = LimitMet("waitingOpsPerConnection", limits.waiting_ops_per_connection, _OVERLOADED_RETRY_MS)
            raise Refused("unavailable", op=op.id, following=following, met=met)
        try:
            return commit.submit((subject, client), subject, payload)
        except (LogSilent, LogUnusable) as error:
            raise Refused(error.code, error.message, error.remedy, op=op.id, following=following) from None
        except Overloaded as error:
            met = LimitMet("waitingBytesPerGateway", limits.waiting_bytes_per_gateway, _OVERLOADED_RETRY_MS)
            raise Refused(error.code, error.message, error.remedy, op=op.id, following=following, met=met) from None

    def _committed(self, room: Room, author: Author, client: str, number: int, position: asyncio.Future[int]) -> None:
        author.waiting -= 1
        if position.cancelled():
            return
        if isinstance(position.exception(), LogRefused):
            # Surely not stored: the number is free again, and so are all later ones, which failed with it.
            if number and number <= room.forwarded.get(client, 0):
                self._forward(room, client, number - 1)
        else:
            self._owner.saw(room.partition, position.result())


def _require_channels(room: Room, op: Op) -> None:
    """Raise BadOp when `base` names what no channel can be called; one that is not there makes an empty claim."""
    for name in op.base:
        if name not in room.channels and not is_channel_name(name):
            raise BadOp(
                "bad_frame", f"`base` names {name[:80]!r}, which is no channel.", "Name channels as in `welcome.channels`."
            )


def without_unreadable_base(room: Room, principal: str, op: Op) -> Op:
    """Return the op with 0, for nothing seen, instead of what it claims about channels that its author may not read.

    Without any claim an edit of a text would count as made on the present one, if the right came before the decision.
    """
    rights = room.rights(principal) or ()
    for channel in op.base:
        if not may_read(rights, channel):
            break
    else:
        return op
    return msgspec.structs.replace(
        op, base={name: sequence if may_read(rights, name) else 0 for name, sequence in op.base.items()}
    )
