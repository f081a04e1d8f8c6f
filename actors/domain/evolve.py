"""evolve(state, decision): follow one decision in place. The only code that changes a wedding's state.

Exact for every decision that `decide` ever produced; it asks no rule, so that stored decisions replay whatever the rules say
today. Keeps digests and greatest order keys as it goes. Called by the runtime, `verify` and tests.
"""

from typing import Any

from msgspec import UNSET, structs

from actors.contract import digest
from actors.contract.changes import Change, merge_fields
from actors.contract.conflicts import COLLECTION as CONFLICTS
from actors.contract.correspondence import principal_of
from actors.contract.decisions import CancelTimer, Decision, Part, SendMessage, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL, parse_timer_op_id
from actors.contract.text_form import content_in, edit_field
from actors.contract.text_ot import Delta, invert
from actors.domain.former import MERGEABLE, bury, keep_past, leave_grave, make_room
from actors.domain.state import REMOVALS, ActorState, ArmedTimer, ChannelState, Item, Write, find_item, removal_key, waiting_key
from actors.domain.text_window import Path, TextEdit, TextWindow, author_of, placed, record
from actors.domain.turns import record_turn


def evolve(state: ActorState, decision: Decision) -> None:
    """Make `state`, which is at `decision.rev - 1`, that after the decision."""
    state.rev = decision.rev
    state.position = decision.position
    state.now_ms = decision.now_ms
    if decision.permissions_changed:
        state.acl = decision.rev
    for part in decision.parts:
        _follow_part(state, decision, part)
    if decision.effects or decision.principal == TIMER_PRINCIPAL:
        _follow_timers(state, decision)
        _count_messages(state, decision)
    if decision.waits is not None:
        state.waiting[waiting_key(decision.principal, decision.op)] = decision.waits
    elif state.waiting:
        state.waiting.pop(waiting_key(decision.principal, decision.op), None)
    record_turn(state, decision)


def _follow_part(state: ActorState, decision: Decision, part: Part) -> None:
    channel = state.channels.get(part.channel)
    if channel is None:
        channel = state.channels[part.channel] = ChannelState(0, 0, {}, {})
    channel.sequence = part.sequence
    channel.clock = part.clock
    at_ms = decision.now_ms if decision.rules else 0
    write = Write(part.sequence, decision.op, decision.principal, decision.client, at_ms, decision.priority)
    for change in part.changes:
        if change.insert is not UNSET:
            _insert(state, part.channel, change, change.insert, write)
        elif change.remove is not UNSET:
            _remove(state, change, write)
            if decision.rules:
                _remember_removal(state, change, write)
        elif change.set is not UNSET:
            _set(state, change, change.set, write, decision)
        elif change.edit is not UNSET:
            _edit(state, decision, change, change.edit, write)
        if change.collection == CONFLICTS and change.remove is UNSET:
            _remember_meeting(state, change.id, write)


def _insert(state: ActorState, channel_name: str, change: Change, fields: dict[str, Any], write: Write) -> None:
    channel = state.channels[channel_name]
    hashed = digest.item_hash(change.collection, change.id, fields)
    _put_order(state, channel_name, change.collection, None, fields.get("order"))
    item = Item(dict(fields), channel_name, hashed, write, {}, {})
    if state.graves:
        leave_grave(state, change, item, write)
    state.items.setdefault(change.collection, {})[change.id] = item
    channel.digest = digest.add(channel.digest, hashed)
    if state.removed:
        state.removed.pop(removal_key(change.collection, change.id), None)


def _remember_removal(state: ActorState, change: Change, write: Write) -> None:
    """Keep by what an item went, so that nobody but its author takes that back, and nobody twice."""
    removed = state.removed
    key = removal_key(change.collection, change.id)
    removed.pop(key, None)
    removed[key] = write
    make_room(removed, REMOVALS, lambda removal: removal.principal)


def _remove(state: ActorState, change: Change, write: Write) -> None:
    collection = state.items[change.collection]
    item = collection[change.id]
    channel = state.channels[item.channel]
    channel.digest = digest.subtract(channel.digest, item.hash)
    _put_order(state, item.channel, change.collection, item.fields.get("order"), None)
    del collection[change.id]
    if not collection:
        del state.items[change.collection]
    if write.at_ms:
        bury(state, change, item, write)


def _set(state: ActorState, change: Change, values: dict[str, Any], write: Write, decision: Decision) -> None:
    item = state.items[change.collection][change.id]
    channel = state.channels[item.channel]
    if "order" in values:
        _put_order(state, item.channel, change.collection, item.fields.get("order"), values["order"])
    remembers, writes = decision.rules, item.writes
    for field, value in values.items():
        if remembers and (value is None or value.__class__ in MERGEABLE):
            keep_past(item, field)
        writes[field] = write
    merge_fields(item.fields, values)
    if decision.said:
        writes |= {field: structs.replace(write, said=value) for field, value in decision.said.items() if field in values}
    if item.edits:
        for field in values:
            item.edits.pop(field, None)
    hashed = digest.item_hash(change.collection, change.id, item.fields)
    channel.digest = digest.add(digest.subtract(channel.digest, item.hash), hashed)
    item.hash = hashed


def _remember_meeting(state: ActorState, record: str, write: Write) -> None:
    """Let the write of a field know the conflict in which it prevailed: what its author says next, unaware, belongs there."""
    met = state.items[CONFLICTS][record].fields
    item = find_item(state, met["collection"], met["item"])
    if item is None or item.writes.get(met["field"]) is None or met["second"]["op"] != write.op:
        return
    prevailing = item.writes[met["field"]]
    if prevailing.op == write.op and prevailing.principal == write.principal:
        item.writes[met["field"]] = structs.replace(prevailing, met=record)


def _edit(state: ActorState, decision: Decision, change: Change, edits: dict[str, Delta], write: Write) -> None:
    """Follow edits of texts, and remember them with what their author had not seen."""
    item = state.items[change.collection][change.id]
    channel = state.channels[item.channel]
    author, authored = author_of(decision.principal, decision.client), decision.authored
    for field, delta in edits.items():
        window = item.edits.get(field)
        if window is None:
            window = item.edits[field] = TextWindow(item.last_write(field).sequence, [], 0, {})
        content = content_in(item.fields, field)
        path: Path = []
        if authored is not None:
            path = placed(window, len(item.fields.get(field, "")), author, authored.base, authored.delta).path
        edit = TextEdit(write.sequence, write.op, author, delta, invert(delta, content), decision.undoes)
        edit_field(item.fields, field, delta)
        item.writes[field] = write
        record(window, edit, path)
    hashed = digest.item_hash(change.collection, change.id, item.fields)
    channel.digest = digest.add(digest.subtract(channel.digest, item.hash), hashed)
    item.hash = hashed


def _put_order(state: ActorState, channel: str, collection: str, old: str | None, new: str | None) -> None:
    """Follow one item's order key from `old` to `new`, before its fields do; None where it has none."""
    if old == new:
        return
    orders = state.orders
    if old is not None:
        orders.remove(collection, channel, old)
    if new is not None:
        orders.add(collection, channel, new)
    keys = orders.of(collection).get(channel)
    greatest = state.channels[channel].greatest_order
    if keys:
        greatest[collection] = keys[-1]
    else:
        greatest.pop(collection, None)


def _follow_timers(state: ActorState, decision: Decision) -> None:
    """A firing consumes its timer, whatever became of it; then come the timers that the decision starts and cancels."""
    timers = state.timers
    # Builds of before version 3 wrote nobody down: a snapshot of theirs and their log give one state.
    armed_by = decision.principal if decision.rules else ""
    if decision.principal == TIMER_PRINCIPAL:
        timers.firings += 1
        timers.armed.pop(parse_timer_op_id(decision.op)[0], None)
    for effect in decision.effects:
        if isinstance(effect, StartTimer):
            timers.armings = effect.number
            timers.armed[effect.id] = ArmedTimer(effect.number, effect.due_ms, effect.if_missed, armed_by)
        elif isinstance(effect, CancelTimer):
            timers.armed.pop(effect.id, None)


def _count_messages(state: ActorState, decision: Decision) -> None:
    """Remember the number of the last message to each other actor."""
    for effect in decision.effects:
        if isinstance(effect, SendMessage):
            state.sent[principal_of(effect.kind, effect.id)] = effect.number
