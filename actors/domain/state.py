"""The state of one actor: what `decide` reads and only `evolve` changes. No behaviour beyond plain look-ups.

Owned by one actor; mutable, because a wedding is folded one op at a time and copying it would cost more than deciding. Actors of
every kind keep the same things and differ in their rules (see kinds). The structs are array-like: `snapshot_form` stores them as
they are, so fields are only ever added at the end, with a default.
"""

from functools import cached_property
from typing import Any, ClassVar, Final

import msgspec

from actors.contract.conflicts import NORMAL
from actors.contract.decisions import IfMissed, Refusal, Waiting
from actors.contract.subjects import VENDOR, WEDDING
from actors.domain.order_index import OrderIndex
from actors.domain.text_window import TextWindow

#: How many outcomes are remembered per client and per NATS principal; older ones are looked up in the stored changes.
CLIENT_OUTCOMES: Final = 32
INTAKE_OUTCOMES: Final = 1000
#: Of how many items that are gone it is remembered who removed them; beyond it goes the oldest of whoever removed the most.
REMOVALS: Final = 256
#: How many past values of a field are kept for merging, and how many deleted items for who edits them unaware.
PAST_KEPT: Final = 16
GRAVES_KEPT: Final = 100
#: The client name under which everything that a principal sends over NATS is counted.
INTAKE_CLIENT: Final = "intake"


class Write(msgspec.Struct, array_like=True, frozen=True):
    """Who wrote a field last: the op, and its sequence in the item's channel, when, and how urgent it said to be.

    `said` is what the author sent where merging made another value of it, `met` the record of the conflict in which it prevailed.
    """

    sequence: int
    op: str
    principal: str
    client: str
    at_ms: int = 0
    priority: int = NORMAL
    said: Any = None
    met: str = ""


class Past(msgspec.Struct, array_like=True, frozen=True):
    """A value that a field had, None for none, and the write that gave it."""

    write: Write
    value: Any


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """The channel that an item came from, the sequence there of its leaving, and who had written what until then."""

    channel: str
    sequence: int
    inserted: Write
    writes: dict[str, Write]

    def last_write(self, field: str) -> Write:
        """Return the last write of a field before the item came over."""
        return self.writes.get(field, self.inserted)


class Item(msgspec.Struct, array_like=True):
    """One item: its fields without `id`, its one channel, its part of the channel's digest, and who wrote what last.

    `inserted` is the write that put the whole item into its channel; `writes` holds the fields written since, `past` the values
    before of those that can be merged (the oldest first), `origin` where the item was before another audience was chosen, `edits`
    the recent edits of its texts, by field.
    """

    fields: dict[str, Any]
    channel: str
    hash: int
    inserted: Write
    writes: dict[str, Write] = {}
    past: dict[str, list[Past]] = {}
    origin: Origin | None = None
    edits: dict[str, TextWindow] = {}

    def last_write(self, field: str) -> Write:
        """Return the last write of a field, present or not."""
        return self.writes.get(field, self.inserted)


class ChannelState(msgspec.Struct, array_like=True):
    """One channel: its sequence, its digest, the clock of its latest writers, and the greatest order key by collection."""

    sequence: int = 0
    digest: int = 0
    clock: dict[str, int] = {}
    greatest_order: dict[str, str] = {}


class ClientState(msgspec.Struct, array_like=True):
    """One client: to whom it is bound, the last number taken, when, and the outcomes of its last ops (the newest last)."""

    principal: str
    last: int
    seen_ms: int
    outcomes: list[Refusal | None] = []


class IntakeState(msgspec.Struct, array_like=True):
    """One principal's ops over NATS: how many were decided, and the outcomes of the last ones by op id (the newest last)."""

    count: int = 0
    outcomes: dict[str, Refusal | None] = {}


class ArmedTimer(msgspec.Struct, array_like=True, frozen=True):
    """One armed timer: its number among the armings, when it is due (Unix milliseconds), what it does when late, who armed it."""

    number: int
    due_ms: int
    if_missed: IfMissed = "fire_once_late"
    principal: str = ""


class Timers(msgspec.Struct, array_like=True):
    """A wedding's timers: those armed, by timer id; how often one was armed, and how often one fired."""

    armed: dict[str, ArmedTimer] = {}
    armings: int = 0
    firings: int = 0


class Grave(msgspec.Struct, array_like=True, frozen=True):
    """A deleted item as it was, and the write that deleted it."""

    item: Item
    write: Write


class ActorState(msgspec.Struct, array_like=True, dict=True):
    """Everything about one actor at `rev`; `position` is that of the last decided op.

    `acl` is the rev of the last permission change. `clients` is ordered by last use, the longest idle first. `sent` counts the
    messages to each other actor, `received` holds the highest number taken from each; both by the other's principal. `removed`
    holds by what the items were removed that went last, by `removal_key`, the latest last, `graves` some of these items as they
    were; kept from version 3 of the rules on.
    """

    kind: ClassVar[str]
    #: The collection without which the actor does not exist, None for one that needs no creation.
    founding: ClassVar[str | None]

    id: str
    rev: int = 0
    position: int = 0
    now_ms: int = 0
    acl: int = 0
    items: dict[str, dict[str, Item]] = {}
    channels: dict[str, ChannelState] = {}
    clients: dict[str, ClientState] = {}
    intake: dict[str, IntakeState] = {}
    timers: Timers = msgspec.field(default_factory=Timers)
    sent: dict[str, int] = {}
    received: dict[str, int] = {}
    removed: dict[str, Write] = {}
    graves: dict[str, Grave] = {}
    waiting: dict[str, Waiting] = {}

    @cached_property
    def orders(self) -> OrderIndex:
        """The order keys of the items, sorted; not part of what is written down."""
        return OrderIndex(self.items)


class WeddingState(ActorState, array_like=True):
    """A wedding; it exists from the op on that inserts its one item of the collection `wedding`."""

    kind: ClassVar[str] = WEDDING
    founding: ClassVar[str | None] = "wedding"


class VendorState(ActorState, array_like=True):
    """A supplier: the bookings of its hours over many weddings."""

    kind: ClassVar[str] = VENDOR
    founding: ClassVar[str | None] = None


STATES: Final[dict[str, type[ActorState]]] = {form.kind: form for form in (WeddingState, VendorState)}


def new_state(identifier: str, kind: str = WEDDING) -> ActorState:
    """Return the state before the first op."""
    return STATES[kind](identifier)


def exists(state: ActorState) -> bool:
    """Tell whether the actor has been created."""
    return state.founding is None or state.founding in state.items


def waiting_key(principal: str, op: str) -> str:
    """Return under which key an op waits; ids of ops over NATS are unique per principal only."""
    return f"{principal} {op}"


def find_item(state: ActorState, collection: str, identifier: str) -> Item | None:
    """Return the item, or None."""
    return state.items.get(collection, {}).get(identifier)


def grave_of(state: ActorState, collection: str, identifier: str) -> Grave | None:
    """Return a deleted item as it was, None where that is forgotten."""
    return state.graves.get(removal_key(collection, identifier))


def sequence_of(state: ActorState, channel: str) -> int:
    """Return the channel's sequence, 0 for one that does not exist yet."""
    found = state.channels.get(channel)
    return found.sequence if found is not None else 0


def removal_key(collection: str, identifier: str) -> str:
    """Return under which key the removal of an item, and what it was, is remembered."""
    return f"{collection}/{identifier}"


def last_removal(state: ActorState, collection: str, identifier: str) -> Write | None:
    """Return by what an item that is not there was removed, None where that is forgotten or it never was."""
    return state.removed.get(removal_key(collection, identifier))
