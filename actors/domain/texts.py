"""Texts that several people write at once, and lists edited entry by entry. Called through the table in `rules`.

An edit is moved over what its author had not seen (text_window) and applied; its event carries the moved delta, so that whoever
follows needs no rule. A whole new text of a document is an edit too: what it changes in the text that its author had.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final, cast

import msgspec

from actors.contract.changes import Change
from actors.contract.collections import COLLECTIONS
from actors.contract.decisions import Authored
from actors.contract.text_diff import FEW, diff, diff_content
from actors.contract.text_form import MAX_TEXT_BYTES, content_in, edit_field, format_field, read_delta, size_of
from actors.contract.text_ot import Component, Delta, growth, has_attributes
from actors.domain import items
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request, writable
from actors.domain.state import Item, Write
from actors.domain.text_window import MAX_MOVES, TextWindow, author_of, path_of, placed, text_at

#: A code point is at most so many bytes of UTF-8.
_MOST_BYTES: Final = 4


def edit(request: Request) -> Plan:
    """Change a text by a delta, or a list by one entry."""
    field = request.op.target.field or ""
    collection = COLLECTIONS[request.op.target.collection]
    if field in collection.lists:
        return _edit_list(request, field)
    delta = read_delta(request.op.data["delta"], attributed=format_field(field) in collection.fields)
    return edited(request, writable(request), field, delta, _base_of(request))


def edited(request: Request, item: Item, field: str, delta: Delta, base: int | None) -> Plan:
    """Apply a delta that was made on the text at `base` (None: on the present one) and what its author wrote since."""
    window = item.edits.get(field) or TextWindow(item.last_write(field).sequence)
    author = author_of(request.principal, request.client)
    place = placed(window, len(item.fields.get(field, "")), author, base, delta, most_moves=MAX_MOVES)
    _require_room(request, item, field, place.delta)
    target = request.op.target
    part = PlannedPart(
        item.channel, (Change(target.collection, target.id, edit={field: place.delta}),), _unseen(window, author, base)
    )
    authored = Authored(base, delta) if base is not None and (place.path or place.delta != delta) else None
    return Plan((part,), authored=authored)


def update(request: Request) -> Plan:
    """Set fields of a document; a whole new text changes what it changes, and what others wrote meanwhile stays."""
    op, item = request.op, writable(request)
    others = {field: value for field, value in op.data.items() if field != "text"}
    if "text" not in op.data:
        return items.update(request)
    if items.channel_after("documents", item, others) != item.channel:
        # It goes whole into another channel, and a new text has no attributes.
        return items.update(request._replace(op=msgspec.structs.replace(op, data=op.data | {"textFormat": None})))
    plan = _replaced(request, item, cast("str", op.data["text"] or ""))
    if not others:
        return plan
    rest = items.update(request._replace(op=msgspec.structs.replace(op, data=others))).parts[0]
    text = plan.parts[0]
    both = PlannedPart(text.channel, rest.changes + text.changes, rest.overwritten + text.overwritten)
    return plan._replace(parts=(both,))


def replaced_content(request: Request, item: Item, field: str, wanted: Sequence[Component]) -> Plan:
    """Give the present text another content, as the delta that leads there."""
    return edited(request, item, field, diff_content(content_in(item.fields, field), wanted, most=FEW), None)


def _replaced(request: Request, item: Item, text: str) -> Plan:
    base, window = _base_of(request), item.edits.get("text")
    present = item.fields.get("text", "")
    if base is None or window is None:
        if base is not None and base < item.last_write("text").sequence:
            raise Refused("base_too_old")
        return edited(request, item, "text", diff(present, text), None)
    author = author_of(request.principal, request.client)
    unseen = path_of(window, author, base)
    if not unseen:
        return edited(request, item, "text", diff(present, text), None)
    if any(edit.author == author and edit.sequence > base for edit in window.edits):
        # What its author had before it cannot be told any more: base and own edits were moved apart.
        raise Refused("base_too_old")
    return edited(request, item, "text", diff(text_at(window, present, base), text), base)


def _base_of(request: Request) -> int | None:
    """Return what the author had seen of the item's channel; None where it claims nothing at all."""
    item, base = writable(request), request.op.base
    if not base:
        return None
    if item.channel not in base:
        raise Refused("base_too_old", f"`base` does not name {item.channel}, where the text is.")
    return base[item.channel]


def _unseen(window: TextWindow, author: str, base: int | None) -> tuple[Write, ...]:
    """Return the writes of others that the author had not seen."""
    if base is None:
        return ()
    unseen = [edit for edit in takewhile(lambda edit: edit.sequence > base, reversed(window.edits)) if edit.author != author]
    return tuple(Write(edit.sequence, edit.op, *_apart(edit.author)) for edit in reversed(unseen))


def _apart(author: str) -> tuple[str, str]:
    principal, _, client = author.partition("/")
    return principal, client


def _require_room(request: Request, item: Item, field: str, delta: Delta) -> None:
    """Raise Refused when the text would become too long; whoever makes it shorter may always."""
    bigger, painted = growth(delta) > 0, has_attributes(delta)
    if not bigger and not painted:
        return
    limit = COLLECTIONS[request.op.target.collection].texts[field]
    length = len(item.fields.get(field, "")) + growth(delta)
    is_plain = not painted and format_field(field) not in item.fields
    fits = length * _MOST_BYTES <= MAX_TEXT_BYTES and is_plain
    if length <= limit and not fits:
        after = {name: item.fields[name] for name in (field, format_field(field)) if name in item.fields}
        edit_field(after, field, delta)
        fits = size_of(after, field) <= MAX_TEXT_BYTES
    if length > limit or not fits:
        message = f"A text here has at most {limit} characters and {MAX_TEXT_BYTES} bytes, its format included."
        raise Refused("too_large", message, "Begin another document, or shorten this one.")


def _edit_list(request: Request, field: str) -> Plan:
    """Put in, take out or move one entry; one that is there stays once, one that is gone is not missed."""
    item, target, data = writable(request), request.op.target, request.op.data
    present = item.fields.get(field, [])
    entries = list(present) if isinstance(present, list) else [present]
    verb = next(name for name in ("insert", "remove", "move") if name in data)
    entry = data[verb]
    is_there = entry in entries
    if verb == "remove":
        entries = [other for other in entries if other != entry]
    elif is_there == (verb == "move"):
        entries = _with_entry([other for other in entries if other != entry], entry, data)
    expected = COLLECTIONS[target.collection].fields[field](entries)
    if expected is not None:
        raise Refused("too_many", f"{target.collection}.{field} must be {expected}.", "Take something out first.")
    change = Change(target.collection, target.id, set={field: entries or None})
    return Plan((PlannedPart(item.channel, (change,)),))


def _with_entry(entries: list[Any], entry: Any, data: dict[str, Any]) -> list[Any]:
    """Return the entries with one behind `after`: in front for null, at the end where it is absent or names what is gone."""
    after = data.get("after", entries[-1] if entries else None)
    place = 0 if after is None else entries.index(after) + 1 if after in entries else len(entries)
    return [*entries[:place], entry, *entries[place:]]
