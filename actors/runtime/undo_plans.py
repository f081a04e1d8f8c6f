"""What takes one op back: its inverse, from the state before it, as far as nobody has written there since.

The answer is only a proposal: whether a field may still be restored is decided in the fold, when the undo comes there
(actors.domain.undo). Called by calls.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from actors.contract.calls import KeptWrite, UndoPlan, UndoQuestion
from actors.contract.channels import may_read
from actors.contract.collections import COLLECTIONS
from actors.contract.conflicts import COLLECTION as CONFLICTS
from actors.contract.decisions import Decision
from actors.contract.ops import Op, Target
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, Item, find_item, grave_of, last_removal
from actors.domain.undo import Undone, edit_left, fields_left, written_by_others
from actors.runtime.actor import Actor
from actors.runtime.past_states import AtRev, state_at
from actors.runtime.ports import Store
from store.errors import NotStoredYet


class Standing(NamedTuple):
    """One item at one moment: its channel and its fields, None where it was not there."""

    channel: str
    fields: dict[str, Any] | None


async def undo_plan(store: Store, actor: Actor, question: UndoQuestion) -> UndoPlan:
    """Return what takes the op back; raises StoreError."""
    decision = await _find(store, actor, question)
    if decision is None:
        return UndoPlan(found=False)
    ops: list[Op] = []
    kept: list[KeptWrite] = []
    texts = _texts_of(decision)
    touched = await _touched(store, actor, decision)
    whole = {target.id for target, old, new in touched if target.collection == "documents" and None in (old.fields, new.fields)}
    for target, old, new in touched:
        if _belongs_to(whole, target, old, new) or not _may_know(actor.awake_state, target, (old, new), question):
            continue
        undone = Undone(question.op, question.principal, target)
        inverse = _inverse(target.collection, old, new)
        for field in texts.get((target.collection, target.id), ()):
            left, later = _edit_left(actor.awake_state, undone, field)
            kept += later
            ops += [Op(COLLECTIONS[target.collection].type, "undo", target, data={"op": question.op, **left})] if left else []
            inverse["set"].pop(field, None)
        if inverse.get("set") == {}:
            continue
        left, later = _left(actor.awake_state, undone, inverse)
        kept += later
        if left:
            ops.append(Op(COLLECTIONS[target.collection].type, "undo", target, data={"op": question.op, **left}))
    return UndoPlan(found=True, ops=tuple(ops), kept=tuple(kept))


def _belongs_to(documents: set[str], target: Target, old: Standing, new: Standing) -> bool:
    """Tell whether an item is a version that came or went with its document, as it will again."""
    fields = old.fields or new.fields or {}
    return target.collection == "versions" and fields.get("document") in documents


def _texts_of(decision: Decision) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the fields that the op edited as texts, by collection and id."""
    changes = (change for part in decision.parts for change in part.changes)
    return {(change.collection, change.id): tuple(change.edit) for change in changes if isinstance(change.edit, dict)}


def _edit_left(state: ActorState, undone: Undone, field: str) -> tuple[dict[str, Any] | None, list[KeptWrite]]:
    """Return what takes an edit of a text back, later edits staying; what is too old for that is kept."""
    target = undone.target
    item = find_item(state, target.collection, target.id)
    if item is None:
        return None, [KeptWrite(target.collection, target.id)]
    if edit_left(undone, item, field):
        return {"edit": field}, []
    return None, list(_overtaken(item, undone, {field}))


async def _find(store: Store, actor: Actor, question: UndoQuestion) -> Decision | None:
    """Return the decision about the op; raises StoreError, NotStoredYet where it may be one that was thrown away."""
    has_gap = actor.partition.has_gap
    for waiting in actor.unflushed:
        decision = waiting.decision
        if decision.op == question.op and decision.principal == question.principal and decision.waits is None:
            return decision
    found = await store.find(actor.kind, actor.id, question.principal, question.op)
    if found is None and has_gap:
        raise NotStoredYet
    return found


async def _touched(store: Store, actor: Actor, decision: Decision) -> list[tuple[Target, Standing, Standing]]:
    """Return every item that the op touched, as it was before and after; not what the wedding added by itself."""
    if not decision.parts:
        return []
    state = await state_at(store, actor, AtRev(decision.rev - 1))
    changes = [change for part in decision.parts for change in part.changes]
    own = _own_collections(decision.type, {change.collection for change in changes})
    targets = list(dict.fromkeys((change.collection, change.id) for change in changes if change.collection in own))
    before = [_standing(state, collection, identifier) for collection, identifier in targets]
    evolve(state, decision)
    after = [_standing(state, collection, identifier) for collection, identifier in targets]
    return [(Target(*target), old, new) for target, old, new in zip(targets, before, after, strict=True)]


def _own_collections(op_type: str, touched: set[str]) -> set[str]:
    """Return what an op of the type wrote itself: not the founder, a record of a conflict, or who was told of it in the inbox."""
    told = {"inbox"} if CONFLICTS in touched else set()
    return {name for name in touched - told if name in COLLECTIONS and COLLECTIONS[name].type == op_type}


def _standing(state: ActorState, collection: str, identifier: str) -> Standing:
    item = find_item(state, collection, identifier)
    return Standing("", None) if item is None else Standing(item.channel, dict(item.fields))


def _may_know(state: ActorState, target: Target, past: tuple[Standing, Standing], question: UndoQuestion) -> bool:
    """Tell whether the author may read today where the item was before and after the op, and where it is."""
    item = find_item(state, target.collection, target.id)
    channels = [each.channel for each in past if each.fields is not None] + ([] if item is None else [item.channel])
    return all(may_read(question.rights, channel) for channel in channels)


def _inverse(collection: str, before: Standing, after: Standing) -> dict[str, Any]:
    of_server = COLLECTIONS[collection].of_server
    old, new = before.fields, after.fields
    if old is None:
        return {"remove": True}
    if new is None:
        return {"insert": {field: value for field, value in old.items() if field not in of_server}}
    changed = [field for field in {**old, **new} if old.get(field) != new.get(field) and field not in of_server]
    return {"set": {field: old.get(field) for field in changed}}


def _left(state: ActorState, undone: Undone, inverse: dict[str, Any]) -> tuple[dict[str, Any] | None, list[KeptWrite]]:
    """Return what of the inverse nobody has overtaken, None for nothing, and by whom the rest was.

    Who took an item away is not said: it may have been in a channel that the author does not read.
    """
    target = undone.target
    item = find_item(state, target.collection, target.id)
    if item is None:
        removal = last_removal(state, target.collection, target.id)
        is_left = "insert" in inverse and removal is not None and undone.wrote(removal)
        if not is_left:
            return None, [KeptWrite(target.collection, target.id)]
        # As long as the fold remembers the item, it need not be told: a long text would be too large for an op.
        return (inverse if grave_of(state, target.collection, target.id) is None else {"insert": True}), []
    if "insert" in inverse:
        return None, [KeptWrite(target.collection, target.id, item.inserted.principal, item.inserted.op)]
    if "remove" in inverse:
        later_writes = written_by_others(undone, item)
        kept = [
            KeptWrite(target.collection, target.id, write.principal, write.op, field) for field, write in later_writes.items()
        ]
        return (None if kept or not undone.wrote(item.inserted) else inverse), kept
    left = fields_left(undone, item, inverse["set"])
    return ({"set": left} if left else None), list(_overtaken(item, undone, inverse["set"].keys() - left.keys()))


def _overtaken(item: Item, undone: Undone, fields: set[str]) -> Iterator[KeptWrite]:
    for field in sorted(fields):
        write = item.last_write(field)
        yield KeptWrite(undone.target.collection, undone.target.id, write.principal, write.op, field)
