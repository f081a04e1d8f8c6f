"""What the routes about the past and about copies answer, as shapes: for the OpenAPI document (see shapes)."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway.http.shapes import Id


class PastChannel(msgspec.Struct):
    """One channel as it was: `state` maps collections to ids to fields."""

    sequence: int
    digest: str
    state: dict[str, dict[str, dict[str, object]]]


class PastState(msgspec.Struct):
    """The channels that the caller may read today, as they were after the last op until then; `at` is its time."""

    at: str | None
    channels: dict[str, PastChannel]


class Causality(msgspec.Struct, rename={"with_ops": "with"}):
    """Whether the author had seen the earlier writes; `with` names those that it had not."""

    relation: str
    with_ops: list[str]


class Verdict(msgspec.Struct):
    """Which conflict a write met or answered, and what became of it; `strategy` is the rule that decided."""

    id: Id
    outcome: str
    reason: str
    strategy: str | UnsetType = UNSET


class Write(msgspec.Struct):
    """One op that wrote the field, in the channel where it did; null is a field that is not there.

    An edit of a text has `edit`, the delta that was applied, in place of `new`.
    """

    op: str
    user: str
    timestamp: str
    type: str
    action: str
    channel: str
    sequence: int
    causality: Causality
    new: object = UNSET
    old: object = UNSET
    edit: list[dict[str, object]] | UnsetType = UNSET
    undoes: str | UnsetType = UNSET
    conflict: Verdict | UnsetType = UNSET


class FieldWrites(msgspec.Struct):
    """Who wrote the field, the newest first; `cursor` leads to older ones."""

    writes: list[Write]
    more: bool
    cursor: str | UnsetType = UNSET


class UndoRequest(msgspec.Struct):
    """Which op of the caller is to be taken back."""

    op: str


class Kept(msgspec.Struct):
    """What stays, since somebody wrote it later: one field, or the whole item; without `user` the item is gone."""

    collection: str
    id: Id
    user: str | UnsetType = UNSET
    op: str | UnsetType = UNSET
    field: str | UnsetType = UNSET


class Undone(msgspec.Struct):
    """The ops that took it back, one per item, answered like any op, and what they left."""

    undone: list[dict[str, object]]
    kept: list[Kept]


class ConsistencyRequest(msgspec.Struct):
    """Whether what differs is to be brought back."""

    repair: bool = False


class Copy(msgspec.Struct):
    """One copy of the wedding; `agrees` is null where there is none or nobody answered, `channels` are those that differ."""

    place: Literal["stored", "snapshot", "actor", "gateway", "client"]
    agrees: bool | None
    channels: dict[str, list[int | str]]
    unseenChannels: int  # noqa: N815  # as on the wire
    repaired: bool
    name: str
    reason: str


class Consistency(msgspec.Struct):
    """Whether all copies agree; `channels` are the heads that they must have, as sequence and digest."""

    agrees: bool
    channels: dict[str, list[int | str]]
    copies: list[Copy]
