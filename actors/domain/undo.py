"""The verb `undo`: takes one op of its author back as far as nobody has changed what it wrote (from version 3 of the rules on).

The op brings the values of before, which its author learns from the owner (actors.runtime.undo_plans), or says that a deleted
item is to come back as it was. Nothing is taken on trust:
a field is restored only while the named op is its last write and the author's own, and what is done then is an ordinary update,
insert or delete under the rules of the collection. So later edits win, a repeat does nothing, and undoing an undo does it again.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from actors.contract.channels import may_read
from actors.contract.collections import COLLECTIONS
from actors.contract.ops import Target
from actors.contract.text_ot import Delta
from actors.domain.items import Plan, Request, writable
from actors.domain.order_keys import LONGEST_GIVEN, LONGEST_MADE, is_roomy
from actors.domain.state import Item, Write, find_item, grave_of, last_removal
from actors.domain.text_window import taken_back
from actors.domain.texts import edited

Verbs = Mapping[str, Callable[[Request], Plan]]


class Undone(NamedTuple):
    """Which op is to be taken back, whose it is, and the item that it touched."""

    op: str
    principal: str
    target: Target

    def wrote(self, write: Write) -> bool:
        """Tell whether a write is its own; ids of ops over NATS are unique per principal only."""
        return write.op == self.op and write.principal == self.principal


def undo(verbs: Verbs, request: Request) -> Plan:
    """Return what is left to be taken back, perhaps nothing; raises Refused where the author may not write that any more."""
    data, target = request.op.data, request.op.target
    item = find_item(request.state, target.collection, target.id)
    if item is not None and not may_read(request.rights, item.channel):
        return Plan(())
    undone = Undone(str(data["op"]), request.principal, target)
    if "insert" in data:
        removal = last_removal(request.state, target.collection, target.id)
        is_left = item is None and removal is not None and undone.wrote(removal)
        if not is_left:
            return Plan(())
        whole = data["insert"]
        if not isinstance(whole, dict):
            return _revived(request, verbs)
        return _as(request, verbs, "insert", _without_crowding(whole, LONGEST_GIVEN))
    if item is None:
        return Plan(())
    if "remove" in data:
        is_left = undone.wrote(item.inserted) and not written_by_others(undone, item)
        return _as(request, verbs, "delete", {}) if is_left else Plan(())
    if "edit" in data:
        return _undo_edit(request, undone, item, str(data["edit"]))
    left = _without_crowding(fields_left(undone, item, data["set"]), LONGEST_MADE)
    return _as(request, verbs, "update", left) if left else Plan(())


def _undo_edit(request: Request, undone: Undone, item: Item, field: str) -> Plan:
    """Take an edit of a text back and leave all later ones; nothing is left of one that is no longer remembered."""
    target = msgspec.structs.replace(request.op.target, field=field)
    writer = request._replace(op=msgspec.structs.replace(request.op, action="edit", target=target))
    writable(writer)
    delta = edit_left(undone, item, field)
    return edited(writer, item, field, delta, None) if delta else Plan(())


def edit_left(undone: Undone, item: Item, field: str) -> Delta | None:
    """Return what takes the op's edit of a text back, None where it is too old or taken back already."""
    window = item.edits.get(field)
    return None if window is None else taken_back(window, undone.op, undone.principal)


def fields_left(undone: Undone, item: Item, values: Any) -> dict[str, Any]:
    """Return those of the values whose fields the op wrote last."""
    return {field: value for field, value in values.items() if undone.wrote(item.last_write(field))}


def _without_crowding(values: dict[str, Any], longest: int) -> dict[str, Any]:
    """Return the values without a place beside which there is no room, such as one of before its list was healed."""
    return {field: value for field, value in values.items() if field != "order" or is_roomy(value, longest)}


def written_by_others(undone: Undone, item: Item) -> dict[str, Write]:
    """Return the last writes of other people since the item was inserted, by field; without notes of the server and places."""
    unedited = COLLECTIONS[undone.target.collection].of_server | {"order"}
    return {field: write for field, write in item.writes.items() if write.principal != undone.principal and field not in unedited}


def _revived(request: Request, verbs: Verbs) -> Plan:
    """Return what brings the item back as it was; nothing where that is forgotten."""
    grave = grave_of(request.state, request.op.target.collection, request.op.target.id)
    return Plan(()) if grave is None else _as(request, verbs, "revive", {})


def _as(request: Request, verbs: Verbs, action: str, data: Any) -> Plan:
    return verbs[action](request._replace(op=msgspec.structs.replace(request.op, action=action, data=data)))
