"""What join tells a user interface about a member's permissions, so that it can hide what would be refused.

A hint only: whether an op is allowed is decided in the wedding (actors.domain.authority), and a test compares the two.
"""

from typing import Any, Final

from actors.contract.channels import CORE_ROLES, ITEM_AUDIENCES, TIMELINE_AUDIENCES, Rights, channel_of, may_read
from actors.contract.collections import COLLECTIONS

#: Collections that only couple and planner write, whoever may read them.
_CORE_ONLY: Final = frozenset({"wedding", "people", "permissions", "budget"})
_BY_AUDIENCE: Final = {
    "timeline": tuple({"visibility": audience} for audience in TIMELINE_AUDIENCES),
    "documents": tuple({"audience": audience} for audience in ITEM_AUDIENCES),
    "photos": tuple({"audience": audience} for audience in ITEM_AUDIENCES),
    "messages": tuple({"audience": audience} for audience in ITEM_AUDIENCES),
}


def permissions_of(role: str, rights: Rights) -> dict[str, Any]:
    """`{role, mayRead: [channel patterns], mayWrite: {collection: [channels it may write in, or "*" for all of them]}}`."""
    return {"role": role, "mayRead": list(rights), "mayWrite": _may_write(role, rights)}


def _may_write(role: str, rights: Rights) -> dict[str, list[str]]:
    if role in CORE_ROLES:
        return {collection: ["*"] for collection in COLLECTIONS}
    writable: dict[str, list[str]] = {"inbox": ["*"]}
    for collection in COLLECTIONS.keys() - _CORE_ONLY - {"inbox"}:
        forms: tuple[dict[str, str], ...] = _BY_AUDIENCE.get(collection, ({},))
        channels = [channel for form in forms if may_read(rights, channel := channel_of(collection, form))]
        if channels:
            writable[collection] = channels
    return dict(sorted(writable.items()))
