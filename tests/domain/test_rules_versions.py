"""Versions of the rules: each decides as it always did, and the table is the one place where they differ (design D1)."""

import pytest

from actors.contract.decisions import Decision
from actors.domain.rules import NEWEST, RULES
from tests.support.folding import Fold, wedding_with_members


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def two_managers(rules: int = NEWEST) -> Fold:
    """A wedding of `amara` (couple) and `petra` (planner), and others who manage nothing."""
    return wedding_with_members(rules)


@pytest.mark.parametrize("action", [("delete", {}), ("update", {"role": "family"})])
def test_m1_the_last_of_couple_and_planner_stays(action: tuple[str, dict[str, str]]) -> None:
    """With two managers one may go or step down; the last one may not, whoever asks but the operator."""
    verb, data = action
    fold = two_managers()
    assert code(fold.act("amara", "people", verb, "amara", dict(data))) is None
    refused = fold.act("petra", "people", verb, "petra", dict(data))
    assert code(refused) == "not_allowed"
    assert fold.item("people", "petra")["role"] == "planner"
    assert code(fold.act("operator", "people", verb, "petra", dict(data))) is None


def test_m1_other_changes_of_the_last_manager_are_free() -> None:
    """A new name, or the other managing role, takes nothing away."""
    fold = two_managers()
    fold.act("amara", "people", "delete", "petra")
    assert code(fold.act("amara", "people", "update", "amara", {"name": "Amara"})) is None
    assert code(fold.act("amara", "people", "update", "amara", {"role": "planner"})) is None
    assert code(fold.act("amara", "people", "delete", "bloom")) is None


def test_d1_the_first_version_decides_as_it_did() -> None:
    """Under version 1 the last manager could leave, and what was decided then is decided so again."""
    fold = two_managers(rules=1)
    fold.act("amara", "people", "delete", "petra")
    assert code(fold.act("amara", "people", "delete", "amara")) is None


def test_d1_no_version_is_missing_from_the_table() -> None:
    """A log may ask for any version since the first."""
    assert sorted(RULES) == list(range(1, NEWEST + 1))
