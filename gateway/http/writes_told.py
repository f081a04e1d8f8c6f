"""How a write of a field is told: who, when, from what to what, and which rule decided where two disagreed.

An edit of a text is told as the delta that it was, since whole texts of before are nowhere kept. Called by `past`.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from actors.contract.calls import FieldWrite, WhyQuestion
from actors.contract.changes import Change
from actors.contract.conflicts import COLLECTION as CONFLICTS
from actors.contract.events import Event
from actors.contract.text_ot import Delta

_decode_event: Final = msgspec.json.Decoder(Event).decode


def told_writes(writes: list[FieldWrite], question: WhyQuestion, *, is_whole: bool) -> list[dict[str, Any]]:
    """Write each with the value that it found, which is that of the write before it; `is_whole` says that none came before."""
    events = [_decode_event(write.event) for write in writes]
    edits = [_edit_of(event, question) for event in events]
    told = []
    for place, (write, event, edit) in enumerate(zip(writes, events, edits, strict=True)):
        line = _author_of(event) | {"action": write.action} | _why(event, question)
        if edit is not None:
            line["edit"] = edit
        else:
            line["new"] = write.value
            if place + 1 < len(writes) and edits[place + 1] is None:
                line["old"] = writes[place + 1].value
            elif place + 1 == len(writes) and is_whole:
                line["old"] = None
        told.append(line)
    return told


def _author_of(event: Event) -> dict[str, Any]:
    return {
        "op": event.id, "user": event.user_id, "timestamp": event.timestamp, "type": event.type, "channel": event.channel,
        "sequence": event.sequence, "causality": event.causality,
    }  # fmt: skip


def _why(event: Event, question: WhyQuestion) -> dict[str, Any]:
    why = {"undoes": event.metadata["undoes"]} if "undoes" in event.metadata else {}
    for change in event.data.changes:
        if change.collection == CONFLICTS and (verdict := _verdict(change, question)) is not None:
            why["conflict"] = verdict
    return why


def _verdict(change: Change, question: WhyQuestion) -> dict[str, object] | None:
    """Return what the record of a conflict says of the write: one that it made, or one that it answered."""
    asked = (question.collection, question.id, question.field)
    if change.insert is not UNSET:
        record = change.insert
        is_its_own = (record["collection"], record["item"]) == asked[:2] and record["field"] in (asked[2], "*")
    else:
        record = {} if change.set is UNSET else change.set
        is_its_own = "answer" in record
    if not is_its_own:
        return None
    return {"id": change.id} | {name: record[name] for name in ("strategy", "outcome", "reason") if name in record}


def _edit_of(event: Event, question: WhyQuestion) -> Delta | None:
    for change in event.data.changes:
        if (change.collection, change.id) == (question.collection, question.id) and change.edit is not UNSET:
            return change.edit.get(question.field)
    return None
