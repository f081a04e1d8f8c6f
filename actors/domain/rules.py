"""Which rules govern which collection: the one table through which `decide` reaches the sections.

A section that has something of its own to say gets a file (see wedding, messages) and its line here; all others follow `items`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from actors.domain import items, messages, wedding
from actors.domain.items import Plan, Request

Verb = Callable[[Request], Plan]

_ITEM_VERBS: Final[dict[str, Verb]] = {"insert": items.insert, "update": items.update, "delete": items.delete, "move": items.move}

_SECTIONS: Final[dict[str, Mapping[str, Verb]]] = {
    "wedding": _ITEM_VERBS | {"insert": wedding.insert},
    "inbox": _ITEM_VERBS | {"insert": messages.insert_into_inbox},
}


def verb_of(collection: str, action: str) -> Verb:
    """Return what an action means for a collection; both have passed `check_op`."""
    return _SECTIONS.get(collection, _ITEM_VERBS)[action]
