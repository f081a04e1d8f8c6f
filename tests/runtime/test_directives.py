"""Which rules an op is decided with: a function of its position and of what stands in the log (design D1)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.markers import ActivateRules, SkipOp
from actors.contract.ops import LogEntry, Op, Target
from actors.domain.rules import NEWEST
from actors.runtime.directives import Directives
from actors.runtime.errors import RulesUnknown
from actors.runtime.log_messages import LogMessage, Marker

ENTRY = LogEntry(Op("task_completion", "delete", Target("tasks", "t"), "20270619-anaa:1"), "websocket")


def message(position: int) -> LogMessage:
    return LogMessage(position, 1_000, 3, "w", "w1", "ana", ENTRY, 1)


def activation(position: int, version: int) -> Marker:
    return Marker(position, 3, ActivateRules(version))


def test_d1_a_marker_rules_from_the_next_position_on() -> None:
    """The op before a marker keeps its rules, also when it is decided after the marker was read."""
    directives = Directives([(0, 1)])
    directives.obey(activation(10, 2))
    assert [directives.meta_of(message(position)).rules for position in (9, 11, 9)] == [1, 2, 1]


def test_d1_a_version_never_goes_back() -> None:
    """A marker of a version at or below the one in force changes nothing, so that two activations do no harm."""
    directives = Directives([(0, 1)])
    for marker in (activation(10, 2), activation(12, 2), activation(14, 1)):
        directives.obey(marker)
    assert directives.markers == [(0, 1), (10, 2)]


def test_d1_unknown_rules_are_an_error_and_never_a_decision() -> None:
    """A build that meets a version that it does not have says so."""
    directives = Directives([(0, 1)])
    with pytest.raises(RulesUnknown, match=f"position 10 on version {NEWEST + 1}"):
        directives.obey(activation(10, NEWEST + 1))


def test_inv6_a_skip_is_known_ahead_of_its_op() -> None:
    """What is skipped is said by position, and everything else is decided."""
    directives = Directives()
    directives.obey(Marker(20, 3, SkipOp(7)))
    assert [directives.meta_of(message(position)).skipped for position in (6, 7, 8)] == [False, True, False]


@given(st.dictionaries(st.integers(1, 60), st.integers(1, NEWEST), max_size=6), st.integers(0, 60))
def test_inv2_any_restart_point_gives_the_same_rules(markers: dict[int, int], checkpoint: int) -> None:
    """What was stored up to a checkpoint together with the log after it says what the whole log says."""
    whole = Directives([(0, 1)])
    for position, version in sorted(markers.items()):
        whole.obey(activation(position, version))
    restarted = Directives([(0, 1), *whole.between(0, checkpoint)])
    for position, version in sorted(markers.items()):
        if position > checkpoint:
            restarted.obey(activation(position, version))
    for position in range(1, 62):
        assert whole.meta_of(message(position)) == restarted.meta_of(message(position))


def test_d1_markers_read_back_as_they_were_written() -> None:
    """The form of a marker in the log is fixed: builds of different age read it."""
    assert msgspec.json.encode(ActivateRules(2)) == b'{"marker":"activate","version":2}'
    assert msgspec.json.encode(SkipOp(7)) == b'{"marker":"skip","position":7}'
