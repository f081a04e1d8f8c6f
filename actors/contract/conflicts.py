"""Conflicts as everybody knows them: the strategies, the forms of a record, and the ops that settle one (docs/conflicts.md).

A record is an item of the collection `conflicts` in the channel of the item that it is about, so whoever may read the one may
read the other. The rules write records; persons answer with `resolve` and `reverse`. Used by the domain, gateways and clients.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from actors.contract.collections import COLLECTIONS, TYPES
from actors.contract.decisions import Part
from actors.contract.errors import BadOp
from actors.contract.field_kinds import STRATEGIES

COLLECTION: Final = "conflicts"
#: What a person may ask of a record.
RESOLUTIONS: Final = frozenset({"resolve", "reverse"})
#: Instead of a field: the whole item, where one deleted it and another edited it.
WHOLE_ITEM: Final = "*"
LAST_WRITER, MERGE, PRIORITY, MANUAL, HIERARCHY = STRATEGIES
#: How urgent a conflict or an op is, the least first.
PRIORITIES: Final = ("low", "normal", "high", "critical")
NORMAL: Final = PRIORITIES.index("normal")
#: `open` waits for somebody or its time; the others are closed.
STATUSES: Final = ("open", "decided", "resolved", "reversed", "expired")
CHOICES: Final = ("first", "second", "value")


def check_resolution(op_type: str, action: str, data: dict[str, object]) -> None:
    """Judge what can be judged of `resolve` and `reverse` without the record; raises BadOp."""
    if op_type not in TYPES or op_type == "presence_change":
        raise BadOp("unknown_type", f"{op_type[:80]!r} is not an op type that is stored.")
    if action not in RESOLUTIONS:
        raise BadOp("bad_value", f"{action[:80]!r} is not for conflicts.", "Use resolve or reverse.")
    choice = data.get("choice")
    if not data.keys() <= {"choice", "value"} or (choice not in CHOICES and not (choice is None and action == "reverse")):
        raise BadOp("bad_value", "`choice` is first, second or value.", "`resolve` needs it; with value goes `value`.")
    if ("value" in data) != (choice == "value"):
        raise BadOp("bad_value", "`value` goes with the choice value, and with no other.", "Send both or neither.")


def check_overrides(value: object) -> str | None:
    """Say what is wrong with a wedding's own strategies, `{"budget.estimate": "manual_review"}`; None when nothing is."""
    if not isinstance(value, dict):
        return "strategies by field"
    for place in value:
        collection, _, field = place.partition(".")
        known = COLLECTIONS.get(collection)
        if known is None or (field != WHOLE_ITEM and field not in known.fields):
            return f"strategies by field; {place[:80]!r} is no field"
    return None


def strategies_of(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return the strategies of the conflicts that these parts of a decision record, one for each; most record none."""
    if not parts or (len(parts) == 1 and parts[0].changes[-1].collection != COLLECTION):
        return ()
    records = [change.insert for part in parts for change in part.changes if change.collection == COLLECTION]
    return tuple([str(record["strategy"]) for record in records if record is not msgspec.UNSET])
