"""What insert, update, delete and move mean for an item of any collection. A section with rules of its own wraps these verbs.

A verb reads the state and returns a plan: per channel the changes and the writes that they overwrite, and effects. It raises
Refused where a rule says no. Called through the table in `rules`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from actors.contract.changes import Change, merge_fields
from actors.contract.channels import Rights, channel_of, may_read, person_of
from actors.contract.collections import COLLECTIONS
from actors.contract.conflicts import NORMAL
from actors.contract.decisions import Authored, CancelTimer, Resubmit, StartTimer
from actors.contract.ops import Op
from actors.contract.write_rules import WriteRules
from actors.domain.authority import require_write
from actors.domain.errors import Refused
from actors.domain.order_index import next_after
from actors.domain.order_keys import is_roomy, key_between, require_roomy, require_valid
from actors.domain.renumbering import Place, find_place
from actors.domain.state import ActorState, Item, Write, find_item, grave_of


class Request(NamedTuple):
    """An op in its turn, with its author, its client, the wedding's clock (Unix milliseconds) and the version of the rules."""

    state: ActorState
    op: Op
    principal: str
    role: str
    rights: Rights
    #: What the author may write; None under the versions of the rules that knew roles alone.
    rules: WriteRules | None = None
    client: str = ""
    now_ms: int = 0
    version: int = 0


class PlannedPart(NamedTuple):
    """What an op does in one channel: its changes, and the last writes of the fields that they touch."""

    channel: str
    changes: tuple[Change, ...]
    overwritten: tuple[Write, ...] = ()


class Letter(NamedTuple):
    """A message that an op sends to another actor; `decide` gives it its number."""

    kind: Literal["w", "v"]
    id: str
    op: Op


PlannedEffect = StartTimer | CancelTimer | Letter | Resubmit


_NOTHING: Final[dict[str, Any]] = {}


class Plan(NamedTuple):
    """What an op does: its parts, each in a channel of its own, and what is to be done beyond the state.

    `priority` is how urgent the op is, `said` what its author sent for fields of which merging made another value, `authored` the
    edit of a text as it was sent, where it had to be moved.
    """

    parts: tuple[PlannedPart, ...]
    effects: tuple[PlannedEffect, ...] = ()
    priority: int = NORMAL
    said: dict[str, Any] = _NOTHING
    authored: Authored | None = None


Verb = Callable[[Request], Plan]


def joined(parts: Iterable[PlannedPart]) -> tuple[PlannedPart, ...]:
    """Return the parts with those of one channel made one, in order."""
    found: dict[str, PlannedPart] = {}
    for part in parts:
        known = found.get(part.channel)
        if known is not None:
            found[part.channel] = PlannedPart(part.channel, known.changes + part.changes, known.overwritten + part.overwritten)
        else:
            found[part.channel] = part
    return tuple(found.values())


#: Verbs of documents that are about their text.
_OF_TEXT: Final = frozenset({"name_version", "restore"})
#: From this version of the rules on a given order key leaves room for others, and neighbours that leave none are renumbered.
_ROOM_SINCE: Final = 3
#: The fields that `channel_of` looks at; only they can give an item another audience.
_AUDIENCE_FIELDS: Final = frozenset({"visibility", "payer", "person", "audience"})


def insert(request: Request) -> Plan:
    """Put a whole new item into its channel, at the end unless the op says where."""
    collection = request.op.target.collection
    channel = channel_of(collection, request.op.data)
    require_write(request, collection, channel, "insert", request.op.data)
    require_known_person(request, channel)
    return insert_unasked(request)


def insert_unasked(request: Request) -> Plan:
    """Insert without asking whether the author may: for sections that ask their own question."""
    state, op = request.state, request.op
    collection, identifier = op.target.collection, op.target.id
    if find_item(state, collection, identifier) is not None:
        raise Refused("exists")
    fields: dict[str, Any] = dict(op.data)
    channel = channel_of(collection, fields)
    place = _place_of_new(request, channel) if COLLECTIONS[collection].ordered else None
    if place is None:
        return Plan((PlannedPart(channel, (Change(collection, identifier, insert=fields),)),))
    fields["order"] = place.order
    return Plan(joined((PlannedPart(channel, (Change(collection, identifier, insert=fields),)), *renumbered(place))))


def _place_of_new(request: Request, channel: str) -> Place:
    """Return where a new item goes: where the op says, or at the end."""
    leaves_room = request.version >= _ROOM_SINCE
    if "order" in request.op.data:
        given = str(request.op.data["order"])
        if not leaves_room:
            require_valid(given)
        elif not _stood_at(request, given):
            require_roomy(given)
        return Place(given)
    last = _greatest_order(request, channel)
    if not leaves_room:
        return Place(key_between(last, None))
    place = find_place(request.state, request.op.target, last, None)
    # Behind more keys without room than one op makes anew the last of them is shared: nobody is kept from adding to a list.
    return place or Place(last or key_between(None, None))


def _stood_at(request: Request, order: str) -> bool:
    """Tell whether a deleted item comes back to a place of its own, which the server may have made."""
    grave = grave_of(request.state, request.op.target.collection, request.op.target.id)
    return grave is not None and grave.item.fields.get("order") == order and is_roomy(order)


def renumbered(place: Place) -> tuple[PlannedPart, ...]:
    """Return what a place does to the neighbours, each in its own channel."""
    return tuple(PlannedPart(channel, (change,)) for channel, change in place.renumbered)


def revive(insert_anew: Verb, request: Request) -> Plan:
    """Insert a deleted item as it was, with the op's data in it, by the rules for whatever is inserted."""
    whole = {field: value for field, value in buried(request).fields.items() if field not in of_server(request)}
    merge_fields(whole, request.op.data)
    if "order" in whole and not is_roomy(whole["order"]):
        # A place of before version 3, beside which there is no room: it comes back at the end.
        del whole["order"]
    return insert_anew(request._replace(op=msgspec.structs.replace(request.op, action="insert", data=whole)))


def buried(request: Request) -> Item:
    """Return the op's target as it was when it was deleted; raises Refused when that is forgotten."""
    grave = grave_of(request.state, request.op.target.collection, request.op.target.id)
    if grave is None:
        raise Refused("not_found", "The item was deleted too long ago.", "Insert it anew; the history holds its fields.")
    return grave.item


def of_server(request: Request) -> frozenset[str]:
    """Return the fields of the op's collection that the server alone writes."""
    return COLLECTIONS[request.op.target.collection].of_server


def update(request: Request) -> Plan:
    """Set the named fields; where that gives the item another audience, it leaves its channel and arrives whole in the other.

    That takes the right to delete here and to insert there: who does so becomes the one who put it there.
    """
    op, item = request.op, writable(request)
    collection, identifier = op.target.collection, op.target.id
    overwritten = tuple([item.last_write(field) for field in op.data])
    channel = channel_after(collection, item, op.data)
    if channel == item.channel:
        return Plan((PlannedPart(channel, (Change(collection, identifier, set=op.data),), overwritten),))
    require_write(request, collection, item.channel, "delete", (), item, identifier)
    require_write(request, collection, channel, "insert")
    require_known_person(request, channel)
    fields = dict(item.fields)
    merge_fields(fields, op.data)
    leaves = PlannedPart(item.channel, (Change(collection, identifier, remove=True),), overwritten)
    return Plan((leaves, PlannedPart(channel, (Change(collection, identifier, insert=fields),))))


def delete(request: Request) -> Plan:
    """Take the item away."""
    item, target = writable(request), request.op.target
    overwritten = (item.inserted, *item.writes.values())
    return Plan((PlannedPart(item.channel, (Change(target.collection, target.id, remove=True),), overwritten),))


def move(request: Request) -> Plan:
    """Give the item an order key right after another one, among those that the author may read."""
    item, target, after = writable(request), request.op.target, request.op.data["after"]
    before = None
    if after is not None:
        other = find_item(request.state, target.collection, str(after))
        if other is None or not may_read(request.rights, other.channel):
            raise Refused("not_found", f"There is no {after} in {target.collection} that you may read.")
        before = other.fields["order"]
    order = key_between(before, next_right_after(request, item, before))
    change = Change(target.collection, target.id, set={"order": order})
    return Plan((PlannedPart(item.channel, (change,), (item.last_write("order"),)),))


def next_right_after(request: Request, item: Item, before: str | None) -> str | None:
    """Return the key behind a key, or that at the front, among the items that the author may read but for the one that moves."""
    target, own = request.op.target, item.fields["order"]
    following = [
        next_after(keys, before, own if channel == item.channel else None)
        for channel, keys in request.state.orders.of(target.collection).items()
        if may_read(request.rights, channel)
    ]
    return min((key for key in following if key is not None), default=None)


def writable(request: Request) -> Item:
    """Return the op's target; raises Refused when the author may not read it (`not_found`) or not write it (`not_allowed`)."""
    target = request.op.target
    item = find_item(request.state, target.collection, target.id)
    if item is None or not may_read(request.rights, item.channel):
        raise Refused("not_found")
    action, fields = _written(request.op)
    require_write(request, target.collection, item.channel, action, fields, item, target.id)
    return item


def _written(op: Op) -> tuple[str, Iterable[str]]:
    """Return as what an op asks for the right to write: changing a field piece by piece is changing it."""
    if op.action == "edit":
        return "update", (op.target.field or "",)
    return ("update", ("text",)) if op.action in _OF_TEXT else (op.action, op.data)


def require_known_person(request: Request, channel: str) -> None:
    """Raise Refused for a surprise for nobody: a slip of the pen would show it to the one from whom it is kept."""
    person = person_of(channel.partition(".")[2])
    if request.rules is not None and person is not None and find_item(request.state, "people", person) is None:
        raise Refused("bad_value", f"{person} is no member of this wedding.", "Name the person by the id in `people`.")


def channel_after(collection: str, item: Item, values: dict[str, Any]) -> str:
    """Return the channel of the item once `values` are set."""
    if _AUDIENCE_FIELDS.isdisjoint(values):
        return item.channel
    fields = dict(item.fields)
    merge_fields(fields, values)
    return channel_of(collection, fields)


def _greatest_order(request: Request, channel: str) -> str | None:
    """Return the greatest order key of the collection that the author may know of, that of the item's own channel included."""
    keys = (
        ascending[-1]
        for name, ascending in request.state.orders.of(request.op.target.collection).items()
        if name == channel or may_read(request.rights, name)
    )
    return max(keys, default=None)
