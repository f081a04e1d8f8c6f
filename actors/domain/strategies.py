"""Who prevails: one function per strategy, from two writes of one field to a verdict. Pure; reads nothing but the dispute.

`first` is what stands there by a write that the author of `second` had not seen. Where a strategy promises that the order of
arrival does not matter, it compares the sides alone; between equals the later one prevails (docs/conflicts.md).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from actors.contract.conflicts import HIERARCHY, LAST_WRITER, MANUAL, MERGE, PRIORITY
from actors.domain.merging import merge

Outcome = Literal["first", "second", "merged"]


class Side(NamedTuple):
    """One of two who disagree: the value (None for none), how much its author counts (less is more), how urgent the op was."""

    value: Any
    rank: int
    priority: int


class Dispute(NamedTuple):
    """Two sides, and the value from which the second one began (merging.UNKNOWN where nobody knows)."""

    first: Side
    second: Side
    base: Any


class Verdict(NamedTuple):
    """Who prevails, by which strategy and why; `is_open` waits for somebody, and `default` prevails when nobody comes."""

    outcome: Outcome
    value: Any
    strategy: str
    reason: str
    is_open: bool = False
    default: Outcome = "first"


def _last_writer(dispute: Dispute) -> Verdict:
    return Verdict("second", dispute.second.value, LAST_WRITER, "the later write stands")


def _hierarchy(dispute: Dispute) -> Verdict:
    first, second = dispute.first, dispute.second
    if first.rank < second.rank:
        return Verdict("first", first.value, HIERARCHY, "who wrote first counts more here")
    reason = "who wrote last counts more here" if second.rank < first.rank else "both count the same, so the later write stands"
    return Verdict("second", second.value, HIERARCHY, reason)


def _priority(dispute: Dispute) -> Verdict:
    first, second = dispute.first, dispute.second
    if first.priority > second.priority:
        return Verdict("first", first.value, PRIORITY, "the first write is more urgent")
    if second.priority > first.priority:
        return Verdict("second", second.value, PRIORITY, "the later write is more urgent")
    settled = _hierarchy(dispute)
    return settled._replace(strategy=PRIORITY, reason=f"both are as urgent, and {settled.reason}")


def _manual(dispute: Dispute) -> Verdict:
    settled = _hierarchy(dispute)
    reason = "somebody must choose; until then the first write stands"
    default: Outcome = settled.outcome if dispute.first.rank != dispute.second.rank else "first"
    return Verdict("first", dispute.first.value, MANUAL, reason, is_open=True, default=default)


def _merging(dispute: Dispute) -> Verdict:
    first, second = dispute.first, dispute.second
    can, value = merge(dispute.base, first.value, second.value, second_wins=second.rank <= first.rank)
    if can:
        return Verdict("merged", value, MERGE, "both changes stand")
    return _last_writer(dispute)._replace(reason="the two cannot be merged, so the later write stands")


STRATEGIES: Final[Mapping[str, Callable[[Dispute], Verdict]]] = {
    LAST_WRITER: _last_writer,
    MERGE: _merging,
    PRIORITY: _priority,
    MANUAL: _manual,
    HIERARCHY: _hierarchy,
}


def settle(strategy: str, dispute: Dispute) -> Verdict:
    """Return who prevails under a strategy."""
    return STRATEGIES[strategy](dispute)
