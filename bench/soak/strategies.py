"""`make soak ARGS="strategies --cases 20000"`: made-up disputes, and what the strategies promise of each (docs/conflicts.md).

One case is one field, a strategy and a few people who write it without having seen each other, in two orders; another is a short
history of everything that people do with items and conflicts. Pure calculation, no servers, seeded. `offences_of` is also what a
test runs for a few hundred cases.
"""

import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple

from actors.contract.changes import ChannelItems, apply_changes
from actors.contract.channels import may_read
from actors.contract.conflicts import HIERARCHY, LAST_WRITER, MANUAL, MERGE, PRIORITIES, PRIORITY
from actors.contract.decisions import Decision
from actors.contract.digest import channel_digest
from actors.domain import snapshot_form, views
from actors.domain.conflict_table import rank_of
from tests.support.disputes import let_time_pass, seen_by_all
from tests.support.folding import MEMBERS, Fold, wedding_with_members

_LETTERS: Final = ("a", "b", "c", "d", "e", "f")
_ITEM: Final = "x"


class Field(NamedTuple):
    """A field that people dispute: its collection and name, the item before, and who of the members may write it."""

    collection: str
    name: str
    item: dict[str, Any]
    writers: tuple[str, ...]


_CORE: Final = ("amara", "petra", "ines")
FIELDS: Final = (
    Field("tasks", "title", {"title": "t"}, (*_CORE, "bloom", "lux")),
    Field("timeline", "durationMin", {"title": "t", "durationMin": 30}, (*_CORE, "bloom", "lux")),
    Field("guests", "sitWith", {"firstName": "z", "sitWith": ["a", "b"]}, (*_CORE, "fatou")),
    Field("tables", "capacity", {"name": "z", "capacity": 100}, (*_CORE, "fatou")),
    Field("budget", "estimate", {"item": "z", "estimate": 100}, _CORE),
)
_STRATEGIES: Final = (LAST_WRITER, MERGE, PRIORITY, MANUAL, HIERARCHY)


class Write(NamedTuple):
    """What one person asks without having seen the others."""

    person: str
    value: Any
    priority: str


def _snapshot() -> bytes:
    fold = wedding_with_members()
    for person, role in (("ines", "couple"), ("lux", "vendor")):
        fold.act("amara", "people", "insert", person, {"name": person, "role": role})
    return snapshot_form.encode(fold.state)


_BEGIN: Final = _snapshot()


def _wedding() -> Fold:
    fold = Fold.on(snapshot_form.decode(_BEGIN))
    fold.now_ms += 60_000
    return fold


def offences_of(seed: int) -> list[str]:
    """Return what is broken in one case; the seed gives all of it."""
    draw = random.Random(seed)  # a case must be the same again
    return _dispute(draw) if seed % 2 else _history(draw)


def _dispute(draw: random.Random) -> list[str]:
    field, strategy = draw.choice(FIELDS), draw.choice(_STRATEGIES)
    writes = [_write(draw, field, person) for person in draw.sample(field.writers, draw.randint(2, len(field.writers)))]
    orders = [draw.sample(writes, len(writes)) for _ in range(2)]
    folds = [_played(field, strategy, order) for order in orders]
    values = [fold.item(field.collection, _ITEM).get(field.name) for fold in folds]
    found = [offence for fold in folds for offence in _broken_laws(fold)]
    if _promises_order(folds[0], field, strategy, writes) and values[0] != values[1]:
        found.append(f"order: {strategy} of {field.name} gives {values[0]} and {values[1]} for {orders}")
    if strategy == MERGE:
        found += _lost_in_merge(field, writes, values[0])
    if strategy != MERGE or not isinstance(field.item[field.name], list):
        for fold, order, value in zip(folds, orders, values, strict=True):
            found += _lost(fold, field, order, value)
    return found


def _write(draw: random.Random, field: Field, person: str) -> Write:
    before = field.item.get(field.name)
    value: Any = f"title {draw.randrange(5)}"
    if isinstance(before, int):
        value = before + draw.randint(-5, 5)
    elif isinstance(before, list):
        kept = [entry for entry in before if draw.random() < 0.7]
        value = kept + sorted(draw.sample(_LETTERS[2:], draw.randint(0, 3)))
    return Write(person, value, draw.choice(("", "", *PRIORITIES)))


def _played(field: Field, strategy: str, order: Sequence[Write]) -> Fold:
    fold = _wedding()
    fold.act("amara", "wedding", "update", fold.state.id, {"conflictRules": {f"{field.collection}.{field.name}": strategy}})
    fold.act("amara", field.collection, "insert", _ITEM, field.item, client="20270619-insert00")
    fold.now_ms += 60_000
    base = seen_by_all(fold)
    for write in order:
        data = {field.name: write.value}
        fold.act(write.person, field.collection, "update", _ITEM, data, base=base, priority=write.priority)
    return fold


def _promises_order(fold: Fold, field: Field, strategy: str, writes: Sequence[Write]) -> bool:
    """Tell whether the outcome may not depend on the order: merges never, the others where one side counts more than all."""
    if strategy == MERGE:
        return isinstance(field.item[field.name], int | list)
    if strategy not in (HIERARCHY, PRIORITY):
        return False

    def weight(write: Write) -> tuple[int, int]:
        rank = rank_of(fold.state, write.person, field.collection, _ITEM, field.name)
        level = PRIORITIES.index(write.priority or "normal") if strategy == PRIORITY else 0
        is_heard = MEMBERS.get(write.person, "couple") in ("couple", "planner", "vendor") or write.person == "lux"
        return (-(level if is_heard else min(level, 1)), rank)

    weights = sorted((weight(write), str(write.value)) for write in writes)
    best = weights[0][0]
    return len({value for each, value in weights if each == best}) == 1


def _lost_in_merge(field: Field, writes: Sequence[Write], value: Any) -> list[str]:
    """Counters add up, sets have everything that was added and nothing that was taken away."""
    before = field.item[field.name]
    if isinstance(before, int):
        expected = before + sum(write.value - before for write in writes)
        return [] if value == expected else [f"merge: the counter is {value}, not {expected}, after {writes}"]
    if not isinstance(before, list):
        return []
    added = {entry for write in writes for entry in write.value} - set(before)
    kept = {entry for entry in before if all(entry in write.value for write in writes)}
    return [] if set(value or ()) == added | kept else [f"merge: the set is {value}, not {added | kept}, after {writes}"]


def _lost(fold: Fold, field: Field, order: Sequence[Write], value: Any) -> list[str]:
    """Every value that was sent stands in the field or in a record."""
    known = [value, field.item[field.name]]
    for record in fold.state.items.get("conflicts", {}).values():
        known += [record.fields[side].get("value") for side in ("first", "second")]
    return [f"lost: {write} stands nowhere after {order}" for write in order if write.value not in known]


def _history(draw: random.Random) -> list[str]:
    """Play a short history of anything that people do, each having seen something older than the last."""
    fold, numbers = _wedding(), count()
    for field in FIELDS:
        fold.act(draw.choice(field.writers), field.collection, "insert", "i0", field.item)
    chosen = {f"{field.collection}.{draw.choice((field.name, '*'))}": draw.choice(_STRATEGIES) for field in FIELDS[:3]}
    fold.act("amara", "wedding", "update", fold.state.id, {"conflictRules": chosen})
    seen: list[dict[str, int]] = [seen_by_all(fold)]
    for _ in range(draw.randint(5, 25)):
        fold.now_ms += draw.choice((10, 1000, 6000, 3_600_000))
        base = draw.choice(seen[-6:]) if draw.random() < 0.8 else None
        _act(fold, draw, next(numbers), base)
        seen.append(seen_by_all(fold))
        if draw.random() < 0.1:
            let_time_pass(fold, 7 * 24 * 3_600_000)
    return list(_broken_laws(fold))


def _act(fold: Fold, draw: random.Random, number: int, base: dict[str, int] | None) -> None:
    field, person = draw.choice(FIELDS), draw.choice((*MEMBERS, "ines", "lux"))
    items = sorted(fold.state.items.get(field.collection, {}))
    records = sorted(fold.state.items.get("conflicts", {}))
    day = f"{datetime.fromtimestamp(fold.now_ms / 1000, UTC):%Y%m%d}"
    client = f"{day}-{person}{draw.randrange(2)}000"
    graves = [name.partition("/")[2] for name in fold.state.graves if name.startswith(field.collection + "/")]
    match draw.randrange(8):
        case 0 | 1 if records:
            name = draw.choice(records)
            record = fold.state.items["conflicts"][name].fields
            data = {"choice": draw.choice(("first", "second"))}
            action = draw.choice(("resolve", "reverse"))
            kind = {"tasks": "task_completion", "timeline": "timeline_update", "budget": "budget_change"}
            op_type = kind.get(record["collection"], "guest_update")
            fold.act(person, "conflicts", action, name, data, op_type=op_type, client=client)
        case 2 if items:
            fold.act(person, field.collection, "delete", draw.choice(items), base=base, client=client)
        case 3 if items:
            after = draw.choice([None, *items])
            target = draw.choice(items)
            if after != target:
                fold.act(person, field.collection, "move", target, {"after": after}, base=base, client=client)
        case 4:
            fold.act(person, field.collection, "insert", f"i{number % 4}", field.item, client=client)
        case 5 if field.collection == "timeline" and items:
            data = {"visibility": draw.choice(("everyone", "team", "core"))}
            fold.act(person, "timeline", "update", draw.choice(items), data, base=base, client=client)
        case _ if items or graves:
            data = {field.name: _write(draw, field, person).value}
            fold.act(person, field.collection, "update", draw.choice(items + graves), data, base=base, client=client)
        case _:
            pass


def _broken_laws(fold: Fold) -> Iterator[str]:
    """Whatever the strategies say: no fault, readers converge, nobody is told of what they may not read, or twice."""
    for decision in fold.decisions:
        if decision.refusal is not None and decision.refusal.code == "internal_error":
            yield f"fault: {decision.op} {decision.type} {decision.action}"
    yield from _diverged(fold)
    yield from _told_wrongly(fold)
    open_ones = any(record.fields["status"] == "open" for record in fold.state.items.get("conflicts", {}).values())
    if open_ones != ("conflicts" in fold.state.timers.armed):
        yield "timer: open conflicts and the armed timer do not agree"


def _diverged(fold: Fold) -> Iterator[str]:
    """A reader of everything that applies the events holds what the state holds."""
    copy = views.items_by_channel(snapshot_form.decode(_BEGIN))
    for decision in fold.decisions:
        for part in decision.parts:
            apply_changes(copy.setdefault(part.channel, {}), part.changes)
    for name, (_, digest) in views.channel_heads(fold.state).items():
        held: ChannelItems = copy.get(name, {})
        if channel_digest(held) != digest:
            yield f"digest: {name} differs"


def _told_wrongly(fold: Fold) -> Iterator[str]:
    members = views.members(fold.state)
    told = [_notices(decision) for decision in fold.decisions]
    everything = [notice for each in told for notice in each]
    if len({identifier for identifier, _, _ in everything}) != len(everything):
        yield "inbox: somebody was told twice"
    records = fold.state.items.get("conflicts", {})
    for _, person, matter in everything:
        record = records.get(matter)
        if record is not None and not may_read(members[person].rights, record.channel):
            yield f"inbox: {person} was told of {record.channel}"
    for identifier, record in records.items():
        for side in ("first", "second"):
            person = str(record.fields[side]["user"])
            is_reader = person in members and may_read(members[person].rights, record.channel)
            if is_reader and not any(one == person and matter == identifier for _, one, matter in everything):
                yield f"inbox: {person} was not told of {identifier}"


def _notices(decision: Decision) -> list[tuple[str, str, str]]:
    """The notices of one decision: id, person, conflict."""
    changes = [change for part in decision.parts for change in part.changes if change.collection == "inbox"]
    inserted = [(change.id, change.insert) for change in changes if isinstance(change.insert, dict)]
    return [(name, str(item["person"]), str(item["matter"])) for name, item in inserted if item.get("kind") == "conflict"]


def run_cases(cases: int, seed: int) -> int:
    """Run so many cases; returns how many broke a promise and tells the first ones."""
    broken, began = 0, time.monotonic()
    for number in range(cases):
        offences = list(offences_of(seed + number))
        if offences:
            broken += 1
            if broken <= 10:
                print(f"case {seed + number}: {offences[0]}")
    print(f"{cases} cases from seed {seed} in {time.monotonic() - began:.0f} s: {broken} broke a promise")
    return broken
