"""check_op: everything about an op that can be judged without any state, one case per code and per kind of field."""

from typing import Any

import msgspec
import pytest

from actors.contract.collections import COLLECTIONS, TYPES
from actors.contract.errors import BadOp
from actors.contract.ids import MAX_INTEGER
from actors.contract.ops import MAX_BASE, MAX_DEPENDENCIES, LogEntry, Op, Target, check_op
from tests.support.folding import WEDDING_DATA, op_of

WEDDING = "w77"


def code_of(op: Op) -> str | None:
    """The code with which the op is refused, None when it is good."""
    try:
        check_op(op, WEDDING)
    except BadOp as error:
        return error.code if error.message and error.remedy else "without words"
    return None


def insert(collection: str, data: dict[str, Any], identifier: str = "it") -> Op:
    return op_of("", collection, "insert", identifier, data)


def update(collection: str, **data: Any) -> Op:
    return op_of("", collection, "update", "it", data)


_GOOD: list[tuple[str, dict[str, Any]]] = [
    ("timeline", {"title": "First look", "start": "2027-06-19T10:45:00Z", "durationMin": 30, "anchored": False}),
    ("timeline", {"title": "x", "dependsOn": ["hair-makeup"], "vendors": [], "visibility": "core", "order": "a0V"}),
    ("budget", {"item": "Hall", "estimate": 980000, "currency": "CHF", "payer": "couple", "depositDueDaysBefore": 300}),
    ("vendors", {"name": "Bloom", "contractStart": "2027-06-19T06:00:00.000Z", "overtimePerHour": 9500}),
    ("guests", {"firstName": "Nora", "child": False, "rsvp": "pending", "diet": ["vegan", "halal"], "needs": "wheelchair"}),
    ("tables", {"name": "Aare", "capacity": 8, "nearExit": True, "x": -3, "y": 0}),
    ("documents", {"title": "Vows", "text": "…", "audience": "core"}),
    ("photos", {"title": "Arch"}),
    ("tasks", {"title": "Rings", "done": True}),
    ("messages", {"text": "Hello", "audience": "everyone"}),
    ("inbox", {"person": "noemi", "text": "Psst", "read": False}),
    ("people", {"name": "Noemi", "role": "friend"}),
    ("permissions", {}),
    ("permissions", {"integrator": True}),
]


@pytest.mark.parametrize(("collection", "data"), _GOOD)
def test_a_good_insert_passes(collection: str, data: dict[str, Any]) -> None:
    """Every collection takes an item of its fields."""
    assert code_of(insert(collection, data)) is None


def test_a_good_wedding_passes_with_and_without_role() -> None:
    """`role` belongs to the creation of a wedding, though it is no field of it."""
    rates = {"rates": {"EUR": "0.9400"}, "venue": {"id": "seehof", "name": "Seehof", "latitude": 47226600, "longitude": 8818400}}
    assert code_of(insert("wedding", WEDDING_DATA | rates, WEDDING)) is None
    assert code_of(insert("wedding", WEDDING_DATA | {"role": "couple"}, WEDDING)) is None
    assert code_of(insert("wedding", WEDDING_DATA | {"role": "bride"}, WEDDING)) == "bad_value"
    assert code_of(op_of("", "wedding", "update", WEDDING, {"role": "couple"})) == "bad_value"


@pytest.mark.parametrize("action", ["update", "delete", "move"])
def test_the_other_actions_pass(action: str) -> None:
    """Update takes fields, delete nothing, move the item before or null."""
    data: dict[str, dict[str, Any]] = {"update": {"title": "x", "done": None}, "delete": {}, "move": {"after": None}}
    assert code_of(op_of("", "tasks", action, "it", data[action])) is None


_BAD: dict[str, tuple[str, Op]] = {
    "unknown type": ("unknown_type", op_of("", "tasks", "insert", "it", {}, op_type="party_planning")),
    "presence is not stored": ("unknown_type", op_of("", "tasks", "update", "it", {}, op_type="presence_change")),
    "type of another collection": ("type_mismatch", op_of("", "tasks", "insert", "it", {"title": "x"}, op_type="photo_upload")),
    "unknown collection": ("type_mismatch", op_of("", "cakes", "insert", "it", {}, op_type="task_completion")),
    "unknown action": ("bad_value", op_of("", "tasks", "upsert", "it", {"title": "x"})),
    "id with a dot": ("bad_id", insert("tasks", {"title": "x"}, "a.b")),
    "id with a wildcard": ("bad_id", insert("tasks", {"title": "x"}, "*")),
    "wedding under another id": ("bad_id", insert("wedding", WEDDING_DATA, "w78")),
    "reserved person": ("bad_id", insert("people", {"name": "x", "role": "guest"}, "couple")),
    "reserved integrator": ("bad_id", insert("permissions", {}, "operator")),
    "field in the target": ("bad_value", Op("task_completion", "update", Target("tasks", "it", "title"), data={"title": "x"})),
    "base below zero": ("bad_frame", op_of("", "tasks", "update", "it", {"title": "x"}, {"tasks.team": -1})),
    "base past 2^53": ("bad_frame", op_of("", "tasks", "update", "it", {"title": "x"}, {"tasks.team": MAX_INTEGER + 1})),
    "too many claims": (
        "bad_frame",
        op_of("", "tasks", "update", "it", {"title": "x"}, dict.fromkeys(map(str, range(MAX_BASE + 1)), 0)),
    ),
    "too many dependencies": (
        "bad_value",
        Op("task_completion", "delete", Target("tasks", "it"), dependencies=["x"] * (MAX_DEPENDENCIES + 1)),
    ),
    "missing field": ("bad_value", insert("tasks", {"done": True})),
    "unknown field": ("bad_value", insert("tasks", {"title": "x", "colour": "red"})),
    "null in an insert": ("bad_value", insert("tasks", {"title": "x", "done": None})),
    "update of nothing": ("bad_value", update("tasks")),
    "update of the order": ("bad_value", update("tasks", order="a0")),
    "clearing what is required": ("bad_value", update("tasks", title=None)),
    "delete with data": ("bad_value", op_of("", "tasks", "delete", "it", {"title": "x"})),
    "delete of the wedding": ("not_allowed", op_of("", "wedding", "delete", WEDDING)),
    "move of what has no order": ("bad_value", op_of("", "people", "move", "it", {"after": None})),
    "move without after": ("bad_value", op_of("", "tasks", "move", "it")),
    "move after no id": ("bad_value", op_of("", "tasks", "move", "it", {"after": 7})),
    "move after itself": ("bad_value", op_of("", "tasks", "move", "it", {"after": "it"})),
    "move and more": ("bad_value", op_of("", "tasks", "move", "it", {"after": None, "title": "x"})),
}


@pytest.mark.parametrize(("code", "op"), _BAD.values(), ids=list(_BAD))
def test_a_bad_op_is_refused_with_its_code(code: str, op: Op) -> None:
    """Each way to be wrong has its code, and a message and a remedy with it."""
    assert code_of(op) == code


_BAD_VALUES: dict[str, Op] = {
    "text that is none": update("tasks", title=3),
    "text too long": update("tasks", title="x" * 201),
    "text with NUL": update("tasks", title="a\x00b"),
    "flag as number": update("tasks", done=1),
    "flag as word": update("tasks", done="yes"),
    "number as flag": update("tables", capacity=True),
    "number with a fraction": update("tables", capacity=8.5),
    "number out of bounds": update("tables", capacity=1001),
    "number as text": update("tables", capacity="8"),
    "money past 2^53": update("budget", estimate=MAX_INTEGER + 1),
    "money with a fraction": update("budget", estimate=98.5),
    "minutes below zero": update("timeline", durationMin=-1),
    "currency in lower case": update("budget", currency="chf"),
    "currency too long": update("budget", currency="CHFR"),
    "token with a capital": update("budget", vendor="Bloom"),
    "moment with an offset": update("timeline", start="2027-06-19T12:30:00+02:00"),
    "moment without a zone": update("timeline", start="2027-06-19T12:30:00"),
    "moment that never was": update("timeline", start="2027-02-29T12:30:00Z"),
    "moment with a leap second": update("timeline", start="2027-06-30T23:59:60Z"),
    "word out of the list": update("guests", rsvp="maybe"),
    "word of another list": update("timeline", visibility="family"),
    "list that is none": update("timeline", vendors="bloom"),
    "list with a bad entry": update("timeline", vendors=["bloom", "Lux"]),
    "list too long": update("timeline", vendors=["v"] * 201),
    "neither label nor labels": update("guests", diet={"vegan": True}),
    "order of bad form": insert("tasks", {"title": "x", "order": "0a"}),
    "day that never was": op_of("", "wedding", "update", WEDDING, {"date": "2027-06-31"}),
    "day with a time": op_of("", "wedding", "update", WEDDING, {"date": "2027-06-19T00:00:00Z"}),
    "zone of bad form": op_of("", "wedding", "update", WEDDING, {"timeZone": "../etc/passwd"}),
    "rate as a number": op_of("", "wedding", "update", WEDDING, {"rates": {"EUR": 1}}),
    "rate of bad form": op_of("", "wedding", "update", WEDDING, {"rates": {"EUR": "-1"}}),
    "rate of no currency": op_of("", "wedding", "update", WEDDING, {"rates": {"euro": "1"}}),
    "venue with floats": op_of("", "wedding", "update", WEDDING, {"venue": {"latitude": 47.2}}),
    "venue off the map": op_of("", "wedding", "update", WEDDING, {"venue": {"latitude": 90_000_001}}),
    "venue with more": op_of("", "wedding", "update", WEDDING, {"venue": {"stars": 4}}),
}


@pytest.mark.parametrize("op", _BAD_VALUES.values(), ids=list(_BAD_VALUES))
def test_a_value_that_does_not_fit_its_field_is_bad_value(op: Op) -> None:
    """Each kind of field refuses what is not of its kind."""
    assert code_of(op) == "bad_value"


def test_every_type_but_presence_writes_a_collection() -> None:
    """The table of types and collections is the one of the design."""
    assert len(TYPES) == 10
    assert {collection.type for collection in COLLECTIONS.values()} == TYPES - {"presence_change"}


def test_d1_a_log_entry_comes_back_from_the_log() -> None:
    """What is written into the log is what is read from it, defaults left out."""
    entry = LogEntry(op_of("20270619-k3v9q2:1", "tasks", "insert", "it", {"title": "x"}, {"tasks.team": 3}), "websocket", "web/1")
    written = msgspec.json.encode(entry)
    assert b"dependencies" not in written
    assert msgspec.json.decode(written, type=LogEntry) == entry
