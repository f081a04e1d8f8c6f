"""Ops: what a person asks. Their shape, and everything about them that can be judged without any state.

`check_op` runs at every entrance before the log and again in the fold, so an older entrance can never let a bad value in.
Whether the target exists and whether the author may write it is decided in the fold (actors.domain).
"""

from typing import Final, Literal

import msgspec

from actors.contract import conflicts
from actors.contract.channels import ROLES
from actors.contract.collections import COLLECTIONS, LABEL, TYPES, Collection
from actors.contract.errors import BadOp
from actors.contract.field_kinds import Check
from actors.contract.ids import MAX_INTEGER, RESERVED_IDS, is_token
from actors.contract.text_form import format_field, read_delta

#: What rights to write are about; the others do one of these.
ACTIONS: Final = frozenset({"insert", "update", "delete", "move"})
_OTHER_ACTIONS: Final = frozenset({"edit", "undo"})
EVERY_ACTION: Final = ACTIONS.union(_OTHER_ACTIONS, *(collection.verbs for collection in COLLECTIONS.values()))
MAX_DEPENDENCIES: Final = 50
MAX_BASE: Final = 500
MAX_OP_BYTES: Final = 64 * 1024
#: Where an op came in; `nats` ops carry no client number, `actor` ones are messages of another actor, `timer` ones
#: firings of the wedding's own timers.
Source = Literal["websocket", "http", "nats", "actor", "timer"]


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """The item that an op is about; `field` only for text and list edits."""

    collection: str
    id: str
    field: str | None = None


class Op(msgspec.Struct, frozen=True, omit_defaults=True):
    """One op as a client sends it; `base` names the channel sequences that its author had applied.

    `dependencies` are the ops that must be decided before; `priority` says how urgent it is, normal unless it says otherwise.
    """

    type: str
    action: str
    target: Target
    id: str = ""
    data: dict[str, object] = {}
    base: dict[str, int] = {}
    dependencies: list[str] = []
    priority: str = ""


class LogEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one log message holds; author and wedding stand in its subject, its time and position are the log's.

    `hops` says how many messages between actors led to this one, itself included; 0 for what a person asks.
    """

    op: Op
    source: Source
    client_version: str = ""
    hops: int = 0


def check_op(op: Op, wedding: str) -> None:
    """Judge all but the op's own id: type, collection, ids, action, values; raises BadOp with the code and the remedy."""
    if op.type not in TYPES or op.type == "presence_change":
        raise BadOp("unknown_type", f"{op.type[:80]!r} is not an op type that is stored.")
    if op.target.collection == conflicts.COLLECTION:
        conflicts.check_resolution(op.type, op.action, op.data)
        _check_target(op, wedding)
        _check_claims(op)
        return
    collection = COLLECTIONS.get(op.target.collection)
    if collection is None or collection.type != op.type:
        raise BadOp("type_mismatch", f"{op.type} does not write the collection {op.target.collection[:80]!r}.")
    if op.action not in ACTIONS and op.action not in _OTHER_ACTIONS and op.action not in collection.verbs:
        known = ", ".join(sorted(ACTIONS | _OTHER_ACTIONS | collection.verbs))
        raise BadOp("bad_value", f"{op.action[:80]!r} is not an action of {op.target.collection}.", f"Use one of {known}.")
    _check_target(op, wedding)
    _check_claims(op)
    _CHECKS[op.action](op, collection)


def _check_target(op: Op, wedding: str) -> None:
    target = op.target
    if not is_token(target.id):
        raise BadOp("bad_id", f"{target.id[:80]!r} is not an item id.")
    if target.collection == "wedding" and target.id != wedding:
        raise BadOp("bad_id", "The one item of the collection `wedding` has the wedding's own id.", f"Use the id {wedding}.")
    if target.collection in ("people", "permissions") and target.id in RESERVED_IDS:
        raise BadOp("bad_id", f"{target.id!r} is reserved and cannot be a person.", "Choose another id for this person.")
    if target.field is not None and op.action != "edit":
        raise BadOp("bad_value", "`target.field` is for text and list edits only.", "Leave it out and set the field in `data`.")


def _check_claims(op: Op) -> None:
    # Written for the op that claims little, which is nearly every one: a generator would cost more than all it looks at.
    bad_base = len(op.base) > MAX_BASE
    for sequence in op.base.values():
        bad_base = bad_base or not 0 <= sequence <= MAX_INTEGER
    if bad_base:
        raise BadOp("bad_frame", "`base` maps at most 500 channels to the sequences you had applied.")
    if op.dependencies and (len(op.dependencies) > MAX_DEPENDENCIES or any(len(name) > 200 for name in op.dependencies)):
        raise BadOp(
            "bad_value", f"`dependencies` names at most {MAX_DEPENDENCIES} ops.", "Name only the ops that must come first."
        )
    if op.priority and op.priority not in conflicts.PRIORITIES:
        raise BadOp("bad_value", "`priority` is one of " + ", ".join(conflicts.PRIORITIES) + ".", "Leave it out for normal.")


def _check_fields(op: Op, collection: Collection) -> None:
    for field, value in op.data.items():
        check = collection.fields.get(field)
        if check is None:
            known = ", ".join(sorted(collection.fields))
            raise BadOp("bad_value", f"{op.target.collection} has no field {field[:80]!r}.", f"Its fields are {known}.")
        if field in collection.of_server:
            raise BadOp("bad_value", f"{op.target.collection}.{field} is set by the server.", "Leave it out.")
        if value is None and op.action == "update":
            if field in collection.required or field == "order":
                raise BadOp("bad_value", f"{op.target.collection}.{field} cannot be cleared.", "Give it a value instead of null.")
            continue
        expected = check(value)
        if expected is not None:
            raise BadOp("bad_value", f"{op.target.collection}.{field} must be {expected}.")


def _check_insert(op: Op, collection: Collection) -> None:
    if op.target.collection == "wedding":
        role = op.data.get("role")
        if role is not None and role not in ROLES:
            raise BadOp("bad_value", "wedding.role must be one of " + ", ".join(ROLES) + ".")
        op = msgspec.structs.replace(op, data={field: value for field, value in op.data.items() if field != "role"})
    _check_fields(op, collection)
    missing = sorted(collection.required - op.data.keys())
    if missing:
        raise BadOp("bad_value", f"{op.target.collection} needs {', '.join(missing)}.", "`insert` carries the whole item.")


def _check_update(op: Op, collection: Collection) -> None:
    if not op.data:
        raise BadOp("bad_value", "`update` without fields changes nothing.", "Put the fields and their new values into `data`.")
    if "order" in op.data:
        raise BadOp("bad_value", "`order` is set by the server.", "Use the action move with `after`.")
    _check_fields(op, collection)


def _check_delete(op: Op, collection: Collection) -> None:
    if op.data:
        raise BadOp("bad_value", "`delete` takes no data.", "Leave `data` out.")
    _check_not_the_wedding(op)
    del collection


def _check_not_the_wedding(op: Op) -> None:
    if op.target.collection == "wedding":
        raise BadOp("not_allowed", "A wedding is not deleted by an op.", "Ask the operator.")


def _check_move(op: Op, collection: Collection) -> None:
    if not collection.ordered:
        raise BadOp("bad_value", f"{op.target.collection} is not an ordered list.", "Only ordered collections can be moved in.")
    if set(op.data) != {"after"} or not (op.data["after"] is None or is_token(op.data["after"])):
        raise BadOp("bad_value", "`move` takes exactly `after`: the id of the item before, or null for the front.")
    if op.data["after"] == op.target.id:
        raise BadOp("bad_value", "An item cannot come after itself.", "Name another item in `after`.")


def _check_undo(op: Op, collection: Collection) -> None:
    undone, inverse = op.data.get("op"), op.data.keys() - {"op"}
    if not isinstance(undone, str) or not 0 < len(undone) <= 200 or len(inverse) != 1:
        raise BadOp("bad_value", "`undo` takes `op` and one of `set`, `insert`, `remove`, `edit`.", "Ask what undoes it.")
    values = op.data.get("set", op.data.get("insert"))
    whole = {"remove", "insert"} & inverse
    if "remove" in inverse:
        _check_not_the_wedding(op)
    if any(op.data[name] is True for name in whole) or (inverse == {"edit"} and op.data["edit"] in [*collection.texts]):
        return
    if inverse == {"insert"} and isinstance(values, dict):
        _check_insert(msgspec.structs.replace(op, action="insert", data=values), collection)
    elif inverse == {"set"} and isinstance(values, dict) and values:
        _check_fields(msgspec.structs.replace(op, action="update", data=values), collection)
    else:
        raise BadOp(
            "bad_value", "`set` maps fields to values, `insert` is a whole item or true, `remove` is true, `edit` a text."
        )


def _check_edit(op: Op, collection: Collection) -> None:
    field = op.target.field or ""
    if field in collection.texts:
        if set(op.data) != {"delta"}:
            raise BadOp("bad_value", "An edit of a text takes exactly `delta`.")
        read_delta(op.data["delta"], attributed=format_field(field) in collection.fields)
    elif field in collection.lists:
        check_list_edit(op.data, collection.lists[field])
    else:
        known = ", ".join([*collection.texts, *collection.lists]) or "none"
        raise BadOp("bad_value", f"{op.target.collection}.{field[:80]} is not edited piecewise.", f"Fields that are: {known}.")


def check_list_edit(data: dict[str, object], check: Check) -> None:
    """Judge an edit of a list: `insert`, `remove` or `move` of one entry, the first and last optionally with `after`."""
    verbs = data.keys() & {"insert", "remove", "move"}
    if len(verbs) != 1 or not data.keys() <= verbs | {"after"} or ("remove" in verbs and "after" in data):
        raise BadOp("bad_value", "An edit of a list takes one of insert, remove, move, and with the first or last `after`.")
    for name, value in data.items():
        expected = None if name == "after" and value is None else check(value)
        if expected is not None:
            raise BadOp("bad_value", f"`{name}` must be {expected}.")


def _check_name_version(op: Op, collection: Collection) -> None:
    name, version = op.data.get("name"), op.data.get("version", "v")
    if not op.data.keys() <= {"name", "version"} or LABEL(name) is not None or not name or not is_token(version):
        raise BadOp("bad_value", "`name_version` takes `name`, and optionally the id `version`.")
    del collection


def _check_restore(op: Op, collection: Collection) -> None:
    if set(op.data) != {"version"} or not is_token(op.data["version"]):
        raise BadOp("bad_value", "`restore` takes exactly `version`, the id of a version of this document.")
    del collection


_CHECKS: Final = {
    "insert": _check_insert,
    "update": _check_update,
    "delete": _check_delete,
    "move": _check_move,
    "undo": _check_undo,
    "edit": _check_edit,
    "name_version": _check_name_version,
    "restore": _check_restore,
}
