"""What a person should see now: the confirmed items with our unanswered ops laid over them. Pure, for showing only.

The server decides; here an op does what it would do if nobody else had acted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from actors.contract.changes import ChannelItems, merge_fields
from actors.contract.collections import COLLECTIONS
from actors.contract.errors import ContractError
from actors.contract.ops import Op
from actors.contract.text_form import edit_field, read_delta

#: Sorts right after the key it follows, and before every longer or greater one that the server makes.
_JUST_AFTER = "\x00"
#: Sorts after every key that the server makes.
_AT_THE_END = "~"


def overlay(confirmed: ChannelItems, waiting: Iterable[Op]) -> ChannelItems:
    """Return `confirmed` with the ops carried out; `confirmed` itself is left as it is, its fields are shared where unchanged."""
    view = {collection: dict(items) for collection, items in confirmed.items()}
    for op in waiting:
        _carry_out(view.setdefault(op.target.collection, {}), op)
    return {collection: items for collection, items in view.items() if items}


def in_order(items: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return items as readers sort them: by (order, id)."""
    return sorted(items.items(), key=lambda entry: (str(entry[1].get("order", "")), entry[0]))


def _carry_out(items: dict[str, dict[str, Any]], op: Op) -> None:
    identifier = op.target.id
    fields = items.get(identifier)
    if op.action == "insert":
        if fields is None:
            ordered = COLLECTIONS[op.target.collection].ordered
            items[identifier] = {"order": _AT_THE_END, **op.data} if ordered else dict(op.data)
    elif fields is None:
        return
    elif op.action == "delete":
        del items[identifier]
    else:
        items[identifier] = changed = dict(fields)
        if op.action == "update":
            merge_fields(changed, op.data)
        elif op.action == "move":
            changed["order"] = _order_after(items, op.data.get("after"))
        elif op.action == "edit" and "delta" in op.data:
            # As it was typed, where it still fits; `TextEditor` shows a text exactly.
            with suppress(ContractError):
                edit_field(changed, op.target.field or "", read_delta(op.data["delta"]))


def _order_after(items: Mapping[str, Mapping[str, Any]], after: object) -> str:
    if not isinstance(after, str) or after not in items:
        return ""
    return str(items[after].get("order", "")) + _JUST_AFTER
