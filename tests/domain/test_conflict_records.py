"""Records of conflicts: how many there may be, which make room for others, and what stands in them in the end."""

from typing import Any

import pytest

from actors.domain import conflict_records
from actors.domain.conflict_records import MAX_RECORDS
from tests.support.disputes import answer, applied, at_once, let_time_pass, records, seen_by_all, the_record, told, wedding_with
from tests.support.folding import WEDDING, Fold


def test_inv7_records_and_notices_are_bounded() -> None:
    """Beyond the bound the oldest closed record of the channel goes, and what its sides were told goes with it."""
    fold = wedding_with("tasks", {"title": "t"})
    for number in range(MAX_RECORDS + 20):
        at_once(fold, "tasks", ("amara", {"title": f"a{number}"}), ("bloom", {"title": f"b{number}"}))
    assert len(records(fold)) == MAX_RECORDS
    assert len(told(fold, "amara")) == len(told(fold, "bloom")) == MAX_RECORDS


def _full_of_records(monkeypatch: pytest.MonkeyPatch, fold: Fold, *, item: str, until: int) -> None:
    """Lower the bound, and fill up with records about one item."""
    monkeypatch.setattr(conflict_records, "MAX_RECORDS", 5)
    while len(records(fold)) < until:
        number = fold.state.rev
        at_once(fold, "tasks", ("amara", {"title": f"a{number}"}), ("petra", {"title": f"b{number}"}), item=item)


def test_inv7_one_op_that_meets_several_conflicts_makes_room_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two records of one op let two others go, and not the same one twice: that could never be followed."""
    fold = wedding_with("tasks", {"title": "t", "done": False})
    _full_of_records(monkeypatch, fold, item="x", until=5)
    at_once(fold, "tasks", ("amara", {"title": "hers", "done": True}), ("petra", {"title": "other", "done": False}))
    assert [record["field"] for record in records(fold)] == ["title", "title", "title", "title", "done"]
    assert len(told(fold, "amara")) == len(told(fold, "petra")) == 5


@pytest.mark.parametrize("strategy", ["last_writer_wins", "wedding_hierarchy"])
def test_inv7_a_record_that_the_op_writes_itself_does_not_make_room(monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    """Who prevailed writes on, or who lost asks again: the oldest record says what is wanted now, the next one makes room."""
    fold = wedding_with("tasks", {"title": "t", "done": False})
    fold.act("amara", "tasks", "insert", "y", {"title": "q"})
    fold.act("amara", "wedding", "update", WEDDING, {"conflictRules": {"tasks.title": strategy}})
    base = seen_by_all(fold)
    for person in ("amara", "bloom"):
        applied(fold.act(person, "tasks", "update", "x", {"title": person}, base=base))
    [oldest] = fold.state.items["conflicts"]
    _full_of_records(monkeypatch, fold, item="y", until=5)
    applied(fold.act("amara", "tasks", "update", "x", {"done": True}, base=seen_by_all(fold)))
    applied(fold.act("bloom", "tasks", "update", "x", {"title": "last", "done": False}, base=base))
    assert fold.state.items["conflicts"][oldest].fields["second"]["value"] == "last"
    assert (len(records(fold)), records(fold)[-1]["field"]) == (5, "done")


def test_a_merge_to_nothing_leaves_no_result_in_the_record() -> None:
    """The record of a merge says what stands: where an unaware author took the last entry away, nothing does."""
    fold = wedding_with("guests", {"firstName": "Gia", "diet": ["nuts"]})
    base = seen_by_all(fold)
    for person, diet in (("amara", None), ("petra", ["nuts", "fish"])):
        applied(fold.act(person, "guests", "update", "x", {"diet": diet}, base=base))
    assert the_record(fold)[1]["result"] == ["fish"]
    applied(fold.act("petra", "guests", "update", "x", {"diet": None}, base=base))
    assert "diet" not in fold.item("guests", "x")
    assert "result" not in the_record(fold)[1]


@pytest.mark.parametrize(
    ("kind", "before", "others", "then", "result"),
    [
        (("guests", {"firstName": "Zoe"}, "diet"), ["nuts"], ["nuts", "fish"], ["milk"], ["fish", "milk"]),
        (("wedding", {}, "rates"), {"EUR": "1"}, {"EUR": "1", "USD": "2"}, {"GBP": "3"}, {"USD": "2", "GBP": "3"}),
        (("tables", {"name": "One"}, "capacity"), 10, 15, 2, 7),
    ],
)
def test_who_cleared_a_field_that_was_merged_goes_on_from_nothing(
    kind: tuple[str, dict[str, Any], str], before: Any, others: Any, then: Any, result: Any
) -> None:
    """What the other added outlives the next op of the batch too, and the record says what stands."""
    collection, fields, field = kind
    fold = wedding_with(collection, {**fields, field: before}, rules={f"{collection}.{field}": "merge_changes"}, item=WEDDING)
    fold.act("amara", collection, "update", WEDDING, {field: before})
    base = seen_by_all(fold)
    for person, value in (("petra", others), ("amara", None), ("amara", then)):
        applied(fold.act(person, collection, "update", WEDDING, {field: value}, base=base))
    assert fold.item(collection, WEDDING)[field] == result
    assert the_record(fold)[1]["result"] == result


def _turned(fold: Fold) -> None:
    """Bloom loses against Amara, and prevails by sending the same again as critical."""
    base = seen_by_all(fold)
    applied(fold.act("amara", "tasks", "update", "x", {"assignee": "amara"}, base=base))
    for urgent in ("", "critical"):
        applied(fold.act("bloom", "tasks", "update", "x", {"assignee": "bloom"}, base=base, priority=urgent))


def test_a_conflict_that_turns_is_told_again_and_answered_by_whom_it_names_now() -> None:
    """Whose value stands, who may reverse that and what both sides read are of one piece."""
    fold = wedding_with("tasks", {"title": "t", "assignee": "petra"})
    _turned(fold)
    _, record = the_record(fold)
    assert (fold.item("tasks", "x")["assignee"], record["outcome"], record["status"]) == ("bloom", "second", "decided")
    assert record["mayAnswer"] == {"roles": ["couple", "planner"], "people": ["bloom"]}
    assert [text.partition(":")[0] for text in told(fold, "amara")] == [
        "Your change stands, not that of bloom",
        "The change of bloom stands, not yours",
    ]
    assert told(fold, "bloom")[-1].startswith("Your change stands, not that of amara")
    applied(answer(fold, "petra", "reverse"))
    assert fold.item("tasks", "x")["assignee"] == "amara"


def test_a_conflict_that_is_decided_anew_by_another_strategy_says_so_in_full() -> None:
    """From open to a merge: status, strategy, result and default are those of the last decision, and back."""
    rules = {"guests.diet": "manual_review"}
    fold = wedding_with("guests", {"firstName": "Gia", "diet": ["nuts"]}, rules=rules)
    base = seen_by_all(fold)
    for person, diet in (("amara", ["nuts", "fish"]), ("petra", ["nuts", "milk"])):
        applied(fold.act(person, "guests", "update", "x", {"diet": diet}, base=base))
    assert (the_record(fold)[1]["status"], the_record(fold)[1]["default"]) == ("open", "first")
    fold.act("amara", "wedding", "update", WEDDING, {"conflictRules": None})
    applied(fold.act("petra", "guests", "update", "x", {"diet": ["nuts", "milk"]}, base=base))
    _, record = the_record(fold)
    assert (record["strategy"], record["status"], record["outcome"]) == ("merge_changes", "decided", "merged")
    assert record["result"] == fold.item("guests", "x")["diet"] == ["nuts", "fish", "milk"]
    assert "default" not in record


def test_a_conflict_that_becomes_open_waits_for_somebody() -> None:
    """It is decided by its default when nobody answers, like one that was open from the beginning."""
    fold = wedding_with("budget", {"item": "Dress", "estimate": 1})
    base = seen_by_all(fold)
    for person, estimate, rule in (
        ("amara", 2, "wedding_hierarchy"),
        ("petra", 3, "wedding_hierarchy"),
        ("petra", 3, "manual_review"),
    ):
        fold.act("amara", "wedding", "update", WEDDING, {"conflictRules": {"budget.estimate": rule}})
        applied(fold.act(person, "budget", "update", "x", {"estimate": estimate}, base=base))
    assert the_record(fold)[1]["status"] == "open"
    assert let_time_pass(fold, 8 * 24 * 3600 * 1000) is not None
    assert the_record(fold)[1]["status"] == "expired"


def test_inv7_what_was_told_again_goes_with_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that makes room takes every notice about it along."""
    fold = wedding_with("tasks", {"title": "t", "assignee": "petra"})
    fold.act("amara", "tasks", "insert", "y", {"title": "q"})
    _turned(fold)
    assert [len(told(fold, person)) for person in ("amara", "bloom")] == [2, 2]
    [oldest] = fold.state.items["conflicts"]
    _full_of_records(monkeypatch, fold, item="y", until=5)
    at_once(fold, "tasks", ("amara", {"title": "hers"}), ("petra", {"title": "other"}), item="y")
    assert oldest not in fold.state.items["conflicts"]
    assert [item for item in fold.state.items["inbox"].values() if item.fields["matter"] == oldest] == []
