"""Presence as it may be seen: pure, no clock, no IO.

`section` names where the person is, as a section (`timeline`), a collection (`tables`) or, best, a channel (`timeline.team`). The
fields of `PLACE` are details of that place; all others are the person's own words to the whole wedding. The receiving gateway
masks with the reader's rights, so nobody learns of a section, or of a document in it, that they may not read (INV5).
"""

from collections.abc import Callable, Collection
from typing import Final

from actors.contract.channels import ITEM_AUDIENCES, Rights, may_read
from actors.contract.channels import SECTIONS as SHARED
from gateway.presence.fields import SECTION_OF, SECTIONS, Presence, channel_in

#: Details of the place that `section` names; they go with it.
PLACE: Final = frozenset({"document", "item", "task", "field", "cursor", "selection", "typing"})
#: Details that name an item, with the section that it is of wherever its person is; `item` is of the place itself.
_ITEMS: Final = {"document": "documents", "item": "", "task": "tasks"}
#: Entries of one wedding's cache: readers times places.
_MOST_KNOWN: Final = 20_000


class Sight:
    """What the readers of one wedding see of places. `channels` gives those that exist, which are only ever added."""

    def __init__(self, channels: Callable[[], Collection[str]]) -> None:
        self._channels = channels
        self._existing = 0
        self._known: dict[tuple[str, Rights], tuple[bool, bool]] = {}
        self._classes: dict[Rights, int] = {}

    def of(self, place: str | None, rights: Rights) -> tuple[bool, bool]:
        """Tell whether these rights see that somebody is in the place, and the details of it.

        A bare section is seen by who reads some common channel of it; its details, which may stand in any of its channels, only
        by who reads all of them. Details without a section could be anywhere: only who reads every audience sees them.
        """
        if place is None:
            return True, self.of("documents", rights)[1]
        key = (place, rights)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._judge(place, rights)
        return found

    def class_of(self, rights: Rights) -> int:
        """A number that is the same for readers who see the same of every common place: personal channels are left out."""
        found = self._classes.get(rights)
        if found is None:
            answers = [answer for place in _COMMON_PLACES for answer in self.of(place, rights)]
            found = self._classes[rights] = sum(1 << index for index, answer in enumerate(answers) if answer)
        return found

    def look_around(self) -> None:
        """Begin anew when the wedding has a channel more; to be called before a round of questions."""
        existing = len(self._channels())
        if existing != self._existing:
            self._existing = existing
            self._known.clear()
            self._classes.clear()

    def _judge(self, place: str, rights: Rights) -> tuple[bool, bool]:
        name, dot, _ = place.partition(".")
        if dot:
            sees = may_read(rights, place)
            return sees, sees
        section = SECTION_OF.get(name, name)
        common = _channels_of(section)
        own = [channel for channel in self._channels() if channel.startswith(f"{section}.")]
        return any(may_read(rights, each) for each in common), all(may_read(rights, each) for each in (*common, *own))


class CommonSight:
    """The sight of all readers of one class: as `Sight`, and nothing of a personal place."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def of(self, place: str | None, rights: Rights) -> tuple[bool, bool]:
        """See Sight."""
        return self._sight.of(place, rights) if place is None or place in _COMMON else (False, False)


def mask(presence: Presence, rights: Rights, sight: Sight | CommonSight) -> Presence:
    """Return what a reader with these rights sees of a presence."""
    section = presence.get("section")
    sees_section, sees_details = sight.of(section, rights)
    if sees_section and (PLACE.isdisjoint(presence) or (sees_details and _ITEMS.keys().isdisjoint(presence))):
        return presence
    hidden: set[str] = set()
    if not sees_details:
        hidden |= PLACE
    for name in _ITEMS.keys() & presence.keys():
        if sight.of(_place_of(name, presence), rights)[1]:
            hidden.discard(name)
        else:
            # Where in it somebody writes is told to its readers only.
            hidden |= PLACE - _ITEMS.keys() | {name}
    if not sees_section:
        hidden.add("section")
    if hidden.isdisjoint(presence):
        return presence
    return {name: value for name, value in presence.items() if name not in hidden}


def places_of(presence: Presence) -> list[str | None]:
    """The places whose sight decides what a reader sees of this presence."""
    if PLACE.isdisjoint(presence):
        return [presence["section"]] if "section" in presence else []
    if _ITEMS.keys().isdisjoint(presence):
        return [presence.get("section")]
    return [presence.get("section"), *(_place_of(name, presence) for name in _ITEMS.keys() & presence.keys())]


def is_common(place: str) -> bool:
    """Tell whether `Sight.class_of` looks at this place."""
    return place in _COMMON


def _place_of(name: str, presence: Presence) -> str | None:
    """Where an item stands: in the channel that it names, else in the place if that is of its section, else in its section."""
    channel = channel_in(presence[name])
    if channel is not None:
        return channel
    section = presence.get("section")
    home = _ITEMS[name]
    if not home or (isinstance(section, str) and SECTION_OF.get(section, section.partition(".")[0]) == home):
        return section
    return home


def _channels_of(section: str) -> tuple[str, ...]:
    """The audiences that roles share of a section; one that nobody shares is stood for by who would read all of them."""
    return tuple(f"{section}.{audience}" for audience in SHARED.get(section) or ("*",))


_COMMON_PLACES: Final[tuple[str | None, ...]] = (
    None,
    *sorted(SECTIONS | SECTION_OF.keys()),
    *(f"{section}.{audience}" for section in sorted(SECTIONS) for audience in ITEM_AUDIENCES),
)
_COMMON: Final = frozenset(_COMMON_PLACES)
