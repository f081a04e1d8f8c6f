"""Ordered lists: concurrent moves, inserts and deletes lose and repeat nothing; keys stay short however often a gap is split."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.decisions import Decision
from actors.domain.order_keys import LONG_KEY
from actors.domain.rules import NEWEST
from tests.domain.test_items import code, titles_in_order
from tests.support.disputes import answer, applied, seen_by_all, the_record
from tests.support.folding import Fold, wedding_with_members

#: Keys beside which there is no room for others: behind all, before all, and far too long.
_LAST, _FIRST, _LONG = "z" * 200, "A" + "0" * 198 + "1", "a0" + "V" * 39


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


def before_version_3(fold: Fold, person: str, collection: str, identifier: str, data: dict[str, Any]) -> None:
    """Let somebody insert an item under the rules that took every valid key."""
    fold.rules = 2
    applied(fold.act(person, collection, "insert", identifier, data))
    fold.rules = NEWEST


@pytest.mark.parametrize("order", [_LAST, _FIRST, _LONG, "g" + "z" * 7])
def test_inv6_nobody_gives_an_order_key_beside_which_there_is_no_room(order: str) -> None:
    """A guest's message with such a key is refused; version 2 took it, and its decisions are followed."""
    fold = wedding_with_members()
    evil = {"text": "hi", "audience": "everyone", "order": order}
    assert code(fold.act("urs", "messages", "insert", "evil", evil)) == "bad_value"
    assert code(fold.act("urs", "inbox", "insert", "evil", {"person": "petra", "text": "hi", "order": order})) == "bad_value"
    before_version_3(fold, "urs", "messages", "evil", evil)
    assert fold.item("messages", "evil")["order"] == order


def post(fold: Fold, person: str, identifier: str, **more: str) -> Decision:
    """Let somebody post a message to everyone."""
    return applied(fold.act(person, "messages", "insert", identifier, {"text": "x", "audience": "everyone", **more}))


def test_inv6_the_longest_key_that_somebody_may_give_keeps_nobody_from_adding_and_moving() -> None:
    """At both ends and in the midst of a list."""
    fold = wedding_with_members()
    for name in "ab":
        post(fold, "amara", name)
    for name, order in (("low", "U" + "0" * 5 + "1"), ("high", "f" + "z" * 39), ("middle", "a0" + "0" * 37 + "1")):
        post(fold, "urs", name, order=order)
    post(fold, "amara", "last")
    applied(fold.act("amara", "messages", "move", "b", {"after": None}))
    post(fold, "amara", "c")
    applied(fold.act("amara", "messages", "move", "c", {"after": "a"}))
    assert titles_in_order(fold, "messages") == ["b", "low", "a", "c", "middle", "high", "last"]
    assert max(map(len, keys(fold, "messages"))) <= LONG_KEY


@pytest.mark.parametrize("order", [_LAST, _LAST[:100]])
def test_inv6_a_list_heals_in_which_somebody_had_left_no_room_at_the_end(order: str) -> None:
    """Inserts and moves make the keys of the neighbours anew, in whatever channel, and the order stays."""
    fold = wedding_with_members()
    applied(fold.act("amara", "messages", "insert", "one", {"text": "one"}))
    before_version_3(fold, "urs", "messages", "evil", {"text": "hi", "audience": "everyone", "order": order})
    decision = applied(fold.act("bloom", "messages", "insert", "two", {"text": "two"}))
    assert next(iter(decision.parts[0].changes)).id == "two"
    for number in range(70):
        applied(fold.act("amara", "messages", "insert", f"m{number:02d}", {"text": "x", "audience": "everyone"}))
    assert titles_in_order(fold, "messages") == ["one", "evil", "two", *(f"m{number:02d}" for number in range(70))]
    applied(fold.act("amara", "messages", "move", "one", {"after": "evil"}))
    assert titles_in_order(fold, "messages")[:3] == ["evil", "one", "two"]
    assert max(map(len, keys(fold, "messages"))) <= LONG_KEY


def test_inv6_a_list_heals_in_which_somebody_had_left_no_room_at_the_front() -> None:
    """A move before all others makes room."""
    fold = wedding_with_members()
    before_version_3(fold, "urs", "photos", "evil", {"title": "t", "audience": "everyone", "order": _FIRST})
    applied(fold.act("amara", "photos", "insert", "arch", {"title": "Arch"}))
    applied(fold.act("amara", "photos", "move", "arch", {"after": None}))
    assert titles_in_order(fold, "photos") == ["arch", "evil"]
    assert max(map(len, keys(fold, "photos"))) <= LONG_KEY


def test_inv6_one_op_makes_a_bounded_number_of_keys_anew() -> None:
    """Behind more keys without room than that an item is still taken in; only a move among them is refused."""
    fold = wedding_with_members()
    for name in "ab":
        post(fold, "amara", name)
    for number in range(600):
        before_version_3(fold, "urs", "messages", f"evil{number}", {"text": "x", "audience": "everyone", "order": _LAST})
    decision = post(fold, "amara", "new")
    assert sum(len(part.changes) for part in decision.parts) == 1
    assert fold.item("messages", "new")["order"] == _LAST
    assert code(fold.act("amara", "messages", "move", "a", {"after": "evil0"})) == "bad_value"
    applied(fold.act("amara", "messages", "move", "b", {"after": None}))


def test_inv6_a_crowd_at_one_place_costs_who_moves_there_no_more_than_a_longer_key() -> None:
    """Where making a thousand keys anew does not make them short either, none is."""
    fold = wedding_with_members()
    post(fold, "amara", "a")
    left, right = "a0" + "0" * 37 + "1", "a0" + "0" * 37 + "2"
    for number in range(1100):
        post(fold, "urs", f"evil{number}", order=left if number < 550 else right)
    decision = applied(fold.act("amara", "messages", "move", "a", {"after": "evil0"}))
    assert sum(len(part.changes) for part in decision.parts) == 1
    assert left < fold.item("messages", "a")["order"] < right


def test_inv6_nobody_undoes_their_way_to_a_key_beside_which_there_is_no_room() -> None:
    """Neither as the value before a move of their own, nor as that of an item that they deleted."""
    fold = tasks("a", "b")
    moved = applied(fold.act("petra", "tasks", "move", "b", {"after": None}))
    assert applied(fold.act("petra", "tasks", "undo", "b", {"op": moved.op, "set": {"order": _LAST}})).parts == ()
    applied(fold.act("petra", "tasks", "undo", "b", {"op": moved.op, "set": {"order": "a1"}}))
    deleted = applied(fold.act("petra", "tasks", "delete", "b"))
    applied(fold.act("petra", "tasks", "undo", "b", {"op": deleted.op, "insert": {"title": "b", "order": _LAST}}))
    assert titles_in_order(fold) == ["a", "b"]
    assert len(fold.item("tasks", "b")["order"]) <= LONG_KEY


def test_inv6_a_place_that_the_server_made_beside_the_longest_given_key_can_be_taken_back_to() -> None:
    """Behind it a whole part grows by a digit; neither the undo of a move nor a deleted item loses such a place."""
    fold = wedding_with_members()
    post(fold, "amara", "a")
    post(fold, "urs", "high", order="f" + "z" * 6)
    post(fold, "amara", "next")
    post(fold, "amara", "last")
    order = fold.item("messages", "next")["order"]
    assert len(order) == 8
    moved = applied(fold.act("amara", "messages", "move", "next", {"after": None}))
    applied(fold.act("amara", "messages", "undo", "next", {"op": moved.op, "set": {"order": order}}))
    assert fold.item("messages", "next")["order"] == order
    deleted = applied(fold.act("amara", "messages", "delete", "next"))
    applied(fold.act("amara", "messages", "undo", "next", {"op": deleted.op, "insert": True}))
    assert fold.item("messages", "next")["order"] == order


def test_the_undo_of_an_op_that_has_healed_a_list_leaves_it_healed() -> None:
    """The plan of the undo names the neighbour's key of before; that one alone is left out, and nothing is refused."""
    fold = wedding_with_members()
    before_version_3(fold, "urs", "messages", "evil", {"text": "hi", "audience": "everyone", "order": _LAST})
    healing = post(fold, "petra", "new")
    healed = fold.item("messages", "evil")["order"]
    applied(fold.act("petra", "messages", "undo", "evil", {"op": healing.op, "set": {"order": _LAST}}))
    applied(fold.act("petra", "messages", "undo", "new", {"op": healing.op, "set": {"text": "y", "order": _LAST}}))
    assert fold.item("messages", "evil")["order"] == healed != _LAST
    assert fold.item("messages", "new")["text"] == "y"


@pytest.mark.parametrize("collection", ["tasks", "documents"])
def test_inv6_a_deleted_item_comes_back_though_its_old_place_left_no_room(collection: str) -> None:
    """At the end, where another such key still stands."""
    fold = wedding_with_members()
    for name in ("evil", "worse"):
        before_version_3(fold, "amara", collection, name, {"title": name, "order": _LAST})
    deleted = applied(fold.act("amara", collection, "delete", "evil"))
    applied(fold.act("amara", collection, "undo", "evil", {"op": deleted.op, "insert": True}))
    assert titles_in_order(fold, collection) == ["worse", "evil"]
    assert max(map(len, keys(fold, collection))) <= LONG_KEY


def two_moves() -> Fold:
    """A task that two people have moved, unaware of each other."""
    fold = tasks("x", "y", "z")
    base = seen_by_all(fold)
    applied(fold.act("amara", "tasks", "move", "x", {"after": "z"}, base=base))
    applied(fold.act("petra", "tasks", "move", "x", {"after": "y"}, base=base))
    assert the_record(fold)[1]["field"] == "order"
    return fold


@pytest.mark.parametrize("value", [None, "zz", _LAST, "a5"])
def test_inv6_the_answer_to_two_moves_is_one_of_their_places(value: str | None) -> None:
    """A key of one's own is not among the choices, nor is none at all."""
    fold = two_moves()
    assert code(answer(fold, "petra", "reverse", "value", value=value)) == "bad_value"
    assert titles_in_order(fold) == ["y", "x", "z"]


def test_two_moves_may_be_reversed() -> None:
    """The other place holds then, and the list goes on."""
    fold = two_moves()
    applied(answer(fold, "petra", "reverse", "first"))
    assert titles_in_order(fold) == ["y", "z", "x"]
    decision: Decision = fold.act("amara", "tasks", "insert", "n", {"title": "n"})
    assert code(decision) is None


def test_a_place_in_the_list_is_no_edit_of_the_item() -> None:
    """Who deletes unaware of a move, or takes back the insert of what another op has renumbered, is kept from nothing."""
    fold = tasks("a", "b")
    base = seen_by_all(fold)
    applied(fold.act("amara", "tasks", "move", "b", {"after": None}, base=base))
    applied(fold.act("petra", "tasks", "delete", "b", base=base))
    assert titles_in_order(fold) == ["a"]
    assert "conflicts" not in fold.state.items
    mine = applied(fold.act("petra", "tasks", "insert", "c", {"title": "c"}))
    applied(fold.act("amara", "tasks", "move", "c", {"after": None}))
    applied(fold.act("petra", "tasks", "undo", "c", {"op": mine.op, "remove": True}))
    assert titles_in_order(fold) == ["a"]


def test_an_answer_about_a_whole_item_holds_though_it_was_moved_since() -> None:
    """Its delete may still be chosen."""
    fold = tasks("a", "b")
    base = seen_by_all(fold)
    applied(fold.act("amara", "tasks", "update", "b", {"title": "B"}, base=base))
    applied(fold.act("petra", "tasks", "delete", "b", base=base))
    applied(fold.act("petra", "tasks", "move", "b", {"after": None}))
    applied(answer(fold, "amara", "reverse"))
    assert titles_in_order(fold) == ["a"]
