"""What a person should see now: the confirmed items with our unanswered ops laid over them. Pure, for showing only.

The server decides; here an op does what it would do if nobody else had acted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from actors.contract.changes import ChannelItems, merge_fields
from actors.contract.collections import COLLECTIONS
from actors.contract.ops import Op

#: Sorts right after the key it follows, and before every longer or greater one that the server makes.
_JUST_AFTER = "\x00"
#: What else is shown before the server has decided; what other actions come to is for the rules to say.
_SHOWN: Final = frozenset({"update", "move"})
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
    elif op.action in _SHOWN:
        changed = dict(fields)
        merge_fields(changed, op.data if op.action == "update" else {"order": _order_after(items, op.data.get("after"))})
        items[identifier] = changed


def _order_after(items: Mapping[str, Mapping[str, Any]], after: object) -> str:
    if not isinstance(after, str) or after not in items:
        return ""
    return str(items[after].get("order", "")) + _JUST_AFTER
