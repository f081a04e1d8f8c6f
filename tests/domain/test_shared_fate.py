"""Fields that mean something only together are won and lost together: the two ends of hours, an amount and its currency."""

from typing import Any

import pytest

from actors.contract.collections import COLLECTIONS
from actors.contract.decisions import Decision
from actors.domain.conflict_table import TOGETHER
from tests.domain.test_items import code
from tests.support.disputes import answer, applied, at_once, records, seen_by_all, told, wedding_with
from tests.support.folding import Fold

_DAY = "2027-06-19T"
_HOURS = {"contractStart": f"{_DAY}10:00:00Z", "contractEnd": f"{_DAY}20:00:00Z"}
_EVENING = {"contractStart": f"{_DAY}17:00:00Z", "contractEnd": f"{_DAY}22:00:00Z"}
_ENDS_EARLY = {"contractEnd": f"{_DAY}16:00:00Z"}


def booked() -> Fold:
    """A wedding that has asked a supplier for its hours."""
    return wedding_with("vendors", {"name": "Flo", "account": "flo", **_HOURS})


def hours(fold: Fold) -> dict[str, Any]:
    """The hours of the supplier as they stand."""
    return {field: value for field, value in fold.item("vendors", "x").items() if field in _HOURS}


def by_field(fold: Fold) -> dict[str, dict[str, Any]]:
    """The records of the wedding by the field that they are about."""
    return {record["field"]: record for record in records(fold)}


def test_v1_who_loses_one_end_of_the_hours_writes_not_the_other() -> None:
    """The booking stays asked for the hours of who counts more: no letter goes to the supplier, and both ends are recorded."""
    fold = booked()
    decisions = at_once(fold, "vendors", ("amara", _ENDS_EARLY), ("petra", _EVENING))
    assert hours(fold) == _HOURS | _ENDS_EARLY
    assert fold.item("vendors", "x")["booking"] == "asked"
    assert decisions[1].effects == ()
    found = by_field(fold)
    assert {field: record["second"]["value"] for field, record in found.items()} == _EVENING
    assert {record["outcome"] for record in found.values()} == {"first"}
    assert found["contractStart"]["first"]["value"] == _HOURS["contractStart"]
    assert found["contractStart"]["reason"] != found["contractEnd"]["reason"]


def test_v1_who_prevails_with_one_end_of_the_hours_writes_both() -> None:
    """The couple's hours stand whole over the planner's end."""
    fold = booked()
    at_once(fold, "vendors", ("petra", _ENDS_EARLY), ("amara", _EVENING))
    assert hours(fold) == _EVENING
    assert list(by_field(fold)) == ["contractEnd"]


def test_other_fields_of_the_op_stand_though_its_hours_lose() -> None:
    """Only what means nothing by itself goes with the field that lost."""
    fold = booked()
    at_once(fold, "vendors", ("amara", _ENDS_EARLY), ("petra", _EVENING | {"phone": "17"}))
    assert hours(fold) == _HOURS | _ENDS_EARLY
    assert fold.item("vendors", "x")["phone"] == "17"


def test_an_end_that_both_wrote_alike_takes_nothing_along() -> None:
    """Who wants the same end has lost nothing, so the beginning stands."""
    fold = booked()
    at_once(fold, "vendors", ("amara", _ENDS_EARLY), ("petra", _ENDS_EARLY | {"contractStart": f"{_DAY}09:00:00Z"}))
    assert hours(fold) == {"contractStart": f"{_DAY}09:00:00Z"} | _ENDS_EARLY
    assert records(fold) == []


def test_what_was_lost_along_can_be_chosen_afterwards() -> None:
    """The record of the other field is one like any: it can be reversed, and a repeat of the op writes no second one."""
    fold = booked()
    base = seen_by_all(fold)
    applied(fold.act("amara", "vendors", "update", "x", _ENDS_EARLY, base=base))
    for start in ("17", "18"):
        data = _EVENING | {"contractStart": f"{_DAY}{start}:00:00Z"}
        applied(fold.act("petra", "vendors", "update", "x", data, base=base))
    assert sorted(by_field(fold)) == ["contractEnd", "contractStart"]
    assert len(told(fold, "petra")) == 2
    for identifier in list(fold.state.items["conflicts"]):
        applied(fold.act("amara", "conflicts", "reverse", identifier, op_type="vendor_assignment"))
    assert hours(fold) == _EVENING | {"contractStart": f"{_DAY}18:00:00Z"}


@pytest.mark.parametrize("amount", ["estimate", "actual"])
def test_b1_an_amount_stands_in_the_currency_in_which_it_was_entered(amount: str) -> None:
    """Francs by the planner, yen by the couple: nobody reads so many million euros until somebody has chosen."""
    fold = wedding_with("budget", {"item": "Dress", amount: 100_000, "currency": "CHF"})
    at_once(fold, "budget", ("petra", {amount: 120_000, "currency": "EUR"}), ("amara", {amount: 15_000_000, "currency": "JPY"}))
    assert fold.item("budget", "x") == fold.item("budget", "x") | {amount: 120_000, "currency": "EUR"}
    found = by_field(fold)
    assert {(record["strategy"], record["status"], record["default"]) for record in found.values()} == {
        ("manual_review", "open", "second")
    }
    assert found[amount]["second"]["value"] == 15_000_000


def test_b1_all_amounts_go_with_a_currency_that_loses() -> None:
    """Also one that nobody else has written: in another currency it would be another amount."""
    fold = wedding_with("budget", {"item": "Dress", "estimate": 1, "actual": 2, "currency": "CHF"})
    at_once(fold, "budget", ("petra", {"currency": "EUR"}), ("amara", {"estimate": 10, "actual": 20, "currency": "JPY"}))
    assert fold.item("budget", "x") == fold.item("budget", "x") | {"estimate": 1, "actual": 2, "currency": "EUR"}
    assert sorted(by_field(fold)) == ["actual", "currency", "estimate"]


def test_two_amounts_in_one_currency_are_each_a_matter_of_its_own() -> None:
    """What was paid does not depend on what was thought."""
    fold = wedding_with("budget", {"item": "Dress", "estimate": 1, "actual": 2, "currency": "CHF"})
    at_once(fold, "budget", ("amara", {"estimate": 10}), ("petra", {"estimate": 11, "actual": 20}))
    assert fold.item("budget", "x") == fold.item("budget", "x") | {"estimate": 10, "actual": 20}
    assert list(by_field(fold)) == ["estimate"]


def test_a_merge_is_given_up_with_the_currency() -> None:
    """A wedding that adds amounts up adds none in two currencies."""
    fold = wedding_with(
        "budget", {"item": "Dress", "estimate": 10, "currency": "CHF"}, rules={"budget.estimate": "merge_changes"}
    )
    at_once(fold, "budget", ("petra", {"estimate": 12, "currency": "EUR"}), ("amara", {"estimate": 15, "currency": "JPY"}))
    assert fold.item("budget", "x")["estimate"] == 12
    assert by_field(fold)["estimate"]["outcome"] == "first"


def test_the_groups_name_fields_that_exist() -> None:
    """No group is about nothing."""
    for collection, groups in TOGETHER.items():
        assert all(group <= COLLECTIONS[collection].fields.keys() and len(group) > 1 for group in groups)


def test_the_only_field_that_loses_needs_no_company() -> None:
    """An op that writes one end alone is answered as ever."""
    fold = booked()
    at_once(fold, "vendors", ("amara", _ENDS_EARLY), ("petra", {"contractEnd": _EVENING["contractEnd"]}))
    assert hours(fold) == _HOURS | _ENDS_EARLY
    applied(answer(fold, "amara", "reverse"))
    assert hours(fold)["contractEnd"] == _EVENING["contractEnd"]


def lost_currency() -> Fold:
    """Petra has chosen francs, all have seen it; unaware of Amara's amount she sends one of her own, in another currency."""
    fold = wedding_with("budget", {"item": "Dress", "estimate": 100, "currency": "EUR"})
    applied(fold.act("petra", "budget", "update", "x", {"currency": "CHF"}, base=seen_by_all(fold)))
    at_once(fold, "budget", ("amara", {"estimate": 200}), ("petra", {"estimate": 300, "currency": "JPY"}))
    assert fold.item("budget", "x") == fold.item("budget", "x") | {"estimate": 200, "currency": "CHF"}
    return fold


def reverse_currency(fold: Fold, person: str) -> Decision:
    """Let somebody ask for the currency that was lost along."""
    [name] = [each for each, record in fold.state.items["conflicts"].items() if record.fields["field"] == "currency"]
    return fold.act(person, "conflicts", "reverse", name, op_type="budget_change")


def test_who_loses_a_field_along_loses_it_to_who_prevailed() -> None:
    """That the loser wrote the field last gives no right to overrule the couple; the couple is told and may let it stand."""
    fold = lost_currency()
    record = by_field(fold)["currency"]
    assert (record["first"]["user"], record["first"]["value"], record["second"]["user"]) == ("amara", "CHF", "petra")
    assert "petra" not in record["mayAnswer"]["people"]
    assert len(told(fold, "amara")) == len(told(fold, "petra")) == 2
    assert code(reverse_currency(fold, "petra")) == "not_allowed"
    applied(reverse_currency(fold, "amara"))
    assert fold.item("budget", "x")["currency"] == "JPY"


def test_what_was_lost_along_is_superseded_by_a_later_write_of_its_own_field() -> None:
    """Not by the write of before, which both had seen."""
    fold = lost_currency()
    applied(fold.act("petra", "budget", "update", "x", {"currency": "USD"}, base=seen_by_all(fold)))
    assert code(reverse_currency(fold, "amara")) == "superseded"


def test_a_currency_that_an_op_repeats_drags_no_other_amount_along() -> None:
    """Nobody disagrees about it, so what was paid is entered though what was thought is lost."""
    fold = wedding_with("budget", {"item": "Dress", "estimate": 100, "currency": "EUR"})
    at_once(fold, "budget", ("amara", {"estimate": 200}), ("petra", {"estimate": 300, "currency": "EUR", "actual": 50}))
    assert fold.item("budget", "x") == fold.item("budget", "x") | {"estimate": 200, "currency": "EUR", "actual": 50}
    assert list(by_field(fold)) == ["estimate"]
