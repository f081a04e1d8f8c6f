"""What stood somewhere before, as far as somebody may not have noticed: past values, deleted items, items of another audience.

Kept while a decision is followed by version 3 of the rules or later, bounded, and only where a conflict may need it, so that the
state does not depend on whether it came from a snapshot; asks no rule. Called by `evolve`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from actors.contract.changes import Change
from actors.domain.state import GRAVES_KEPT, PAST_KEPT, ActorState, Grave, Item, Origin, Past, Write

Kept = TypeVar("Kept")
#: Values of these types can be merged (see merging); flags and texts cannot.
MERGEABLE: Final = frozenset({int, list, dict})
#: What the rules write for persons to read is not mourned.
_NOT_BURIED: Final = frozenset({"conflicts", "inbox"})


def keep_past(item: Item, field: str) -> None:
    """Remember the value that a field has, before it gets another; only what can be merged is worth it."""
    if item.fields.get(field).__class__ not in MERGEABLE and field not in item.past:
        return
    past = item.past.setdefault(field, [])
    past.append(Past(item.last_write(field), item.fields.get(field)))
    if len(past) > PAST_KEPT:
        del past[0]


def make_room(kept: dict[str, Kept], bound: int, author: Callable[[Kept], str]) -> None:
    """Forget the oldest entry of whoever holds the most, so that nobody pushes out what others may want back (rule INV6)."""
    if len(kept) <= bound:
        return
    held = Counter(author(entry) for entry in kept.values())
    most = max(held, key=held.__getitem__)
    del kept[next(key for key, entry in kept.items() if author(entry) == most)]


def bury(state: ActorState, change: Change, item: Item, write: Write) -> None:
    """Remember an item that has just been taken out of its channel."""
    if change.collection in _NOT_BURIED:
        return
    state.graves[f"{change.collection}/{change.id}"] = Grave(item, write)
    make_room(state.graves, GRAVES_KEPT, lambda grave: grave.write.principal)


def leave_grave(state: ActorState, change: Change, item: Item, write: Write) -> None:
    """Take an item out of its grave; one that the same op took out of another channel has only changed its audience."""
    grave = state.graves.pop(f"{change.collection}/{change.id}", None)
    if grave is None or grave.write.op != write.op or grave.write.principal != write.principal:
        return
    before = grave.item
    item.origin = Origin(before.channel, grave.write.sequence, before.inserted, before.writes)
    # In the order of the fields, not of a set: what is stored must not differ from host to host.
    for field in {**before.fields, **item.fields}:
        if before.fields.get(field) != item.fields.get(field):
            item.writes[field] = write
