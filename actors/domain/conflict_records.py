"""Records of conflicts: what stands in them, how long, who may answer, and who is told (docs/conflicts.md).

A record is an item of `conflicts` in the channel of the item that it is about. Repeated ops of one client against one unseen
write keep one record. Records are bounded: the oldest closed one of a channel makes room. Called by `disputes` and `resolutions`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import product
from typing import Any, Final, NamedTuple

import msgspec

from actors.contract.changes import Change
from actors.contract.channels import may_read
from actors.contract.conflicts import (
    COLLECTION,
    HIERARCHY,
    LAST_WRITER,
    MANUAL,
    MERGE,
    PRIORITIES,
    PRIORITY,
    STATUSES,
    WHOLE_ITEM,
)
from actors.contract.events import instant_of
from actors.domain.authority import rights_for
from actors.domain.conflict_table import RANKS, role_of, rule_for
from actors.domain.items import PlannedPart, Request
from actors.domain.messages import into_inbox
from actors.domain.state import ActorState, Item, Write, find_item
from actors.domain.strategies import Verdict
from actors.domain.wedding_priority import wedding_priority

_HOUR_MS: Final = 3600 * 1000
#: How long an open record waits for somebody, by its level of PRIORITIES.
WAITS_MS: Final = (7 * 24 * _HOUR_MS, 3 * 24 * _HOUR_MS, 24 * _HOUR_MS, _HOUR_MS)
#: How long a decision may be reversed.
REVERSIBLE_MS: Final = 7 * 24 * _HOUR_MS
#: Records of one wedding; beyond it the oldest closed one of the same channel goes.
MAX_RECORDS: Final = 500
#: What a record says of the conflict itself, whoever prevails.
_LASTING: Final = frozenset({"channel", "collection", "item", "field", "at", "first", "standing"})
_encode: Final = msgspec.json.Encoder().encode


class Disputed(NamedTuple):
    """What two disagree about: a field or the whole item, in the channel where it is now, the unseen write, and both contents.

    A content is `{"value": ...}`, `{}` for a cleared field, `{"deleted": True}` or `{"fields": {...}}` for a whole item.
    `standing` is the last write of a field that is lost along, to the write that prevailed in another one.
    """

    collection: str
    item: str
    field: str
    channel: str
    write: Write
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    standing: Write | None = None


def recorded(
    request: Request, disputes: Sequence[tuple[Disputed, Verdict]], written: Iterable[str]
) -> tuple[list[PlannedPart], list[int]]:
    """Return what records the conflicts of one op and tells both sides, and until when each waits for somebody, where one does.

    The op also writes the records in `written`: like those that it only writes again, they do not make room.
    """
    identifiers = [_id_of(request, disputed) for disputed, _ in disputes]
    room = _Room(request.state, {*written, *identifiers})
    parts: list[PlannedPart] = []
    waits: list[int] = []
    for identifier, (disputed, verdict) in zip(identifiers, disputes, strict=True):
        fields = _fields(request, disputed, verdict)
        known = find_item(request.state, COLLECTION, identifier)
        if known is not None:
            parts += _again(request.state, identifier, known, fields)
        else:
            record = PlannedPart(disputed.channel, (Change(COLLECTION, identifier, insert=fields),))
            parts += [*room.for_one_more(disputed.channel), record, *notices(request.state, identifier, fields)]
        if verdict.is_open and (known is None or known.fields["status"] != "open"):
            waits.append(request.now_ms + WAITS_MS[PRIORITIES.index(fields["priority"])])
    return parts, waits


def _again(state: ActorState, identifier: str, known: Item, fields: Mapping[str, Any]) -> Iterator[PlannedPart]:
    """Let a record follow the same client against the same write.

    Both sides have been told already; they are told anew where another one prevails now, or somebody is to choose now.
    """
    if all(known.fields[name] == fields[name] for name in ("outcome", "status")):
        changed = {name: fields[name] for name in ("second", "outcome", "reason")}
        yield PlannedPart(known.channel, (Change(COLLECTION, identifier, set=changed),))
        return
    gone = dict.fromkeys(sorted(known.fields.keys() - fields.keys()))
    turned = gone | {name: value for name, value in fields.items() if name not in _LASTING}
    yield PlannedPart(known.channel, (Change(COLLECTION, identifier, set=turned),))
    yield from notices(state, identifier, {**known.fields, **turned})


def repeated(request: Request, item: Item, field: str, value: Any, merged: Mapping[str, Any]) -> list[PlannedPart]:
    """Return what the record of a conflict is to say when the side that prevailed writes on, unaware of it: what it wants now.

    So the record of an offline batch holds the last word of both sides, and can be reversed. `merged` is empty, or says what the
    value was merged to, also where that is nothing.
    """
    last, claim = item.last_write(field), request.op.base.get(item.channel)
    record = find_item(request.state, COLLECTION, last.met) if last.met else None
    is_own = last.principal == request.principal and last.client == request.client
    if record is None or record.fields["status"] != "decided" or not is_own or claim is None or claim >= last.sequence:
        return []
    second = {"op": request.op.id, "user": request.principal, "role": request.role} | ({} if value is None else {"value": value})
    return [PlannedPart(record.channel, (Change(COLLECTION, last.met, set={"second": second, **merged}),))]


def notices(state: ActorState, identifier: str, record: Mapping[str, Any]) -> Iterator[PlannedPart]:
    """Tell each side, once, if they are in the wedding and may read what it is about."""
    told: set[str] = set()
    for side, other in (("second", "first"), ("first", "second")):
        person = record[side]["user"]
        if person not in told and _may_be_told(state, person, record["channel"]):
            told.add(person)
            content = {"kind": "conflict", "matter": identifier, "text": _text(record, side, other)}
            yield into_inbox(state, person, f"{identifier}-{side}-{record['status']}", content)


def _may_be_told(state: ActorState, person: str, channel: str) -> bool:
    is_member = find_item(state, "people", person) is not None
    return is_member and may_read(rights_for(state, person, role_of(state, person)), channel)


def _text(record: Mapping[str, Any], side: str, other: str) -> str:
    what = "the whole item" if record["field"] == WHOLE_ITEM else record["field"]
    place, rival = f"{what} of {record['collection']} {record['item']}", record[other]["user"]
    if record["outcome"] == side and record["status"] != "open":
        return f"Your change stands, not that of {rival}: {place}. {record['reason'].capitalize()}."
    if record["outcome"] == other and record["status"] != "open":
        return f"The change of {rival} stands, not yours: {place}. {record['reason'].capitalize()}."
    return f"You and {rival} both changed {place}. {record['reason'].capitalize()}."


def _fields(request: Request, disputed: Disputed, verdict: Verdict) -> dict[str, Any]:
    state, write, now_ms = request.state, disputed.write, request.now_ms
    level = wedding_priority(now_ms, _day_of(state), rule_for(state, disputed.collection, disputed.field).touches)
    waits_ms = WAITS_MS[level] if verdict.is_open else REVERSIBLE_MS
    fields: dict[str, Any] = {
        "channel": disputed.channel,
        "collection": disputed.collection,
        "item": disputed.item,
        "field": disputed.field,
        "strategy": verdict.strategy,
        "reason": verdict.reason,
        "status": "open" if verdict.is_open else "decided",
        "outcome": verdict.outcome,
        "priority": PRIORITIES[level],
        "at": instant_of(now_ms),
        "until": instant_of(now_ms + waits_ms),
        "mayAnswer": may_answer(state, verdict, write.principal, request.principal),
        "first": {"op": write.op, "user": write.principal, "role": role_of(state, write.principal), **disputed.first},
        "second": {"op": request.op.id, "user": request.principal, "role": request.role, **disputed.second},
    }
    if disputed.standing is not None and disputed.standing != write:
        fields["standing"] = {"op": disputed.standing.op, "user": disputed.standing.principal}
    if verdict.is_open:
        fields["default"] = verdict.default
    if verdict.outcome == "merged" and verdict.value is not None:
        fields["result"] = verdict.value
    return fields


def may_answer(state: ActorState, verdict: Verdict, first: str, second: str) -> dict[str, list[str]]:
    """Return who may resolve or reverse, as roles and people.

    Nobody is overruled by who counts less: of couple and planner those who count as much as the side that prevails (as both,
    while it is open), that side itself, and where nobody counts more than the other, both sides.
    """
    ranks = {person: RANKS.get(role_of(state, person), len(RANKS)) for person in (first, second)}
    people = {LAST_WRITER: [first, second], MERGE: [first, second], MANUAL: []}.get(
        verdict.strategy, [first if verdict.outcome == "first" else second]
    )
    bound = min(ranks.values()) if verdict.strategy == MANUAL else 9
    if verdict.strategy in (HIERARCHY, PRIORITY):
        bound = ranks[people[0]]
    roles = [role for role in ("couple", "planner") if RANKS[role] <= bound or role == "couple"]
    return {"roles": roles, "people": sorted(set(people))}


def _id_of(request: Request, disputed: Disputed) -> str:
    """Return the id of the record: the same for later ops of the same client against the same write, while it is not answered."""
    write = disputed.write
    names = [disputed.collection, disputed.item, disputed.field, write.principal, write.op, request.principal, request.client]
    if disputed.standing is not None and disputed.standing != write:
        names += [disputed.standing.principal, disputed.standing.op]
    identifier = _hashed(names)
    known = find_item(request.state, COLLECTION, identifier)
    if known is None or known.fields["status"] in ("open", "decided"):
        return identifier
    return _hashed([*names, request.op.id])


def _hashed(names: list[str]) -> str:
    return "c-" + sha256(_encode(names)).hexdigest()[:24]


def _day_of(state: ActorState) -> str | None:
    wedding = find_item(state, "wedding", state.id)
    return None if wedding is None else wedding.fields.get("date")


class _Room:
    """Room for the records of one op: the oldest closed ones go when there are too many, with what their sides were told.

    They stay in the history and in Postgres.
    """

    def __init__(self, state: ActorState, taken: set[str]) -> None:
        """Those in `taken` stay: the op writes them itself."""
        self._state = state
        self._taken = taken
        self._records = state.items.get(COLLECTION, {})
        self._count = len(self._records)

    def for_one_more(self, channel: str) -> Iterator[PlannedPart]:
        """Let the oldest closed record of the channel go, if it must."""
        self._count += 1
        if self._count <= MAX_RECORDS:
            return
        oldest = next((name for name, record in self._records.items() if self._may_go(name, record, channel)), None)
        if oldest is None:
            return
        self._count -= 1
        self._taken.add(oldest)
        yield PlannedPart(channel, (Change(COLLECTION, oldest, remove=True),))
        for side, status, variation in product(("first", "second"), STATUSES, ("", "x")):
            # A conflict that turned was told again under an id that is varied (see into_inbox).
            notice = find_item(self._state, "inbox", name := f"{oldest}-{side}-{status}{variation}")
            if notice is not None and _may_be_told(self._state, notice.fields["person"], channel):
                yield PlannedPart(notice.channel, (Change("inbox", name, remove=True),))

    def _may_go(self, name: str, record: Item, channel: str) -> bool:
        return record.channel == channel and record.fields["status"] != "open" and name not in self._taken
