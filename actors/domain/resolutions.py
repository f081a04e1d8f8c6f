"""The answers to a conflict: `resolve` an open one, `reverse` a decision, and what happens when nobody answers.

Each applies the value that is chosen as an update of the item by whoever answers, so that the section's rules and rights hold,
and closes the record in the same op. What was written since is not overwritten. Called through the table in `rules`, which hands
in the verbs of the sections.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from actors.contract.changes import Change
from actors.contract.channels import SERVICE_RIGHTS, may_read
from actors.contract.collections import COLLECTIONS
from actors.contract.conflicts import COLLECTION, WHOLE_ITEM
from actors.contract.events import instant_of
from actors.contract.ids import SERVICE_PRINCIPALS, TIMER_PRINCIPAL
from actors.contract.ops import Op, Target
from actors.domain.conflict_expiry import EXPIRE, TIMER, armed, ends_ms, open_records
from actors.domain.conflict_records import REVERSIBLE_MS, notices
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request, joined
from actors.domain.state import Item, Write, find_item, grave_of
from actors.domain.timers import cancel

Verb = Callable[[Request], Plan]
VerbOf = Callable[[int, str, str], Verb]
_OTHER: Final = {"first": "second", "second": "first"}
_CLOSED: Final = ("decided", "resolved", "expired")


def verbs(verb_of: VerbOf) -> Mapping[str, Verb]:
    """Return the verbs of the collection `conflicts`."""
    return {"resolve": partial(resolve, verb_of), "reverse": partial(reverse, verb_of), EXPIRE: partial(expire, verb_of)}


def resolve(verb_of: VerbOf, request: Request) -> Plan:
    """Choose what stands in an open conflict: the first value, the second, or another one."""
    record = _answerable(request, ("open",))
    plan = _answered(verb_of, request, record, str(request.op.data["choice"]), "resolved")
    return plan if len(open_records(request.state)) > 1 else plan._replace(effects=plan.effects + cancel(request.state, TIMER))


def reverse(verb_of: VerbOf, request: Request) -> Plan:
    """Let the value stand that did not, within its time; where both stand, merged, the op names one."""
    record = _answerable(request, _CLOSED)
    choice = request.op.data.get("choice") or _OTHER.get(record.fields["outcome"])
    if choice is None:
        raise Refused("bad_value", "Neither side prevailed here alone.", "Name `choice`: first, second or value.")
    return _answered(verb_of, request, record, str(choice), "reversed")


def expire(verb_of: VerbOf, request: Request) -> Plan:
    """Close the record whose time ended first with its default, and let the timer fire for the next."""
    state = request.state
    waiting = sorted((ends_ms(record.fields), name) for name, record in open_records(state).items())
    plan = Plan(())
    if waiting and waiting[0][0] <= request.now_ms:
        identifier = waiting.pop(0)[1]
        op = msgspec.structs.replace(request.op, target=Target(COLLECTION, identifier))
        of_all = request._replace(op=op, rights=SERVICE_RIGHTS)
        record = state.items[COLLECTION][identifier]
        try:
            plan = _answered(verb_of, of_all, record, record.fields["default"], "expired")
        except Refused:
            # What stands there now is newer, or gone: the record alone is closed.
            plan = _closing(of_all, identifier, record, record.fields["outcome"], "expired", Plan(()))
    return plan._replace(effects=plan.effects + armed(state, [each for each, _ in waiting], plan.effects, fired=True))


def _answerable(request: Request, statuses: tuple[str, ...]) -> Item:
    """Return the record; raises Refused unless the author may read it, may answer it, and it is time."""
    target = request.op.target
    record = find_item(request.state, COLLECTION, target.id)
    if record is None or not may_read(request.rights, record.channel):
        raise Refused("not_found")
    fields = record.fields
    if COLLECTIONS[fields["collection"]].type != request.op.type:
        raise Refused("type_mismatch", f"This conflict is about {fields['collection']}, which {request.op.type} does not write.")
    may = fields["mayAnswer"]
    if request.role not in may["roles"] and request.principal not in (*may["people"], *SERVICE_PRINCIPALS):
        raise Refused("not_allowed", "This conflict is not yours to settle.", f"Ask somebody of {', '.join(may['roles'])}.")
    if fields["status"] not in statuses or ends_ms(fields) < request.now_ms:
        raise Refused("conflict_closed")
    return record


def _answered(verb_of: VerbOf, request: Request, record: Item, choice: str, status: str) -> Plan:
    fields = record.fields
    if choice == "value" and fields["field"] == "order":
        # A key of one's own could leave others no room; where an item goes, `move` says.
        raise Refused("bad_value", "This conflict is about a place in a list.", "Choose first or second, or move the item.")
    content = {"value": request.op.data["value"]} if choice == "value" else _content_of(fields[choice])
    apply = _apply_to_item if fields["field"] == WHOLE_ITEM else _apply_to_field
    plan = apply(verb_of, request, record, content)
    return _closing(request, request.op.target.id, record, choice, status, plan)


def _content_of(side: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in side.items() if name in ("value", "fields", "cleared", "deleted")}


def _apply_to_field(verb_of: VerbOf, request: Request, record: Item, content: Mapping[str, Any]) -> Plan:
    collection, field, value = record.fields["collection"], record.fields["field"], content.get("value")
    item = find_item(request.state, collection, record.fields["item"])
    if item is None:
        raise Refused("not_found", "The item of this conflict has been deleted.")
    _require_field_not_superseded(item, field, record)
    if item.fields.get(field) == value:
        return Plan(())
    kind = COLLECTIONS[collection]
    expected = kind.fields[field](value) if value is not None else "given" if field in kind.required else None
    if expected is not None:
        raise Refused("bad_value", f"{collection}.{field} must be {expected}.")
    return _asked(verb_of, request, record, "update", {field: value})


def _apply_to_item(verb_of: VerbOf, request: Request, record: Item, content: Mapping[str, Any]) -> Plan:
    """Delete the item, or let it stand with the edits; one that is gone comes back as it was."""
    if "value" in content:
        raise Refused("bad_value", "This conflict is about the whole item.", "Choose first or second.")
    item = find_item(request.state, record.fields["collection"], record.fields["item"])
    deletes = bool(content.get("deleted"))
    if item is None and deletes:
        return Plan(())
    _require_item_not_superseded(request, item, record)
    if item is None:
        edits = {**content.get("fields", {}), **dict.fromkeys(content.get("cleared", ()))}
        return _asked(verb_of, request, record, "revive", edits)
    # Where it stands and nobody has written since, it stands with the edits.
    return _asked(verb_of, request, record, "delete", {}) if deletes else Plan(())


def _asked(verb_of: VerbOf, request: Request, record: Item, action: str, data: dict[str, Any]) -> Plan:
    """Let the rules of the section judge the change as one of whoever answers."""
    collection, identifier = record.fields["collection"], record.fields["item"]
    op = Op(request.op.type, action, Target(collection, identifier), request.op.id, data)
    return verb_of(request.version, collection, action)(request._replace(op=op))


def _require_field_not_superseded(item: Item, field: str, record: Item) -> None:
    write = item.writes.get(field) or (item.inserted if item.origin is None else item.origin.last_write(field))
    if _is_of_others(write, record):
        raise Refused("superseded")


def _require_item_not_superseded(request: Request, item: Item | None, record: Item) -> None:
    """Raise Refused where somebody has written or deleted the item, or put it there again, since the conflict came up."""
    collection, identifier = record.fields["collection"], record.fields["item"]
    if item is not None:
        # An insert elsewhere may have renumbered it: a place is no edit of the item.
        unedited = COLLECTIONS[collection].of_server | {"order"}
        channel = item.channel
        writes = [item.inserted, *(write for field, write in item.writes.items() if field not in unedited)]
    else:
        grave = grave_of(request.state, collection, identifier)
        channel = record.channel if grave is None else grave.item.channel
        writes = [] if grave is None else [grave.write]
    # An item that was given to other readers since has a channel other than its record's.
    since = [write for write in writes if channel != record.channel or write.sequence > record.inserted.sequence]
    if any(_is_of_others(write, record) for write in since):
        raise Refused(
            "superseded", "Somebody has written the item since.", "Look at what stands there now and change the item itself."
        )


def _is_of_others(write: Write, record: Item) -> bool:
    """Tell whether a write is neither of the two that met in the conflict, nor what stood there, nor that of an answer."""
    sides = [record.fields[name] for name in ("first", "standing", "second", "answer") if name in record.fields]
    return (write.op, write.principal) not in {(each["op"], each["user"]) for each in sides}


def _closing(request: Request, identifier: str, record: Item, outcome: str, status: str, plan: Plan) -> Plan:
    reason = "nobody answered in time" if request.principal == TIMER_PRINCIPAL else f"{request.principal} has {status} it"
    settled: dict[str, object] = {
        "status": status,
        "outcome": outcome,
        "reason": reason,
        "answer": {"op": request.op.id, "user": request.principal, "at": instant_of(request.now_ms)},
        "until": instant_of(request.now_ms + REVERSIBLE_MS),
    }
    change = PlannedPart(record.channel, (Change(COLLECTION, identifier, set=settled),))
    told = notices(request.state, identifier, {**record.fields, **settled})
    return plan._replace(parts=joined((*plan.parts, change, *told)))
