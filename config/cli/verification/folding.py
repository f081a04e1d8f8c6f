"""Proof (a): the newest snapshot with the stored changes after it, and all stored changes alone, give the live digests.

Pure. Decisions are followed one by one, in order, as they come from the store; a hole ends the proof, since nothing after it
could be trusted.
"""

from collections.abc import Mapping

from actors.contract.decisions import Decision
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, new_state
from actors.domain.views import heads_from_scratch

Heads = Mapping[str, tuple[int, str]]


class StoredFold:
    """Two states of one wedding, side by side: from the first change on, and from a snapshot on (None where there is none)."""

    def __init__(self, wedding: str, snapshot: ActorState | None) -> None:
        self.state = new_state(wedding)
        self.snapshot_rev = snapshot.rev if snapshot is not None else 0
        self.differences: list[str] = []
        self._from_snapshot = snapshot

    def is_next(self, decision: Decision) -> bool:
        """Tell whether a decision goes on where the last one ended."""
        return decision.rev == self.state.rev + 1

    def follow(self, decision: Decision) -> None:
        """Take the next stored decision; after a hole nothing more is followed."""
        if not self.is_next(decision):
            if not self.differences:
                self.differences.append(f"stored changes: after rev {self.state.rev} comes rev {decision.rev}")
            return
        evolve(self.state, decision)
        if self._from_snapshot is not None and decision.rev == self._from_snapshot.rev + 1:
            evolve(self._from_snapshot, decision)

    def compare(self, live: Heads) -> list[str]:
        """Say how the two states differ from the live heads; both are at the live rev."""
        found = self.differences + differences_of("stored changes", heads_from_scratch(self.state), live)
        if self._from_snapshot is not None:
            name = f"snapshot at rev {self.snapshot_rev} with the changes after it"
            found += differences_of(name, heads_from_scratch(self._from_snapshot), live)
        return found


def differences_of(name: str, found: Heads, live: Heads) -> list[str]:
    """Say, channel by channel, how `found` differs from the live heads."""
    return [
        f"{name}: {channel} is {_head(found.get(channel))}, the actor has {_head(live.get(channel))}"
        for channel in sorted({*found, *live})
        if found.get(channel) != live.get(channel)
    ]


def _head(head: tuple[int, str] | None) -> str:
    return "not there" if head is None else f"{head[1]} at {head[0]}"
