"""Changes: what happened to one item of one channel, and how every copy of the state follows them.

A change has exactly one of `set` (fields to values; None removes the field), `insert` (the whole item), `edit` (fields that hold
text to the deltas that change them) and `remove`. The actor, stored state and every client run the same `apply_changes`.
"""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from actors.contract.text_form import edit_field
from actors.contract.text_ot import Delta

#: The state of one channel: collection -> id -> fields; no field is ever None, and `id` is not among them.
ChannelItems = dict[str, dict[str, dict[str, object]]]


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item's change inside one channel."""

    collection: str
    id: str
    set: dict[str, object] | UnsetType = UNSET
    insert: dict[str, object] | UnsetType = UNSET
    remove: bool | UnsetType = UNSET
    edit: dict[str, Delta] | UnsetType = UNSET


def apply_change(items: ChannelItems, change: Change) -> None:
    """Follow one change in place; a `set` or `edit` of an item that is not there is ignored, since its removal came first."""
    collection = items.setdefault(change.collection, {})
    if change.insert is not UNSET:
        collection[change.id] = dict(change.insert)
    elif change.remove is not UNSET:
        collection.pop(change.id, None)
    elif change.set is not UNSET and (fields := collection.get(change.id)) is not None:
        merge_fields(fields, change.set)
    elif change.edit is not UNSET and (fields := collection.get(change.id)) is not None:
        for field, delta in change.edit.items():
            edit_field(fields, field, delta)
    if not collection:
        del items[change.collection]


def apply_changes(items: ChannelItems, changes: Iterable[Change]) -> None:
    """Follow the changes of one event, in order and in place."""
    for change in changes:
        apply_change(items, change)


def merge_fields(fields: dict[str, object], values: dict[str, object]) -> None:
    """Set each field to its new value in place; None removes it."""
    for field, value in values.items():
        if value is None:
            fields.pop(field, None)
        else:
            fields[field] = value
