"""evolve(state, decision): follow one decision in place. The only code that changes a wedding's state.

Exact for every decision that `decide` ever produced; it asks no rule, so that stored decisions replay whatever the rules say
today. Keeps digests and greatest order keys as it goes. Called by the runtime, `verify` and tests.
"""

from typing import Any

from msgspec import UNSET

from actors.contract import digest
from actors.contract.changes import Change, merge_fields
from actors.contract.correspondence import principal_of
from actors.contract.decisions import CancelTimer, Decision, Part, SendMessage, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL, parse_timer_op_id
from actors.domain.state import ActorState, ArmedTimer, ChannelState, Item, Write
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
    _follow_timers(state, decision)
    _count_messages(state, decision)
    record_turn(state, decision)


def _follow_part(state: ActorState, decision: Decision, part: Part) -> None:
    channel = state.channels.get(part.channel)
    if channel is None:
        channel = state.channels[part.channel] = ChannelState(0, 0, {}, {})
    channel.sequence = part.sequence
    channel.clock = part.clock
    write = Write(part.sequence, decision.op, decision.principal, decision.client)
    for change in part.changes:
        if change.insert is not UNSET:
            _insert(state, part.channel, change, change.insert, write)
        elif change.remove is not UNSET:
            _remove(state, change)
        elif change.set is not UNSET:
            _set(state, change, change.set, write)


def _insert(state: ActorState, channel_name: str, change: Change, fields: dict[str, Any], write: Write) -> None:
    channel = state.channels[channel_name]
    hashed = digest.item_hash(change.collection, change.id, fields)
    state.items.setdefault(change.collection, {})[change.id] = Item(dict(fields), channel_name, hashed, write, {})
    channel.digest = digest.add(channel.digest, hashed)
    _add_order(channel, change.collection, fields.get("order"))


def _remove(state: ActorState, change: Change) -> None:
    collection = state.items[change.collection]
    item = collection.pop(change.id)
    channel = state.channels[item.channel]
    channel.digest = digest.subtract(channel.digest, item.hash)
    if not collection:
        del state.items[change.collection]
    _drop_order(state, item.channel, change.collection, item.fields.get("order"))


def _set(state: ActorState, change: Change, values: dict[str, Any], write: Write) -> None:
    item = state.items[change.collection][change.id]
    channel = state.channels[item.channel]
    order = item.fields.get("order")
    merge_fields(item.fields, values)
    for field in values:
        item.writes[field] = write
    hashed = digest.item_hash(change.collection, change.id, item.fields)
    channel.digest = digest.add(digest.subtract(channel.digest, item.hash), hashed)
    item.hash = hashed
    if "order" in values:
        _add_order(channel, change.collection, values["order"])
        if item.fields["order"] != order:
            _drop_order(state, item.channel, change.collection, order)


def _add_order(channel: ChannelState, collection: str, order: str | None) -> None:
    if order is not None and order > channel.greatest_order.get(collection, ""):
        channel.greatest_order[collection] = order


def _drop_order(state: ActorState, channel_name: str, collection: str, order: str | None) -> None:
    """Find the greatest order key anew when the item that had it has gone elsewhere."""
    greatest = state.channels[channel_name].greatest_order
    if order is None or greatest.get(collection) != order:
        return
    left = [item.fields["order"] for item in state.items.get(collection, {}).values() if item.channel == channel_name]
    if left:
        greatest[collection] = max(left)
    else:
        del greatest[collection]


def _follow_timers(state: ActorState, decision: Decision) -> None:
    """A firing consumes its timer, whatever became of it; then come the timers that the decision starts and cancels."""
    timers = state.timers
    if decision.principal == TIMER_PRINCIPAL:
        timers.firings += 1
        timers.armed.pop(parse_timer_op_id(decision.op)[0], None)
    for effect in decision.effects:
        if isinstance(effect, StartTimer):
            timers.armings = effect.number
            timers.armed[effect.id] = ArmedTimer(effect.number, effect.due_ms, effect.if_missed)
        elif isinstance(effect, CancelTimer):
            timers.armed.pop(effect.id, None)


def _count_messages(state: ActorState, decision: Decision) -> None:
    """Remember the number of the last message to each other actor."""
    for effect in decision.effects:
        if isinstance(effect, SendMessage):
            state.sent[principal_of(effect.kind, effect.id)] = effect.number
