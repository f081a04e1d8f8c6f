"""Which rules govern which collection: one table per version of the rules, through which `decide` reaches the sections.

A change of a rule that could decide an op of some log otherwise is a new version: a new line in `RULES`, made of the one before.
An old line is never changed, since `verify` decides the past with the rules of its time. A version takes effect at its marker in
each partition (design D1, docs/operations.md). A section that has something of its own to say gets a file and its line here.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from actors.contract.collections import COLLECTIONS
from actors.domain import (
    items,
    lists,
    messages,
    people,
    permissions,
    resolutions,
    tasks,
    texts,
    undo,
    vendors,
    versions,
    waiting,
    wedding,
)
from actors.domain.errors import Refused
from actors.domain.items import Verb

#: What brings a deleted item back, with whatever went with it; no person asks for it by this name.
REVIVE: Final = "revive"
#: What each action means, by collection.
Rules = Mapping[str, Mapping[str, Verb]]

_ITEM_VERBS: Final[dict[str, Verb]] = {"insert": items.insert, "update": items.update, "delete": items.delete, "move": items.move}


def verb_of(version: int, collection: str, action: str) -> Verb:
    """Return what an action means for a collection; both have passed `check_op`, and the version is one of `RULES`.

    Raises Refused for an action that the version does not know yet.
    """
    verbs = RULES[version].get(collection, _ITEM_VERBS)
    verb = verbs.get(action)
    if verb is not None:
        return verb
    if action == "undo" and version >= _UNDO_SINCE:
        return partial(undo.undo, verbs)
    raise Refused("bad_value", f"{action!r} is not an action.", "Use insert, update, delete or move.")


_FIRST: Final[Rules] = {
    "wedding": _ITEM_VERBS | {"insert": wedding.insert},
    "inbox": _ITEM_VERBS | {"insert": messages.insert_into_inbox},
}
#: A wedding keeps somebody who may manage it (rule M1), books the hours of its suppliers (rule V1) and reminds of its tasks.
_SECOND: Final[Rules] = {
    **_FIRST,
    "people": _ITEM_VERBS | {"update": people.update, "delete": people.delete},
    "tasks": _ITEM_VERBS | {"insert": tasks.insert, "update": tasks.update, "delete": tasks.delete, tasks.REMIND: tasks.remind},
    "vendors": _ITEM_VERBS | {"insert": vendors.insert, "update": vendors.update, "delete": vendors.delete},
}
_IN_THIRD: Final[Rules] = {
    "people": {
        "insert": people.insert_within_rights,
        "update": people.update_within_rights,
        "delete": people.delete_within_rights,
    },
    "permissions": {"insert": permissions.insert, "update": permissions.update, "delete": permissions.delete},
    "wedding": {"insert": wedding.insert_with_strategies, "update": wedding.update},
    "conflicts": {**resolutions.verbs(verb_of), waiting.RESUBMIT: waiting.resubmit},
    "documents": {
        "update": versions.update,
        "delete": versions.delete,
        "name_version": versions.name_version,
        "restore": versions.restore,
        REVIVE: versions.revive_document,
    },
    "versions": {REVIVE: versions.revive},
}
#: Rights that a wedding sets itself, and a fair answer to those who disagree.
_EVERYWHERE: Final[Mapping[str, Verb]] = {"move": lists.move, "edit": texts.edit}


def _in_third(collection: str) -> Mapping[str, Verb]:
    verbs = {**_SECOND.get(collection, _ITEM_VERBS), **_EVERYWHERE, **_IN_THIRD.get(collection, {})}
    return {REVIVE: partial(items.revive, verbs["insert"]), **verbs}


_THIRD: Final[Rules] = {collection: _in_third(collection) for collection in (*COLLECTIONS, "conflicts")}

#: Every version that this build can decide with.
RULES: Final[Mapping[int, Rules]] = {1: _FIRST, 2: _SECOND, 3: _THIRD}
#: The version from which on an op that meets an unseen write is settled.
DISPUTES_SINCE: Final = 3
#: From this version on every verb of a collection can be taken back.
_UNDO_SINCE: Final = 3
#: What a new installation begins with.
NEWEST: Final = max(RULES)
