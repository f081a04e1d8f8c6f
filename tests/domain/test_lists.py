"""Ordered lists: concurrent moves, inserts and deletes lose and repeat nothing; keys stay short however often a gap is split."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.domain.lists import LONG_KEY
from tests.domain.test_items import code, titles_in_order
from tests.support.folding import Fold, wedding_with_members


def tasks(*names: str) -> Fold:
    fold = wedding_with_members()
    for name in names:
        fold.act("amara", "tasks", "insert", name, {"title": name})
    return fold


def keys(fold: Fold, collection: str = "tasks") -> list[str]:
    return [item.fields["order"] for item in fold.state.items[collection].values()]


def test_one_gap_may_be_split_for_ever() -> None:
    """Two items moved to the front in turn, thousands of times: keys stay short and the others keep their order."""
    names = [f"t{number:02d}" for number in range(40)]
    fold = tasks(*names)
    longest = 0
    for turn in range(700):
        decision = fold.act("petra", "tasks", "move", names[turn % 3], {"after": names[10]})
        assert decision.refusal is None
        longest = max(longest, *map(len, keys(fold)))
    assert LONG_KEY // 2 < longest <= LONG_KEY
    rest = [name for name in titles_in_order(fold) if name not in names[:3]]
    assert rest == names[3:]
    assert titles_in_order(fold)[7:12] == ["t10", *(names[turn % 3] for turn in (699, 698, 697)), "t11"]


def test_renumbering_tells_each_channel_only_what_is_its_own() -> None:
    """Items that the mover may not read keep their place among the others; the event of the mover names none of them."""
    fold = wedding_with_members()
    for name, audience in (("a", "team"), ("secret", "core"), ("b", "team"), ("c", "team")):
        fold.act("amara", "tasks", "insert", name, {"title": name, "audience": audience})
    parts = []
    for turn in range(400):
        decision = fold.act("bloom", "tasks", "move", "bc"[turn % 2], {"after": "a"}) if turn else fold.decisions[-1]
        parts += [part for part in decision.parts if len(decision.parts) > 1]
    assert {change.id for part in parts if part.channel == "tasks.team" for change in part.changes} <= {"a", "b", "c"}
    assert max(map(len, keys(fold))) <= LONG_KEY
    assert set(titles_in_order(fold)) == {"a", "secret", "b", "c"}


def test_a_place_is_found_though_its_item_was_deleted() -> None:
    """A move after something that somebody has just deleted lands where that stood; after what never was it is refused."""
    fold = tasks("a", "b", "c", "d")
    fold.act("petra", "tasks", "delete", "b")
    assert fold.act("amara", "tasks", "move", "d", {"after": "b"}).refusal is None
    assert titles_in_order(fold) == ["a", "d", "c"]
    assert code(fold.act("amara", "tasks", "move", "d", {"after": "never"})) == "not_found"


_IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["amara", "petra", "bloom"]),
        st.sampled_from(["move", "move", "insert", "delete"]),
        _IDS,
        st.none() | _IDS,
        st.integers(0, 6),
    ),
    max_size=30,
)


@given(_STEPS)
def test_concurrent_moves_inserts_and_deletes_lose_and_repeat_nothing(steps: list[tuple[Any, ...]]) -> None:
    """Whatever each author had seen, every item inserted and not deleted stands in the list once, at a key of its own."""
    fold = tasks("a", "b", "c")
    there = {"a", "b", "c"}
    for person, action, name, after, lag in steps:
        data = {"insert": {"title": name}, "delete": {}, "move": {"after": after}}[action]
        base = {"tasks.team": max(fold.state.channels["tasks.team"].sequence - lag, 0)}
        decision = fold.act(person, "tasks", action, name, data, base=base)
        applied = {change.id for part in decision.parts for change in part.changes if change.collection == "tasks"}
        if action == "insert" and name in applied:
            there.add(name)
        if action == "delete" and name in applied:
            there.discard(name)
        if action == "move" and name in applied and after is not None and after in there:
            order = titles_in_order(fold)
            assert order.index(name) == order.index(after) + 1
    if there:
        assert sorted(titles_in_order(fold)) == sorted(there)
        assert len(set(keys(fold))) == len(there)
