"""The order keys of an actor's items, sorted: what stands next to what is found without looking at every item.

Made from the items when first asked for and kept by `evolve` from then on; never stored, since the items say it all. Read by the
rules of items. How keys are made is for order_keys.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.domain.state import Item

_NONE: Final[Mapping[str, list[str]]] = {}


class OrderIndex:
    """The keys by collection and channel, ascending; several items may have the same one."""

    def __init__(self, items: Mapping[str, Mapping[str, Item]]) -> None:
        self._keys: dict[str, dict[str, list[str]]] = {}
        for collection, members in items.items():
            channels: dict[str, list[str]] = {}
            for item in members.values():
                if (key := item.fields.get("order")) is not None:
                    channels.setdefault(item.channel, []).append(key)
            for keys in channels.values():
                keys.sort()
            if channels:
                self._keys[collection] = channels

    def add(self, collection: str, channel: str, key: str) -> None:
        """Take in the key of an item that is new there."""
        insort(self._keys.setdefault(collection, {}).setdefault(channel, []), key)

    def remove(self, collection: str, channel: str, key: str) -> None:
        """Leave out the key of one item."""
        channels = self._keys[collection]
        keys = channels[channel]
        del keys[bisect_left(keys, key)]
        if not keys:
            del channels[channel]

    def of(self, collection: str) -> Mapping[str, list[str]]:
        """Return the keys of a collection by channel; a channel without any is left out."""
        return self._keys.get(collection, _NONE)


def next_after(keys: list[str], key: str | None, without: str | None) -> str | None:
    """Return the least of the ascending keys that is greater than `key` (None: the least of all), None where there is none.

    One key equal to `without` is passed over: that of an item which is about to leave its place.
    """
    place = 0 if key is None else bisect_right(keys, key)
    if place < len(keys) and keys[place] == without:
        place += 1
    return keys[place] if place < len(keys) else None
