"""The typed collections: which fields an item has, of which kind, which are required, and which op type writes it.

One obvious place for a new collection or field. Fields are those of a wedding folder in camelCase; money is in minor units of the
currency beside it, times are UTC instants, `order` is a fractional index by which readers sort (order, id).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from actors.contract import field_kinds as kinds
from actors.contract.channels import ITEM_AUDIENCES, ROLES, TIMELINE_AUDIENCES

LABEL, TEXT, LONG_TEXT = kinds.text(200), kinds.text(2_000), kinds.text(50_000)
IDS, LABELS = kinds.list_of(kinds.token, 200), kinds.list_of(LABEL, 100)


class Collection(NamedTuple):
    """What an item of a collection may hold."""

    type: str
    fields: Mapping[str, kinds.Check]
    required: frozenset[str]
    ordered: bool
    #: What the server alone writes.
    of_server: frozenset[str] = frozenset()


def _collection(
    op_type: str, required: str, fields: dict[str, kinds.Check], *, ordered: bool = True, of_server: str = ""
) -> Collection:
    known = fields | {"order": kinds.order_key} if ordered else fields
    return Collection(op_type, known, frozenset(required.split()), ordered, frozenset(of_server.split()))


#: What `permissions` gives and takes; the words in it are judged in actors.contract.permissions.
RULES: Final = kinds.list_of(kinds.text(200), 200)
_AUDIENCE: Final = {"audience": kinds.audience(*ITEM_AUDIENCES)}
_DOCUMENT: Final = {"title": LABEL, "text": LONG_TEXT} | _AUDIENCE

COLLECTIONS: Final[dict[str, Collection]] = {
    "wedding": _collection(
        "timeline_update",
        "title date timeZone homeCurrency",
        {
            "title": LABEL,
            "date": kinds.day,
            "timeZone": kinds.time_zone,
            "homeCurrency": kinds.currency,
            "rates": kinds.rates,
            "venue": kinds.venue,
            "conflictRules": kinds.strategies,
        },
        ordered=False,
    ),
    "timeline": _collection(
        "timeline_update",
        "title",
        {
            "title": LABEL,
            "start": kinds.instant,
            "durationMin": kinds.minutes,
            "minDurationMin": kinds.minutes,
            "bufferAfterMin": kinds.minutes,
            "anchored": kinds.flag,
            "dependsOn": IDS,
            "vendors": IDS,
            "resource": LABEL,
            "visibility": kinds.audience(*TIMELINE_AUDIENCES),
            "mayStartEarly": kinds.flag,
            "notes": TEXT,
        },
    ),
    "budget": _collection(
        "budget_change",
        "item",
        {
            "category": LABEL,
            "item": LABEL,
            "vendor": kinds.token,
            "estimate": kinds.money,
            "actual": kinds.money,
            "currency": kinds.currency,
            "deposit": kinds.money,
            "depositDueDaysBefore": kinds.whole(0, 3650),
            "balanceDueDaysBefore": kinds.whole(0, 3650),
            "approvalNeededAbove": kinds.money,
            "payer": kinds.token,
            "audience": kinds.audience(private=False),
            "notes": TEXT,
        },
    ),
    "vendors": _collection(
        "vendor_assignment",
        "name",
        {
            "name": LABEL,
            "category": LABEL,
            "email": LABEL,
            "phone": LABEL,
            "contractStart": kinds.instant,
            "contractEnd": kinds.instant,
            "overtimePerHour": kinds.money,
            "currency": kinds.currency,
            "backupContact": LABEL,
            "notes": TEXT,
            "account": kinds.token,
            "booking": kinds.one_of("asked", "confirmed", "clash"),
        },
        of_server="booking",
    ),
    "guests": _collection(
        "guest_update",
        "firstName",
        {
            "firstName": LABEL,
            "lastName": LABEL,
            "household": kinds.token,
            "side": LABEL,
            "email": LABEL,
            "phone": LABEL,
            "child": kinds.flag,
            "rsvp": kinds.one_of("yes", "no", "pending"),
            "meal": LABEL,
            "diet": kinds.either(LABEL, LABELS),
            "plusOne": LABEL,
            "needs": kinds.either(LABELS, LABEL),
            "sitWith": IDS,
            "keepApart": IDS,
            "table": kinds.token,
            "notes": TEXT,
        },
    ),
    "tables": _collection(
        "guest_update",
        "name",
        {
            "name": LABEL,
            "capacity": kinds.whole(0, 1000),
            "shape": LABEL,
            "nearExit": kinds.flag,
            "wheelchairAccess": kinds.flag,
            "x": kinds.whole(-1_000_000, 1_000_000),
            "y": kinds.whole(-1_000_000, 1_000_000),
        },
    ),
    "documents": _collection("document_edit", "title", dict(_DOCUMENT)),
    "photos": _collection("photo_upload", "title", dict(_DOCUMENT)),
    "tasks": _collection(
        "task_completion",
        "title",
        {
            "title": LABEL,
            "done": kinds.flag,
            "due": kinds.instant,
            "remindAt": kinds.instant,
            "ifMissed": kinds.one_of("late", "skip"),
            "assignee": kinds.token,
        }
        | _AUDIENCE,
    ),
    "messages": _collection("message_sent", "text", {"text": LONG_TEXT} | _AUDIENCE),
    "inbox": _collection(
        "message_sent",
        "person text",
        {
            "person": kinds.token,
            "kind": LABEL,
            "text": LONG_TEXT,
            "matter": LABEL,
            "read": kinds.flag,
            "acknowledged": kinds.flag,
        },
    ),
    "people": _collection("permission_update", "name role", {"name": LABEL, "role": kinds.one_of(*ROLES)}, ordered=False),
    "permissions": _collection(
        "permission_update",
        "",
        {"integrator": kinds.flag, "read": RULES, "hidden": RULES, "write": RULES, "locked": RULES},
        ordered=False,
    ),
}

TYPES: Final = frozenset(collection.type for collection in COLLECTIONS.values()) | {"presence_change"}
