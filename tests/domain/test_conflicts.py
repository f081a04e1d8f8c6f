"""Conflicts in the fold: who prevails, what is recorded, who is told, and what is no conflict (docs/conflicts.md)."""

from typing import Any

import pytest

from actors.contract.collections import COLLECTIONS
from actors.domain.conflict_table import TABLE
from tests.support.disputes import applied, at_once, records, seen_by_all, the_record, told, wedding_with
from tests.support.folding import WEDDING

_BUDGET = {"item": "Flowers", "estimate": 1000}
_STEP = {"title": "First look", "start": "2027-06-19T10:00:00Z", "visibility": "team"}


def test_the_last_writer_wins_and_the_other_value_is_kept() -> None:
    """Two titles at once: the later one stands, the record holds both, and both are told once."""
    fold = wedding_with("tasks", {"title": "Rings"})
    at_once(fold, "tasks", ("amara", {"title": "Gold rings"}), ("bloom", {"title": "Two rings"}))
    assert fold.item("tasks", "x")["title"] == "Two rings"
    _, record = the_record(fold)
    assert (record["strategy"], record["status"], record["outcome"]) == ("last_writer_wins", "decided", "second")
    assert (record["first"]["user"], record["first"]["value"]) == ("amara", "Gold rings")
    assert (record["second"]["user"], record["second"]["role"], record["second"]["value"]) == ("bloom", "vendor", "Two rings")
    assert record["mayAnswer"] == {"roles": ["couple", "planner"], "people": ["amara", "bloom"]}
    assert (len(told(fold, "amara")), len(told(fold, "bloom")), told(fold, "petra")) == (1, 1, [])


@pytest.mark.parametrize("order", [("amara", "petra"), ("petra", "amara")])
def test_b8_the_couple_prevails_over_one_estimate_in_either_order(order: tuple[str, str]) -> None:
    """Concurrent edits of one estimate: the hierarchy decides, whoever came first, and the loser's value stands in the record."""
    values = {"amara": 1100, "petra": 1200}
    fold = wedding_with("budget", _BUDGET)
    decisions = at_once(fold, "budget", *((person, {"estimate": values[person]}) for person in order))
    assert fold.item("budget", "x")["estimate"] == 1100
    _, record = the_record(fold)
    assert record["strategy"] == "wedding_hierarchy"
    assert {record[side]["user"]: record[side]["value"] for side in ("first", "second")} == values
    assert record[record["outcome"]]["user"] == "amara"
    assert decisions[1].parts[0].relation == "concurrent"
    assert decisions[1].parts[0].concurrent_with == (decisions[0].op,)
    assert record["mayAnswer"]["roles"] == ["couple"]


def test_v1_the_vendor_prevails_over_its_own_hours() -> None:
    """A role that owns a matter counts more than the couple; over other fields it does not."""
    hours = {"contractStart": "2027-06-19T08:00:00Z", "contractEnd": "2027-06-19T18:00:00Z"}
    fold = wedding_with("vendors", {"name": "Bloom", **hours}, item="bloom")
    own = [f"vendors:update:{field}@named" for field in hours]
    fold.act("amara", "permissions", "insert", "bloom", {"write": own})
    at_once(
        fold,
        "vendors",
        ("amara", {"contractEnd": "2027-06-19T20:00:00Z"}),
        ("bloom", {"contractEnd": "2027-06-19T19:00:00Z"}),
        item="bloom",
    )
    at_once(
        fold,
        "vendors",
        ("bloom", {"contractStart": "2027-06-19T09:00:00Z"}),
        ("amara", {"contractStart": "2027-06-19T07:00:00Z"}),
        item="bloom",
    )
    fields = fold.item("vendors", "bloom")
    assert (fields["contractStart"], fields["contractEnd"]) == ("2027-06-19T09:00:00Z", "2027-06-19T19:00:00Z")


def test_sets_keep_what_both_added_and_lose_what_one_took_away() -> None:
    """Concurrent changes of one list merge against what each author had seen."""
    fold = wedding_with("guests", {"firstName": "Zoe", "needs": ["ramp", "quiet"]})
    at_once(fold, "guests", ("amara", {"needs": ["ramp", "quiet", "sign"]}), ("fatou", {"needs": ["ramp", "ear"]}))
    assert fold.item("guests", "x")["needs"] == ["ramp", "ear", "sign"]
    _, record = the_record(fold)
    assert (record["strategy"], record["outcome"], record["result"]) == ("merge_changes", "merged", ["ramp", "ear", "sign"])


def test_counters_add_up_and_an_offline_client_goes_on_from_what_it_said() -> None:
    """Differences are added, also of later ops of one batch whose author has not seen what its first one became."""
    fold = wedding_with("tables", {"name": "One", "capacity": 10}, rules={"tables.capacity": "merge_changes"})
    base = seen_by_all(fold)
    applied(fold.act("amara", "tables", "update", "x", {"capacity": 15}, base=base))
    applied(fold.act("fatou", "tables", "update", "x", {"capacity": 12}, base=base))
    assert fold.item("tables", "x")["capacity"] == 17
    applied(fold.act("fatou", "tables", "update", "x", {"capacity": 13}, base=base))
    assert fold.item("tables", "x")["capacity"] == 18
    applied(fold.act("petra", "tables", "update", "x", {"capacity": 8}, base=base))
    assert fold.item("tables", "x")["capacity"] == 16


def test_maps_merge_key_by_key() -> None:
    """Two currencies set at once both stand; one key with two values goes to who counts more."""
    fold = wedding_with("tasks", {"title": "t"})
    fold.act("amara", "wedding", "update", WEDDING, {"rates": {"EUR": "0.9"}})
    at_once(
        fold,
        "wedding",
        ("amara", {"rates": {"EUR": "0.95", "USD": "0.8"}}),
        ("petra", {"rates": {"EUR": "0.96", "GBP": "1.1"}}),
        item=WEDDING,
    )
    assert fold.item("wedding", WEDDING)["rates"] == {"EUR": "0.95", "USD": "0.8", "GBP": "1.1"}


def test_the_more_urgent_op_prevails_in_either_order() -> None:
    """Under priority_based the op that says to be more urgent stands; friends and guests do not raise an alarm."""
    for order in (("bloom", "amara"), ("amara", "bloom")):
        fold = wedding_with("tasks", {"title": "Rings", "assignee": "petra"})
        base = seen_by_all(fold)
        for person in order:
            urgent = "high" if person == "bloom" else ""
            applied(fold.act(person, "tasks", "update", "x", {"assignee": person}, base=base, priority=urgent))
        assert fold.item("tasks", "x")["assignee"] == "bloom"
        assert the_record(fold)[1]["strategy"] == "priority_based"


def test_the_same_value_is_no_conflict() -> None:
    """Who says the same has nothing to disagree about."""
    fold = wedding_with("budget", _BUDGET)
    at_once(fold, "budget", ("amara", {"estimate": 1100}), ("petra", {"estimate": 1100}))
    assert records(fold) == []


def test_other_fields_and_seen_writes_are_no_conflict() -> None:
    """Only one field written unseen is a conflict; who had seen the write may change it."""
    fold = wedding_with("budget", _BUDGET)
    at_once(fold, "budget", ("amara", {"estimate": 1100}), ("petra", {"actual": 900}))
    applied(fold.act("petra", "budget", "update", "x", {"estimate": 1000}, base=seen_by_all(fold)))
    assert fold.item("budget", "x")["estimate"] == 1000
    assert records(fold) == []


def test_own_earlier_ops_of_an_offline_batch_are_no_conflict() -> None:
    """Hundreds of ops with one old base: none meets another of the same client; against one unseen write they are one record."""
    fold = wedding_with("budget", _BUDGET)
    base = seen_by_all(fold)
    for number in range(150):
        applied(fold.act("petra", "budget", "update", "x", {"estimate": number, "notes": str(number)}, base=base))
    assert records(fold) == []
    applied(fold.act("amara", "budget", "update", "x", {"estimate": 7}, base=base))
    for number in range(150):
        applied(fold.act("petra", "budget", "update", "x", {"estimate": number}, base=base))
    assert fold.item("budget", "x")["estimate"] == 7
    assert [record["second"]["value"] for record in records(fold)] == [7, 149]
    assert len(told(fold, "petra")) == len(told(fold, "amara")) == 2


def test_who_says_the_same_does_not_take_the_matter_from_who_counts_more() -> None:
    """Three at once: the couple's value stands though a vendor said the same after it and the planner another."""
    fold = wedding_with("tables", {"name": "One", "capacity": 8})
    base = seen_by_all(fold)
    for person, capacity in (("amara", 10), ("fatou", 10), ("petra", 12)):
        applied(fold.act(person, "tables", "update", "x", {"capacity": capacity}, base=base))
    assert fold.item("tables", "x")["capacity"] == 10


def test_who_claims_nothing_is_unaware_of_what_was_written_a_moment_ago() -> None:
    """Without a base somebody else's other value of the last five seconds counts as unseen; an older one does not."""
    for pause_ms, expected in ((4_000, 1), (6_000, 0)):
        fold = wedding_with("budget", _BUDGET)
        fold.act("amara", "budget", "update", "x", {"estimate": 1100})
        fold.now_ms += pause_ms
        applied(fold.act("petra", "budget", "update", "x", {"estimate": 1200}))
        assert len(records(fold)) == expected
        assert fold.item("budget", "x")["estimate"] == (1100 if expected else 1200)


def test_an_edit_of_a_deleted_item_is_kept_in_the_record() -> None:
    """Who edits what somebody counting as much or more has deleted unseen is answered by a record with the edit."""
    fold = wedding_with("timeline", _STEP)
    base = seen_by_all(fold)
    applied(fold.act("petra", "timeline", "delete", "x", base=base))
    applied(fold.act("bloom", "timeline", "update", "x", {"title": "Second look", "start": None}, base=base))
    assert "x" not in fold.state.items.get("timeline", {})
    _, record = the_record(fold)
    assert (record["field"], record["outcome"], record["first"]["deleted"]) == ("*", "first", True)
    assert (record["second"]["fields"], record["second"]["cleared"]) == ({"title": "Second look"}, ["start"])
    assert (len(told(fold, "petra")), len(told(fold, "bloom"))) == (1, 1)


@pytest.mark.parametrize("delete_first", [True, False])
def test_the_edit_of_who_counts_more_outlives_a_delete_in_either_order(delete_first: bool) -> None:
    """A vendor's delete and the couple's unseen edit: the item stands with the edit, whichever came first."""
    fold = wedding_with("timeline", _STEP, by="bloom")
    base = seen_by_all(fold)
    acts: list[tuple[str, str, dict[str, Any]]] = [("bloom", "delete", {}), ("amara", "update", {"title": "Second look"})]
    for person, action, data in acts if delete_first else reversed(acts):
        applied(fold.act(person, "timeline", action, "x", data, base=base))
    assert fold.item("timeline", "x")["title"] == "Second look"
    assert fold.item("timeline", "x")["start"] == _STEP["start"]
    assert len(records(fold)) == 1


def test_who_has_seen_the_delete_is_refused() -> None:
    """An edit of an item that the author knows to be gone, or never could read, is not_found as ever."""
    fold = wedding_with("timeline", _STEP)
    old = seen_by_all(fold)
    fold.act("petra", "timeline", "delete", "x")
    fold.now_ms += 10_000
    for person, base in (("bloom", seen_by_all(fold)), ("bloom", None), ("noemi", old)):
        refusal = fold.act(person, "timeline", "update", "x", {"title": "?"}, base=base).refusal
        assert refusal is not None
        assert refusal.code == "not_found"
    assert records(fold) == []


def test_an_item_that_changed_its_audience_meanwhile_keeps_its_writers() -> None:
    """Who claims the old channel alone had seen nothing of what happened in the new one, and everything until its claim."""
    fold = wedding_with("timeline", _STEP)
    base = {"timeline.team": fold.state.channels["timeline.team"].sequence}
    fold.act("amara", "timeline", "update", "x", {"visibility": "everyone", "start": "2027-06-19T11:00:00Z"})
    applied(fold.act("petra", "timeline", "update", "x", {"title": "Second look"}, base=base))
    assert records(fold) == []
    applied(fold.act("petra", "timeline", "update", "x", {"start": "2027-06-19T12:00:00Z"}, base=base))
    assert fold.item("timeline", "x")["start"] == "2027-06-19T11:00:00Z"
    _, record = the_record(fold)
    assert (record["field"], record["channel"]) == ("start", "timeline.everyone")


def test_inv5_who_may_not_read_the_item_any_more_is_told_nothing() -> None:
    """The record lies in the item's channel; a side that lost it gets neither record nor notice."""
    fold = wedding_with("timeline", _STEP)
    base = seen_by_all(fold)
    fold.act("bloom", "timeline", "update", "x", {"title": "Secret"}, base=base)
    fold.act("amara", "people", "update", "bloom", {"role": "guest"})
    applied(fold.act("amara", "timeline", "update", "x", {"title": "Open"}, base=base))
    identifier, record = the_record(fold)
    assert (record["channel"], told(fold, "bloom"), len(told(fold, "amara"))) == ("timeline.team", [], 1)
    assert fold.state.items["conflicts"][identifier].channel == "timeline.team"


def test_the_couple_alone_chooses_strategies_and_they_must_exist() -> None:
    """conflictRules is the couple's; it names fields that exist and strategies that exist."""
    fold = wedding_with("tasks", {"title": "t"})
    good = {"tasks.title": "wedding_hierarchy"}
    for person, rules, expected in (
        ("petra", good, "not_allowed"),
        ("amara", {"tasks.nothing": "wedding_hierarchy"}, "bad_value"),
        ("amara", {"tasks.title": "chance"}, "bad_value"),
    ):
        refusal = fold.act(person, "wedding", "update", WEDDING, {"conflictRules": rules}).refusal
        assert refusal is not None
        assert refusal.code == expected
    applied(fold.act("amara", "wedding", "update", WEDDING, {"conflictRules": good}))
    at_once(fold, "tasks", ("amara", {"title": "hers"}), ("bloom", {"title": "its"}))
    assert fold.item("tasks", "x")["title"] == "hers"


def test_d1_version_two_of_the_rules_settles_nothing() -> None:
    """What was decided before the version is decided so again: the later write stands without a record."""
    fold = wedding_with("budget", _BUDGET)
    fold.rules = 2
    at_once(fold, "budget", ("amara", {"estimate": 1100}), ("petra", {"estimate": 1200}))
    assert fold.item("budget", "x")["estimate"] == 1200
    assert records(fold) == []


def test_the_table_names_fields_that_exist() -> None:
    """No line of the table is about nothing."""
    for collection, rules in TABLE.items():
        assert rules.keys() <= COLLECTIONS[collection].fields.keys()


def test_inv5_an_op_that_gives_an_item_other_readers_records_nothing() -> None:
    """The new readers learn neither the value that stood there before nor its op, whichever way the item goes."""
    for before, after in (("core", "everyone"), ("everyone", "core")):
        fold = wedding_with("tasks", {"title": "Rings", "audience": before})
        at_once(fold, "tasks", ("petra", {"title": "the old words"}), ("amara", {"title": "the new words", "audience": after}))
        assert fold.item("tasks", "x") == fold.item("tasks", "x") | {"title": "the new words", "audience": after}
        assert records(fold) == []
        assert told(fold, "petra") == []


def test_inv5_an_edit_that_would_bring_a_deleted_item_back_to_other_readers_finds_nothing() -> None:
    """What was deleted in one channel does not come back in another."""
    fold = wedding_with("tasks", {"title": "Rings", "audience": "core"})
    fold.act("petra", "tasks", "delete", "x")
    decision = fold.act("amara", "tasks", "update", "x", {"title": "Gold rings", "audience": "everyone"})
    assert decision.refusal is not None
    assert decision.refusal.code == "not_found"
