"""Vector clocks: the laws of merging and comparing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract import vector_clock as clocks

_CLOCKS = st.dictionaries(st.sampled_from(["a/1", "a/2", "b/1"]), st.integers(0, 3))


@given(_CLOCKS, _CLOCKS, _CLOCKS)
def test_merge_is_the_least_upper_bound(left: clocks.Clock, right: clocks.Clock, other: clocks.Clock) -> None:
    """Merging forgets nothing, adds nothing, and does not depend on order, grouping or repetition."""
    merged = clocks.merge(left, right)
    assert clocks.includes(merged, left)
    assert clocks.includes(merged, right)
    if clocks.includes(other, left) and clocks.includes(other, right):
        assert clocks.includes(other, merged)
    assert clocks.compare(merged, clocks.merge(right, left)) == "equal"
    assert clocks.merge(merged, merged) == merged
    assert clocks.compare(clocks.merge(merged, other), clocks.merge(left, clocks.merge(right, other))) == "equal"


@given(_CLOCKS, _CLOCKS)
def test_compare_is_antisymmetric(left: clocks.Clock, right: clocks.Clock) -> None:
    """Seen from the other side, before is after and the rest stays."""
    mirror = {"before": "after", "after": "before", "equal": "equal", "concurrent": "concurrent"}
    assert clocks.compare(right, left) == mirror[clocks.compare(left, right)]


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ({}, {}, "equal"),
        ({"a": 0}, {}, "equal"),
        ({"a": 1}, {"a": 2}, "before"),
        ({"a": 2, "b": 1}, {"a": 2}, "after"),
        ({"a": 1}, {"b": 1}, "concurrent"),
    ],
)
def test_compare_by_example(left: clocks.Clock, right: clocks.Clock, order: clocks.Order) -> None:
    """A missing entry counts as zero."""
    assert clocks.compare(left, right) == order


_FINALS = {"b/1": 3, "c/1": 2}
_NUMBERS = st.fixed_dictionaries({}, optional={"a/1": st.integers(1, 4), "b/1": st.integers(1, 3), "c/1": st.integers(1, 2)})


@given(_NUMBERS, _NUMBERS, st.sets(st.sampled_from(sorted(_FINALS))))
def test_pruning_inactive_clients_loses_nothing(left: clocks.Clock, right: clocks.Clock, inactive: set[str]) -> None:
    """Clocks compare, include and merge as before, whichever clients have ended and however much of them was seen."""
    finals = {entry: _FINALS[entry] for entry in inactive}
    one, other = clocks.prune(left, finals), clocks.prune(right, finals)
    assert clocks.compare(one, other, finals) == clocks.compare(left, right)
    assert clocks.includes(one, other, finals) == clocks.includes(left, right)
    assert clocks.compare(clocks.merge(one, other, finals), clocks.prune(clocks.merge(left, right), finals), finals) == "equal"


@given(_NUMBERS)
def test_a_clock_that_has_seen_everything_keeps_nothing_of_who_has_gone(clock: clocks.Clock) -> None:
    """The entries of ended clients go, so that clocks do not grow for ever."""
    assert clocks.prune(clock | _FINALS, _FINALS).keys() <= {"a/1"}
