"""What the conflict inbox answers, as shapes: for the OpenAPI document, like `shapes`."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway.http.shapes import Id


class ConflictSide(msgspec.Struct):
    """One of two who disagree; without `value` the field was cleared, `fields` and `deleted` are about the whole item."""

    op: str
    user: str
    role: str
    value: object = UNSET
    fields: dict[str, object] | UnsetType = UNSET
    cleared: list[str] | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class ConflictAnswerers(msgspec.Struct):
    """Who may resolve or reverse."""

    roles: list[str]
    people: list[str]


class Conflict(msgspec.Struct):
    """One record; docs/conflicts.md says what its members mean."""

    id: Id
    channel: str
    collection: str
    item: str
    field: str
    strategy: str
    reason: str
    status: Literal["open", "decided", "resolved", "reversed", "expired"]
    outcome: Literal["first", "second", "merged", "value"]
    priority: Literal["low", "normal", "high", "critical"]
    at: str
    until: str
    mayAnswer: ConflictAnswerers  # noqa: N815  # as on the wire
    first: ConflictSide
    second: ConflictSide
    default: str | UnsetType = UNSET
    result: object = UNSET
    answer: dict[str, str] | UnsetType = UNSET
    standing: dict[str, str] | UnsetType = UNSET


class Conflicts(msgspec.Struct):
    """The newest first; `cursor` leads to the next page."""

    conflicts: list[Conflict]
    more: bool
    cursor: str | UnsetType = UNSET


class Answered(msgspec.Struct):
    """What became of each answer, in order."""

    results: list[dict[str, object]]
