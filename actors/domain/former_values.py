"""Values that versions 1 and 2 of the rules did not know, and how they refused them: what was decided then is decided so again.

The contract judges form without a version and may only grow, so what it has learnt since is refused here. Called by `members`.
"""

from collections.abc import Mapping
from typing import Final

from actors.contract.channels import ITEM_AUDIENCES, TIMELINE_AUDIENCES
from actors.contract.collections import COLLECTIONS
from actors.contract.errors import BadOp
from actors.contract.ops import Op

_NEW_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "permissions": frozenset({"read", "hidden", "write", "locked"}),
    "budget": frozenset({"audience"}),
    "tasks": frozenset({"audience"}),
    "wedding": frozenset({"conflictRules"}),
}
_FORMER_WORDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "timeline": ("visibility", TIMELINE_AUDIENCES),
    "documents": ("audience", ITEM_AUDIENCES),
    "photos": ("audience", ITEM_AUDIENCES),
    "messages": ("audience", ITEM_AUDIENCES),
}


def check_as_before(op: Op) -> None:
    """Raise BadOp for a field or an audience that came with version 3."""
    collection = op.target.collection
    new = _NEW_FIELDS.get(collection, frozenset())
    for field in op.data:
        if field in new:
            known = ", ".join(sorted(COLLECTIONS[collection].fields.keys() - new))
            raise BadOp("bad_value", f"{collection} has no field {field!r}.", f"Its fields are {known}.")
    field, words = _FORMER_WORDS.get(collection, ("", ()))
    value = op.data.get(field)
    if value is not None and value not in words:
        raise BadOp("bad_value", f"{collection}.{field} must be one of {', '.join(words)}.")
