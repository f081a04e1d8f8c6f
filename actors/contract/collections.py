"""The typed collections: which fields an item has, of which kind, which are required, and which op type writes it.

One obvious place for a new collection or field. Fields are those of a wedding folder in camelCase; money is in minor units of the
currency beside it, times are UTC instants, `order` is a fractional index by which readers sort (order, id).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from actors.contract import field_kinds as kinds
from actors.contract.channels import ITEM_AUDIENCES, ROLES, TIMELINE_AUDIENCES
from actors.contract.text_form import MAX_TEXT_LENGTH

LABEL, TEXT, LONG_TEXT = kinds.text(200), kinds.text(2_000), kinds.text(50_000)
#: Whatever a text grew to by edits: what one op may carry is less.
FORMAT: Final = kinds.list_of(kinds.list_of(lambda _: None, 2), MAX_TEXT_LENGTH)
IDS, LABELS = kinds.list_of(kinds.token, 200), kinds.list_of(LABEL, 100)
LABELS_OR_LABEL = kinds.either(LABELS, LABEL)


#: The check of an entry, by the check of the list or of what may be a list.
_ENTRIES: Final = {IDS: kinds.token, LABELS: LABEL, LABELS_OR_LABEL: LABEL}
_NOTES: Final[Mapping[str, int]] = MappingProxyType({"notes": 2_000})


class Collection(NamedTuple):
    """What an item of a collection may hold."""

    type: str
    fields: Mapping[str, kinds.Check]
    required: frozenset[str]
    ordered: bool
    #: What the server alone writes.
    of_server: frozenset[str] = frozenset()
    #: Texts that may be edited by deltas, with the most code points that each may have.
    texts: Mapping[str, int] = {}
    #: Lists of ids or labels that may be edited entry by entry, with the check of an entry.
    lists: Mapping[str, kinds.Check] = {}
    #: What may be asked beside insert, update, delete, move and edit.
    verbs: frozenset[str] = frozenset()


def _collection(
    op_type: str,
    required: str,
    fields: dict[str, kinds.Check],
    *,
    ordered: bool = True,
    of_server: str = "",
    texts: Mapping[str, int] = MappingProxyType({}),
    verbs: str = "",
) -> Collection:
    known = fields | {"order": kinds.order_key} if ordered else fields
    lists = {field: _ENTRIES[check] for field, check in fields.items() if check in _ENTRIES}
    words = (frozenset(text.split()) for text in (required, of_server, verbs))
    needed, servers, asked = words
    return Collection(op_type, known, needed, ordered, servers, texts, lists, asked)


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
        texts=_NOTES,
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
        texts=_NOTES,
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
        texts=_NOTES,
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
            "diet": LABELS_OR_LABEL,
            "plusOne": LABEL,
            "needs": LABELS_OR_LABEL,
            "sitWith": IDS,
            "keepApart": IDS,
            "table": kinds.token,
            "notes": TEXT,
        },
        texts=_NOTES,
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
    "documents": _collection(
        "document_edit",
        "title",
        _DOCUMENT | {"textFormat": FORMAT},
        of_server="textFormat",
        texts={"text": MAX_TEXT_LENGTH},
        verbs="name_version restore",
    ),
    "versions": _collection(
        "document_edit",
        "document name",
        {
            "document": kinds.token,
            "name": LABEL,
            "author": kinds.token,
            "savedAt": kinds.instant,
            "text": LONG_TEXT,
            "textFormat": FORMAT,
        }
        | _AUDIENCE,
        ordered=False,
        of_server="document author savedAt text textFormat audience",
    ),
    "photos": _collection("photo_upload", "title", dict(_DOCUMENT), texts={"text": 50_000}),
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

#: Fields of which a whole new value changes what it changes, since it is an edit of the text: they never conflict.
MERGED_TEXTS: Final = frozenset({("documents", "text")})
TYPES: Final = frozenset(collection.type for collection in COLLECTIONS.values()) | {"presence_change"}
