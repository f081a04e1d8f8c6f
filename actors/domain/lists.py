"""Moving in an ordered list, from version 3 of the rules on: keys stay short, and a place is found though its item has gone.

Between two keys there is always another one, but it gets longer; when it gets too long, the keys of its neighbours are made anew,
as few as it takes, in the same order. Called through the table in `rules`.
"""

from typing import Any, Final, NamedTuple

from fractional_indexing import generate_n_keys_between

from actors.contract.changes import Change
from actors.contract.channels import may_read
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request, joined, key_right_after, writable
from actors.domain.order_keys import MAX_LENGTH
from actors.domain.state import Item, find_item, grave_of

#: Constants of the rules: a key longer than this has its neighbours renumbered, to keys no longer than the second, if that can be
#: had by renumbering at most so many items on either side.
LONG_KEY: Final = 40
_GOOD_KEY: Final = 16
_FEWEST: Final = 8
_MOST: Final = 512


class _Entry(NamedTuple):
    order: str
    id: str
    item: Item


def move(request: Request) -> Plan:
    """Put the item right after another one, or where that stood before it was deleted."""
    item, target, after = writable(request), request.op.target, request.op.data["after"]
    before = None if after is None else _order_of(request, str(after))
    order = key_right_after(request, item, before)
    overwritten = (item.last_write("order"),)
    if len(order) <= LONG_KEY:
        change = Change(target.collection, target.id, set={"order": order})
        return Plan((PlannedPart(item.channel, (change,), overwritten),))
    return _renumbered(request, item, before, PlannedPart(item.channel, (), overwritten))


def _order_of(request: Request, identifier: str) -> str:
    collection = request.op.target.collection
    item = find_item(request.state, collection, identifier)
    if item is None and (grave := grave_of(request.state, collection, identifier)) is not None:
        item = grave.item
    if item is None or not may_read(request.rights, item.channel):
        raise Refused("not_found", f"There is no {identifier} in {collection} that you may read.")
    order: str = item.fields["order"]
    return order


def _renumbered(request: Request, item: Item, before: str | None, part: PlannedPart) -> Plan:
    """Make the keys around the item's new place anew; the item's own change comes first."""
    target = request.op.target
    others = sorted(
        _Entry(other.fields["order"], identifier, other)
        for identifier, other in request.state.items[target.collection].items()
        if identifier != target.id
    )
    place = sum(1 for entry in others if before is not None and entry.order <= before)
    reach, keys, start, end = _FEWEST, list[str](), place, place
    while True:
        start, end = _apart(others, place - reach, place + reach)
        outer = (others[start - 1].order if start else None, others[end].order if end < len(others) else None)
        keys = generate_n_keys_between(*outer, end - start + 1)
        if max(map(len, keys)) <= _GOOD_KEY or reach >= _MOST or end - start == len(others):
            break
        reach *= 2
    if max(map(len, keys)) > MAX_LENGTH:
        raise Refused("bad_value", "There is no room left at this place.", "Move a neighbour to another place and back first.")
    changed = [(target.id, item, keys.pop(place - start))]
    changed += [(entry.id, entry.item, key) for entry, key in zip(others[start:end], keys, strict=True) if entry.order != key]
    parts = [PlannedPart(each.channel, (Change(target.collection, name, set={"order": key}),)) for name, each, key in changed]
    return Plan(joined((part, *parts)))


def _apart(others: list[Any], start: int, end: int) -> tuple[int, int]:
    """Return the bounds of a stretch whose outer neighbours have other keys than those within: equal keys stay together."""
    start, end = max(start, 0), min(end, len(others))
    while 0 < start < len(others) and others[start - 1].order == others[start].order:
        start -= 1
    while 0 < end < len(others) and others[end - 1].order == others[end].order:
        end += 1
    return start, end
