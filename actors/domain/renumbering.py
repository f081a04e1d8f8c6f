"""A place in an ordered list, from version 3 of the rules on: keys stay short, whatever keys stand beside it.

Between two keys there is always another one, but it gets longer; when it gets too long, the keys of its neighbours are made anew,
as few as it takes, in the same order. So a list heals in which somebody has put a key that leaves no room, as was possible before
version 3. Called by the rules of items.
"""

from typing import Any, Final, NamedTuple

from actors.contract.changes import Change
from actors.contract.ops import Target
from actors.domain.order_keys import LONG_KEY, key_if_room, keys_if_room
from actors.domain.state import ActorState, Item

#: Constants of the rules: keys are made anew no longer than the first, if that can be had by renumbering at least and at most so
#: many items on either side; the last bounds what one op does.
_GOOD_KEY: Final = 16
_FEWEST: Final = 8
_MOST: Final = 512


class Place(NamedTuple):
    """The key of an item's place, and what becomes of its neighbours: changes with their channels."""

    order: str
    renumbered: tuple[tuple[str, Change], ...] = ()


class _Entry(NamedTuple):
    order: str
    id: str
    item: Item


def find_place(state: ActorState, target: Target, before: str | None, after: str | None) -> Place | None:
    """Return the place between two keys for an item, there already or not; None where there is no room even so."""
    key = key_if_room(before, after)
    if key is not None and len(key) <= LONG_KEY:
        return Place(key)
    others = sorted(
        _Entry(other.fields["order"], identifier, other)
        for identifier, other in state.items[target.collection].items()
        if identifier != target.id
    )
    index = sum(1 for entry in others if before is not None and entry.order <= before)
    start, keys = _keys_around(others, index)
    if keys is None or (key is not None and max(map(len, keys)) > _GOOD_KEY):
        # A crowd too large to be made anew by one op.
        return None if key is None else Place(key)
    order = keys.pop(index - start)
    neighbours = zip(others[start:], keys, strict=False)
    anew = [(entry, key) for entry, key in neighbours if entry.order != key]
    return Place(order, tuple((entry.item.channel, _moved(target, entry, key)) for entry, key in anew))


def _keys_around(others: list[Any], index: int) -> tuple[int, list[str] | None]:
    """Return keys for the entries around an index and one more that comes there, and from which entry on."""
    reach = _FEWEST
    while True:
        start, end = max(index - reach, 0), min(index + reach, len(others))
        outer = (others[start - 1].order if start else None, others[end].order if end < len(others) else None)
        keys = keys_if_room(*outer, end - start + 1)
        is_good = keys is not None and max(map(len, keys)) <= _GOOD_KEY
        if is_good or reach >= _MOST or end - start == len(others):
            return start, keys
        reach *= 2


def _moved(target: Target, entry: _Entry, key: str) -> Change:
    return Change(target.collection, entry.id, set={"order": key})
