"""Who wrote one field of one item, the newest write first, as those may read it who ask: the answer to "why is it so?".

A question looks at a bounded number of decisions and says how far it came, so that the next one goes on from there. Called by
calls.
"""

from typing import Final

import msgspec

from actors.contract.calls import FieldWrite, HistoryEnd, WhyQuestion
from actors.contract.changes import Change
from actors.contract.channels import may_read
from actors.contract.decisions import Decision
from actors.contract.events import encode_event
from actors.runtime.actor import Actor
from actors.runtime.past_decisions import PAGE, decisions_before
from actors.runtime.ports import Store

#: Decisions that one question looks at: a field that is seldom written must not keep the store busy.
MOST_LOOKED_AT: Final = 20 * PAGE
_encode: Final = msgspec.json.Encoder().encode


async def field_writes(store: Store, actor: Actor, question: WhyQuestion) -> tuple[list[bytes], HistoryEnd]:
    """Return encoded FieldWrites, and how far was read: there may be `more` of them below its rev; raises StoreError."""
    writes: list[bytes] = []
    rev = question.before_rev or actor.awake_state.rev + 1
    looked_at = 0
    async for decision in decisions_before(store, actor, rev):
        rev, looked_at = decision.rev, looked_at + 1
        write = _write_of(decision, question, actor.id)
        if write is not None:
            writes.append(_encode(write))
        if len(writes) >= question.limit or looked_at >= MOST_LOOKED_AT:
            return writes, HistoryEnd(rev, more=rev > 1)
    return writes, HistoryEnd(rev, more=False)


def _write_of(decision: Decision, question: WhyQuestion, wedding: str) -> FieldWrite | None:
    """Return what the op did to the field, where its readers see it; an item that came by another channel came whole."""
    found = None
    for part in decision.parts:
        if not may_read(question.rights, part.channel):
            continue
        for change in part.changes:
            if change.collection == question.collection and change.id == question.id and _touches(change, question.field):
                event = msgspec.Raw(encode_event(decision, part, wedding))
                found = FieldWrite(decision.rev, decision.action, _value_after(change, question.field), event)
    return found


def _touches(change: Change, field: str) -> bool:
    """Tell whether the field was written: by name, or with the whole item."""
    if change.set is not msgspec.UNSET:
        return field in change.set
    return change.edit is msgspec.UNSET or field in change.edit


def _value_after(change: Change, field: str) -> object:
    """Return the value after the change; of an edited text the event holds what became of it."""
    if change.insert is not msgspec.UNSET:
        return change.insert.get(field)
    return None if change.set is msgspec.UNSET else change.set[field]
