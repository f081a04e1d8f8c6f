"""Random logs of one wedding: ops of random roles on few items, so that they meet; some wrong, some repeated, some out of turn.

Called by the property tests of the domain and of the client.
"""

from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET

from actors.contract.collections import COLLECTIONS
from actors.contract.ops import Op, Source, Target
from actors.domain.rules import NEWEST
from actors.domain.state import removal_key
from tests.support.folding import MEMBERS, WEDDING, Fold, op_of, wedding_with_members
from tests.support.random_texts import deltas

_IDS = st.sampled_from(["a", "b"])
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)
_PERSON = st.sampled_from(list(MEMBERS))
_AUDIENCE = st.sampled_from(["everyone", "team", "core", "family", "surprise-amara", "private-noemi"])
_PLACES = st.lists(st.sampled_from(["budget", "tasks.team", "timeline.surprise", "guests", "inbox", "people"]), max_size=2)
_RULES = st.lists(
    st.sampled_from(["tasks.team:update:done", "guests@own", "timeline", "people", "photos.everyone:insert"]), max_size=2
)
_ORDER = st.sampled_from(["a0", "a1V", "Zz", "b00", "nonsense"])
_MONEY = st.integers(-(2**53), 2**53)

_FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "wedding": {"title": _TEXT, "rates": st.dictionaries(st.sampled_from(["EUR", "USD"]), st.just("0.9400"))},
    "timeline": {
        "title": _TEXT,
        "visibility": _AUDIENCE,
        "dependsOn": st.lists(_IDS, max_size=2),
        "durationMin": st.integers(-1, 90),
    },
    "budget": {"item": _TEXT, "estimate": _MONEY, "payer": st.sampled_from(["couple", "fatou", "noemi"]), "audience": _AUDIENCE},
    "vendors": {"name": _TEXT, "notes": _TEXT},
    "guests": {
        "firstName": _TEXT,
        "rsvp": st.sampled_from(["yes", "no", "pending", "perhaps"]),
        "needs": st.lists(_TEXT, max_size=2),
    },
    "tables": {"name": _TEXT, "capacity": st.integers(0, 10)},
    "documents": {"title": _TEXT, "text": _TEXT, "audience": _AUDIENCE},
    "tasks": {"title": _TEXT, "done": st.booleans(), "assignee": _PERSON, "audience": _AUDIENCE},
    "messages": {"text": _TEXT, "audience": _AUDIENCE},
    "inbox": {"person": _PERSON, "text": _TEXT, "read": st.booleans()},
    "people": {"name": _TEXT, "role": st.sampled_from(["couple", "vendor", "family", "guest"])},
    "permissions": {"integrator": st.booleans(), "read": _PLACES, "hidden": _PLACES, "write": _RULES, "locked": _RULES},
}
_ROLE_IDS = st.sampled_from(["role-vendor", "role-planner", "role-guest"])
#: Fields that an inserted item has now and then.
_LATER_FIELDS = {
    "permissions": frozenset({"integrator", "read", "hidden", "write", "locked"}),
    "tasks": frozenset({"assignee", "audience"}),
    "budget": frozenset({"audience"}),
}
_CHANNELS = st.sampled_from(
    ["timeline.team", "timeline.everyone", "tasks.team", "guests.family", "people.everyone", "budget.core"]
)


#: What stands there before the first random op.
_AT_FIRST = {
    "timeline": {"title": "Arch"},
    "budget": {"item": "Arch"},
    "tasks": {"title": "Arch"},
    "documents": {"title": "Vows", "audience": "core"},
}
_COLLECTIONS = st.sampled_from([*_AT_FIRST, *_AT_FIRST, *_FIELDS])
#: The text of a document is edited, a version of it is named, or restored.
_EDITS = (
    st.integers(0, 4)
    .flatmap(deltas)
    .map(lambda delta: {"action": "edit", "target": Target("documents", "a", "text"), "data": {"delta": delta}})
)
_OF_TEXTS = _EDITS | st.sampled_from(
    [{"action": "name_version", "data": {"name": "One", "version": "one"}}, {"action": "restore", "data": {"version": "one"}}]
)
_PRINCIPALS = st.sampled_from(["amara"] * 5 + ["petra", "import"] * 2 + [*MEMBERS, "operator", "stranger"])
_DAY_MS = 24 * 60 * 60 * 1000


class Step(NamedTuple):
    """One op of a random log; `jump` 0 is the client's next number, else so many after or before it.

    Its author had seen all channels but for the last `lag` ops of each, or says nothing about it (None).
    """

    principal: str
    source: Source
    op: Op
    client: str
    jump: int
    lag: int | None
    milliseconds: int


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, str, str, dict[str, Any]]:
    """What one random op asks: collection, action, id and data."""
    collection = draw(_COLLECTIONS)
    action = draw(st.sampled_from(["insert"] * 3 + ["update"] * 5 + ["move", "move", "delete", "undo", "undo"]))
    ids = {"wedding": st.just(WEDDING), "people": _PERSON, "permissions": _PERSON | _ROLE_IDS}
    return collection, action, draw(ids.get(collection, _IDS)), draw(_data(collection, action))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One random op."""
    collection, action, identifier, data = draw(asked())
    principal = draw(_PRINCIPALS)
    op = op_of(draw(st.sampled_from([f"n{n}" for n in range(9)])), collection, action, identifier, data)
    if collection == "documents" and draw(st.booleans()):
        op = msgspec.structs.replace(op, **draw(_OF_TEXTS))
    return Step(
        principal,
        draw(st.sampled_from(["websocket", "websocket", "http", "nats"])),
        op,
        draw(st.sampled_from([f"20270619-{principal}", f"20270612-{principal}", f"20270618-{principal}", "20270619-shared"])),
        draw(st.sampled_from([0] * 20 + [1, -1, -40])),
        draw(st.sampled_from([0] * 4 + [1, 2, 3, None] * 2 + [-1])),
        draw(st.sampled_from([0] * 10 + [1000, -5000, 10 * _DAY_MS])),
    )


def _data(collection: str, action: str) -> st.SearchStrategy[dict[str, Any]]:
    fields = _FIELDS[collection]
    if action == "insert":
        needed = {field: fields[field] for field in fields if field in _LATER_FIELDS.get(collection, ())}
        whole = {field: value for field, value in fields.items() if field not in needed}
        return st.fixed_dictionaries(whole, optional=needed) | st.fixed_dictionaries(whole, optional={**needed, "order": _ORDER})
    if action == "update":
        return st.sampled_from(sorted(fields)).flatmap(lambda field: st.fixed_dictionaries({field: fields[field] | st.none()}))
    if action == "move":
        return st.fixed_dictionaries({"after": _IDS | st.none()})
    if action == "undo":
        inverses = {"set": _data(collection, "update"), "insert": _data(collection, "insert"), "remove": st.just(value=True)}
        return st.sampled_from(sorted(inverses)).flatmap(lambda name: st.fixed_dictionaries({name: inverses[name]}))
    return st.just({})


def _undo_of_last(fold: Fold, step: Step) -> Op:
    """Take back the author's last change of an item, where there is one; else what is asked stays as random as it is."""
    for decision in reversed(fold.decisions):
        for change in [change for part in decision.parts for change in part.changes if decision.principal == step.principal]:
            inverse: dict[str, Any] = {"remove": True}
            if change.set is not UNSET:
                inverse = {"set": change.set}
            elif change.remove is not UNSET:
                grave = fold.state.graves.get(removal_key(change.collection, change.id))
                inverse = {"insert": grave.item.fields} if grave is not None else inverse
            if change.collection in COLLECTIONS:
                return op_of(step.op.id, change.collection, "undo", change.id, {"op": decision.op, **inverse})
    return step.op


def managers_left(fold: Fold) -> Fold:
    """Let all managers leave, which version 1 of the rules alone allows, and the operator bring them back."""
    for person in ("petra", "amara"):
        assert fold.act("amara", "people", "delete", person).refusal is None
    for person in ("petra", "amara"):
        fold.act("operator", "people", "insert", person, {"name": person, "role": MEMBERS[person]})
    return fold


def play(log: list[Step], marker: int | None = None) -> Fold:
    """Fold a random log, after the wedding and its members were made.

    With `marker` the first version of the rules decides up to so many steps, the newest one from there on.
    """
    fold = wedding_with_members() if marker is None else managers_left(wedding_with_members(1))
    for collection, data in _AT_FIRST.items():
        fold.act("amara", collection, "insert", "a", data)
    for index, step in enumerate(log):
        if index == marker:
            fold.rules = NEWEST
        fold.now_ms += step.milliseconds
        op = step.op
        if step.lag is not None:
            seen = {name: max(channel.sequence - step.lag, 0) for name, channel in fold.state.channels.items()}
            op = msgspec.structs.replace(op, base=seen)
        if op.action == "undo":
            op = msgspec.structs.replace(_undo_of_last(fold, step), base=op.base)
        if step.source != "nats":
            known = fold.state.clients.get(step.client)
            number = (known.last if known else 0) + 1 + step.jump
            op = msgspec.structs.replace(op, id=f"{step.client}:{max(number, 1)}")
        fold.send(step.principal, op, step.source)
    return fold


#: A log of a wedding with members, folded.
random_folds = (st.lists(steps(), min_size=1, max_size=8) | st.lists(steps(), min_size=30, max_size=60)).map(play)


@st.composite
def random_folds_with_marker(draw: st.DrawFn) -> tuple[Fold, int]:
    """A folded log of which the newest rules decided the end, and the position of the marker."""
    log = draw(st.lists(steps(), min_size=2, max_size=20))
    marker = draw(st.integers(0, len(log) - 1))
    fold = play(log, marker)
    return fold, len(fold.log) - (len(log) - marker)
