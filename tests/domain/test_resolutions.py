"""Answers to conflicts: who may settle one, what it does to the item, and what happens when nobody answers."""

from typing import Any

import msgspec
import pytest

from actors.contract.bookings import answer_op, span_of
from actors.contract.correspondence import message_body
from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry
from actors.domain.conflict_records import WAITS_MS
from tests.support.disputes import answer, applied, at_once, let_time_pass, seen_by_all, the_record, told, wedding_with
from tests.support.folding import Fold, wedding_with_members

_DEPOSIT = {"item": "Flowers", "deposit": 100}
_WEEK_MS = 7 * 24 * 3600 * 1000


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def open_conflict(*people: str) -> Fold:
    """Two deposits at once; somebody must choose."""
    first, second = people or ("petra", "amara")
    fold = wedding_with("budget", _DEPOSIT)
    at_once(fold, "budget", (first, {"deposit": 200}), (second, {"deposit": 300}))
    return fold


@pytest.mark.parametrize(("choice", "more", "deposit"), [("first", {}, 200), ("second", {}, 300), ("value", {"value": 250}, 250)])
def test_a_contract_waits_for_somebody_to_choose(choice: str, more: dict[str, Any], deposit: int) -> None:
    """Until then the first write stands; the answer is an op that settles item and record at once, and both are told."""
    fold = open_conflict()
    identifier, record = the_record(fold)
    assert fold.item("budget", "x")["deposit"] == 200
    assert (record["strategy"], record["status"], record["mayAnswer"]) == (
        "manual_review",
        "open",
        {"roles": ["couple"], "people": []},
    )
    assert code(answer(fold, "petra", "resolve", choice, **more)) == "not_allowed"
    decision = applied(answer(fold, "amara", "resolve", choice, **more))
    assert fold.item("budget", "x")["deposit"] == deposit
    assert {part.channel for part in decision.parts} == {"budget.core", "inbox.amara", "inbox.petra"}
    assert (record["status"], record["outcome"], record["answer"]["user"]) == ("resolved", choice, "amara")
    assert len(told(fold, "petra")) == 2
    assert code(answer(fold, "amara", "resolve", "first")) == "conflict_closed"
    assert fold.state.items["conflicts"][identifier].channel == "budget.core"


def test_an_answer_must_fit_the_field_and_name_the_type_of_its_collection() -> None:
    """A value that the field does not take is bad_value, and only ops of the type that writes the field settle it."""
    fold = open_conflict()
    identifier, _ = the_record(fold)
    assert code(answer(fold, "amara", "resolve", "value", value="much")) == "bad_value"
    assert (
        code(fold.act("amara", "conflicts", "resolve", identifier, {"choice": "first"}, op_type="task_completion"))
        == "type_mismatch"
    )
    assert code(fold.act("amara", "conflicts", "resolve", "c-0", {"choice": "first"}, op_type="budget_change")) == "not_found"
    assert (
        code(fold.act("bloom", "conflicts", "resolve", identifier, {"choice": "first"}, op_type="budget_change")) == "not_found"
    )


@pytest.mark.parametrize(
    ("people", "deposit"), [(("petra", "amara"), 300), (("amara", "petra"), 200), (("petra", "operator"), 200)]
)
def test_d6_nobody_answers_and_the_default_stands_at_its_time(people: tuple[str, str], deposit: int) -> None:
    """A timer of the log closes the record: who counts more prevails, the first write among equals; nobody can answer it then."""
    fold = open_conflict(*people)
    _, record = the_record(fold)
    wait_ms = WAITS_MS[["low", "normal", "high", "critical"].index(record["priority"])]
    assert let_time_pass(fold, wait_ms - 1) is None
    assert let_time_pass(fold, 1) is not None
    assert fold.item("budget", "x")["deposit"] == deposit
    assert (record["status"], record["reason"]) == ("expired", "nobody answered in time")
    assert "conflicts" not in fold.state.timers.armed
    assert code(answer(fold, "amara", "resolve", "first")) == "conflict_closed"
    applied(answer(fold, "amara", "reverse"))
    assert fold.item("budget", "x")["deposit"] == 500 - deposit


def test_d6_each_firing_closes_one_record_and_arms_the_next() -> None:
    """Two open conflicts of one op end one after the other, and no timer is left."""
    fold = wedding_with("budget", _DEPOSIT | {"currency": "CHF"})
    at_once(fold, "budget", ("petra", {"deposit": 200, "currency": "EUR"}), ("amara", {"deposit": 300, "currency": "USD"}))
    assert let_time_pass(fold, _WEEK_MS) is not None
    assert let_time_pass(fold, 0) is not None
    assert let_time_pass(fold, 0) is None
    assert (fold.item("budget", "x")["deposit"], fold.item("budget", "x")["currency"]) == (300, "USD")


def test_a_default_does_not_overwrite_what_came_later() -> None:
    """Who writes the field knowingly meanwhile has the last word; the record is closed all the same."""
    fold = open_conflict()
    applied(fold.act("petra", "budget", "update", "x", {"deposit": 999}, base=seen_by_all(fold)))
    assert let_time_pass(fold, _WEEK_MS) is not None
    assert fold.item("budget", "x")["deposit"] == 999
    assert the_record(fold)[1]["status"] == "expired"


def test_m4_the_default_stands_also_where_it_says_who_the_couple_is() -> None:
    """The timer carries out what the couple, who counts more, had said; it needs no right of its own to that."""
    fold = wedding_with_members()
    fold.act("amara", "wedding", "update", fold.state.id, {"conflictRules": {"people.role": "manual_review"}})
    fold.now_ms += 60_000
    base = seen_by_all(fold)
    applied(fold.act("petra", "people", "update", "noemi", {"role": "couple"}, base=base))
    applied(fold.act("amara", "people", "update", "noemi", {"role": "guest"}, base=base))
    assert fold.item("people", "noemi")["role"] == "couple"
    let_time_pass(fold, max(WAITS_MS))
    assert (the_record(fold)[1]["outcome"], fold.item("people", "noemi")["role"]) == ("second", "guest")


def test_a_decision_may_be_reversed_once_by_whom_it_names_within_its_time() -> None:
    """The loser of a hierarchy may not turn it round, who counts as much may; what was written since stays."""
    fold = wedding_with("timeline", {"title": "Toast", "start": "2027-06-19T10:00:00Z"})
    at_once(fold, "timeline", ("petra", {"start": "2027-06-19T11:00:00Z"}), ("bloom", {"start": "2027-06-19T12:00:00Z"}))
    assert code(answer(fold, "bloom", "reverse")) == "not_allowed"
    applied(answer(fold, "petra", "reverse"))
    assert fold.item("timeline", "x")["start"] == "2027-06-19T12:00:00Z"
    assert the_record(fold)[1]["status"] == "reversed"
    assert code(answer(fold, "petra", "reverse")) == "conflict_closed"


def test_a_reversal_is_refused_when_its_time_is_over_or_the_field_was_written_since() -> None:
    """Later edits are respected, and a week later the decision is final."""
    fold = wedding_with("tasks", {"title": "t"})
    at_once(fold, "tasks", ("amara", {"title": "hers"}), ("bloom", {"title": "its"}))
    applied(fold.act("petra", "tasks", "update", "x", {"title": "new"}, base=seen_by_all(fold)))
    assert code(answer(fold, "amara", "reverse")) == "superseded"
    fold.now_ms += _WEEK_MS + 1
    assert code(answer(fold, "amara", "reverse")) == "conflict_closed"
    assert fold.item("tasks", "x")["title"] == "new"


def test_a_merge_is_reversed_to_the_side_that_is_named() -> None:
    """Where both stand, the answer says which alone shall stand."""
    fold = wedding_with("guests", {"firstName": "Zoe", "needs": ["ramp"]})
    at_once(fold, "guests", ("amara", {"needs": ["ramp", "sign"]}), ("fatou", {"needs": ["ramp", "ear"]}))
    assert code(answer(fold, "amara", "reverse")) == "bad_value"
    applied(answer(fold, "amara", "reverse", "second"))
    assert fold.item("guests", "x")["needs"] == ["ramp", "ear"]


def test_a_delete_is_reversed_with_the_edits_that_it_met() -> None:
    """The item comes back whole, as it was with the edit; the other way round it goes."""
    fold = wedding_with("timeline", {"title": "Toast", "notes": "glass"})
    base = seen_by_all(fold)
    fold.act("petra", "timeline", "delete", "x", base=base)
    applied(fold.act("bloom", "timeline", "update", "x", {"title": "Long toast"}, base=base))
    applied(answer(fold, "petra", "reverse"))
    assert {name: fold.item("timeline", "x")[name] for name in ("title", "notes")} == {"title": "Long toast", "notes": "glass"}
    fold = wedding_with("timeline", {"title": "Toast"}, by="bloom")
    base = seen_by_all(fold)
    fold.act("amara", "timeline", "update", "x", {"title": "Long toast"}, base=base)
    applied(fold.act("bloom", "timeline", "delete", "x", base=base))
    assert fold.item("timeline", "x")["title"] == "Long toast"
    applied(answer(fold, "amara", "reverse"))
    assert "timeline" not in fold.state.items


def test_what_an_offline_batch_says_last_can_be_reversed() -> None:
    """Who prevailed and writes on unaware has one record with its last word; one who has seen it writes anew."""
    fold = wedding_with("guests", {"firstName": "Zoe"})
    base = seen_by_all(fold)
    for person, meal in (("fatou", "fish"), ("petra", "soup"), ("petra", "meat"), ("petra", None)):
        applied(fold.act(person, "guests", "update", "x", {"meal": meal, "notes": meal}, base=base))
    meals = [record for record in fold.state.items["conflicts"].items() if record[1].fields["field"] == "meal"]
    [(identifier, record)] = meals
    assert (record.fields["first"]["value"], record.fields["second"].get("value")) == ("fish", None)
    assert len(told(fold, "fatou")) == 2
    fold.act("petra", "guests", "update", "x", {"meal": "cake"}, base=base)
    decision = fold.act("fatou", "conflicts", "reverse", identifier, op_type="guest_update")
    assert (code(decision), fold.item("guests", "x")["meal"]) == (None, "fish")
    assert record.fields["second"]["value"] == "cake"
    fold.act("petra", "guests", "update", "x", {"notes": "knowingly"}, base=seen_by_all(fold))
    [notes] = [name for name in fold.state.items["conflicts"] if name != identifier]
    assert code(fold.act("fatou", "conflicts", "reverse", notes, op_type="guest_update")) == "superseded"


def test_a_merge_that_an_offline_batch_goes_on_with_can_be_reversed() -> None:
    """The record says what both said last and what came of it."""
    fold = wedding_with("guests", {"firstName": "Zoe", "diet": ["vegan"]})
    base = seen_by_all(fold)
    for person, diet in (("fatou", ["vegan", "nuts"]), ("petra", ["vegan", "soy"]), ("petra", ["soy", "milk"])):
        applied(fold.act(person, "guests", "update", "x", {"diet": diet}, base=base))
    identifier, record = the_record(fold)
    assert (record["second"]["value"], record["result"]) == (["soy", "milk"], fold.item("guests", "x")["diet"])
    fold.act("amara", "conflicts", "reverse", identifier, {"choice": "second"}, op_type="guest_update")
    assert fold.item("guests", "x")["diet"] == ["soy", "milk"]


def knowingly(fold: Fold, person: str, **fields: Any) -> None:
    """Let somebody who has seen everything write the task, a while later."""
    fold.now_ms += 60_000
    applied(fold.act(person, "tasks", "update", "x", fields, base=seen_by_all(fold)))


def edited_and_deleted(editor: str, deleter: str, *, rules: dict[str, str] | None = None, by: str = "amara") -> Fold:
    """A task that one person edits and another, unaware of it, deletes."""
    fold = wedding_with("tasks", {"title": "t"}, rules=rules, by=by)
    base = seen_by_all(fold)
    applied(fold.act(editor, "tasks", "update", "x", {"title": f"{editor}'s"}, base=base))
    applied(fold.act(deleter, "tasks", "delete", "x", base=base))
    assert the_record(fold)[1]["field"] == "*"
    return fold


_REVIEW = {"tasks.*": "manual_review"}


@pytest.mark.parametrize(("editor", "deleter", "default"), [("bloom", "amara", "second"), ("amara", "petra", "first")])
def test_a_default_about_the_whole_item_does_not_touch_what_came_later(editor: str, deleter: str, default: str) -> None:
    """The clock neither deletes an item that was knowingly written meanwhile nor sets an older value; the record is closed."""
    fold = edited_and_deleted(editor, deleter, rules=_REVIEW)
    assert the_record(fold)[1]["default"] == default
    knowingly(fold, "petra", title="agreed", done=True)
    assert let_time_pass(fold, _WEEK_MS) is not None
    assert (fold.item("tasks", "x")["title"], fold.item("tasks", "x")["done"]) == ("agreed", True)
    assert (the_record(fold)[1]["status"], the_record(fold)[1]["outcome"]) == ("expired", "first")


def test_a_default_about_the_whole_item_stands_where_nobody_wrote_since() -> None:
    """The delete of who counts more is carried out at its time, and can be reversed from there."""
    fold = edited_and_deleted("bloom", "amara", rules=_REVIEW)
    assert let_time_pass(fold, _WEEK_MS) is not None
    assert "tasks" not in fold.state.items
    applied(answer(fold, "amara", "reverse"))
    assert fold.item("tasks", "x")["title"] == "bloom's"


@pytest.mark.parametrize("field", [{"title": "agreed"}, {"done": True}])
def test_an_answer_does_not_delete_what_somebody_has_written_since(field: dict[str, Any]) -> None:
    """A delete that lost is not carried out any more, whichever field was written."""
    fold = edited_and_deleted("amara", "bloom", by="bloom")
    assert the_record(fold)[1]["outcome"] == "first"
    knowingly(fold, "petra", **field)
    assert code(answer(fold, "amara", "reverse")) == "superseded"
    assert fold.item("tasks", "x") == fold.item("tasks", "x") | field


def test_an_answer_does_not_overwrite_an_item_that_came_back_and_was_written_since() -> None:
    """Who deleted it takes that back, somebody writes on: the edit of before does not come over it."""
    fold = edited_and_deleted("bloom", "amara")
    removal = fold.decisions[-1].op
    applied(fold.act("amara", "tasks", "undo", "x", {"op": removal, "insert": True}))
    knowingly(fold, "petra", title="agreed")
    assert code(answer(fold, "amara", "reverse")) == "superseded"
    assert fold.item("tasks", "x")["title"] == "agreed"


@pytest.mark.parametrize("anew", [False, True])
def test_an_answer_does_not_delete_an_item_that_somebody_put_there_since(anew: bool) -> None:
    """Whether the item came back by undo or anew: it is not the one that the conflict was about."""
    fold = edited_and_deleted("bloom", "amara", rules=_REVIEW)
    deleted = applied(fold.act("petra", "tasks", "delete", "x", base=seen_by_all(fold)))
    if anew:
        applied(fold.act("petra", "tasks", "insert", "x", {"title": "new"}))
    else:
        applied(fold.act("petra", "tasks", "undo", "x", {"op": deleted.op, "insert": True}))
    assert code(answer(fold, "amara", "resolve", "second")) == "superseded"
    assert "x" in fold.state.items["tasks"]


def test_an_answer_does_not_bring_back_what_somebody_has_knowingly_deleted_since() -> None:
    """The edit prevailed, and then the item went after all."""
    fold = edited_and_deleted("bloom", "amara", rules=_REVIEW)
    applied(fold.act("petra", "tasks", "delete", "x", base=seen_by_all(fold)))
    assert code(answer(fold, "amara", "resolve", "first")) == "superseded"
    assert "tasks" not in fold.state.items
    applied(answer(fold, "amara", "resolve", "second"))


def test_an_answer_does_not_reach_an_item_that_went_to_other_readers_since() -> None:
    """Another audience is knowingly written, too."""
    fold = edited_and_deleted("amara", "bloom", by="bloom")
    knowingly(fold, "amara", audience="core")
    assert code(answer(fold, "amara", "reverse")) == "superseded"
    assert "x" in fold.state.items["tasks"]


def test_an_answer_about_the_whole_item_looks_past_what_the_server_notes() -> None:
    """The answer of a supplier's calendar is nobody's writing: the delete that lost is carried out."""
    hours = {"contractStart": "2027-06-19T10:00:00Z", "contractEnd": "2027-06-19T20:00:00Z"}
    fold = wedding_with("vendors", {"name": "Flo", "account": "flo", **hours})
    base = seen_by_all(fold)
    applied(fold.act("amara", "vendors", "update", "x", {"name": "Flora"}, base=base))
    applied(fold.act("petra", "vendors", "delete", "x", base=base))
    span = span_of(hours, "contractStart", "contractEnd")
    assert span is not None
    fold.take("_v-flo", msgspec.json.decode(message_body("_v-flo", 1, answer_op("x", span, "confirmed"), 2), type=LogEntry))
    assert fold.item("vendors", "x")["booking"] == "confirmed"
    applied(answer(fold, "amara", "reverse"))
    assert "vendors" not in fold.state.items
