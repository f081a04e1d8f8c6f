"""What the strategies promise, in made-up disputes; many more of them are the campaign `strategies` of `make soak`."""

from typing import Any

import pytest

from actors.domain import disputes, merging, strategies
from bench.soak.strategies import offences_of


@pytest.mark.parametrize("seed", range(0, 600, 100))
def test_made_up_disputes_break_no_promise(seed: int) -> None:
    """No order of arrival matters where none may, nothing is lost, readers converge, both sides are told once."""
    for case in range(seed, seed + 100):
        assert offences_of(case) == [], f"case {case}"


def found_with(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, broken: Any) -> str:
    """What the first broken case says once something does not hold any more."""
    monkeypatch.setattr(where, name, broken)
    for case in range(1500):
        if offences := offences_of(case):
            return offences[0]
    return ""


def test_a_hierarchy_that_lets_the_later_one_win_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases are able to fail: without the rule, the order of arrival decides."""
    last_writer = strategies.STRATEGIES["last_writer_wins"]
    broken = dict.fromkeys(strategies.STRATEGIES, last_writer)
    assert found_with(monkeypatch, strategies, "STRATEGIES", broken).startswith("order: ")


def test_a_merge_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases are able to fail: a set that keeps only what the later one said is noticed."""

    def later_only(base: Any, now: Any, said: Any) -> list[Any]:
        del base, now
        return said or []

    assert found_with(monkeypatch, merging, "_merge_sets", later_only).startswith(("order: ", "merge: "))


def test_a_losing_value_without_a_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases are able to fail: without records values stand nowhere."""
    assert found_with(monkeypatch, disputes, "recorded", lambda *_: ([], [])).startswith("lost: ")
