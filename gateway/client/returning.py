"""What became of the edits that waited for a connection: one report when the last of them has its answer.

Begun by the session at each return; ops that were kept by a durable queue over an end of the program are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from actors.contract.ops import Op
from gateway.client.pending import Outcome, Pending

ANSWERS_TO_CONFLICTS: Final = frozenset({"resolve", "reverse"})


class Returned(NamedTuple):
    """An edit and its fate; `asked_at` is Unix seconds."""

    op: Op
    asked_at: float
    outcome: Outcome

    @property
    def is_in_conflict(self) -> bool:
        """Whether it met writes of others; an answer to a conflict writes its record as well."""
        met = self.outcome.concurrent_with or self.outcome.conflicts
        return bool(met) and self.op.action not in ANSWERS_TO_CONFLICTS


class ReturnReport(NamedTuple):
    """Each edit stands in exactly one of the lists, in the order in which they were made.

    `in_conflict` are applied, while somebody else had written the same since: `outcome.concurrent_with` names those
    ops, `outcome.conflicts` the records.
    `refused` have a code and a remedy in their outcome.
    """

    applied: tuple[Returned, ...]
    in_conflict: tuple[Returned, ...]
    refused: tuple[Returned, ...]


class Returning:
    """Waits for the answers; `tell` gets the report."""

    def __init__(self, tell: Callable[[ReturnReport], None]) -> None:
        self._tell = tell
        self._waited: list[Pending] = []

    def begin(self, waiting: Sequence[Pending]) -> None:
        """We are back, and these ops have no answer yet; those of an earlier return that was cut short stay in the report."""
        known = set(map(id, self._waited))
        self._waited += [pending for pending in waiting if id(pending) not in known]

    def check(self) -> None:
        """Tell once everything is answered."""
        if not self._waited or not all(pending.done for pending in self._waited):
            return
        waited, self._waited = self._waited, []
        returned = [Returned(each.op, each.asked_at, each.known_outcome) for each in waited if each.known_outcome is not None]
        self._tell(
            ReturnReport(
                tuple(each for each in returned if each.outcome.applied and not each.is_in_conflict),
                tuple(each for each in returned if each.outcome.applied and each.is_in_conflict),
                tuple(each for each in returned if not each.outcome.applied),
            )
        )
