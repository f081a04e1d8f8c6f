"""The decisions of one wedding in the order of time, forwards and backwards: what is stored, and what is not stored yet.

Everything that looks into the past reads here (past_events, past_states, field_writes, audits). Nothing is changed. Decisions
that a partition with a gap has thrown away are in neither place: who gets that far is told to ask again, not that there are none.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from actors.contract.decisions import Decision
from actors.runtime.actor import Actor
from actors.runtime.ports import Store
from store.errors import NotStoredYet

PAGE: Final = 500


async def decisions_after(store: Store, actor: Actor, rev: int, *, since_ms: int | None = None) -> AsyncIterator[Decision]:
    """Yield the decisions above a rev, or with `since_ms` those from an instant on, ascending and without a hole.

    Raises StoreError; NotStoredYet where decisions come next that were thrown away.
    """
    # Taken before the store is read: what is flushed meanwhile is then in both, never in neither.
    unflushed = [waiting.decision for waiting in actor.unflushed]
    thrown_away = _thrown_away_upto(actor, since_ms)
    page: Sequence[Decision]
    if since_ms is None:
        page = await store.read_after(actor.kind, actor.id, rev, limit_decisions=PAGE)
    else:
        page = await store.read_since(actor.kind, actor.id, since_ms, limit_decisions=PAGE)
    while page:
        for decision in page:
            yield decision
        rev = page[-1].rev
        page = await store.read_after(actor.kind, actor.id, rev, limit_decisions=PAGE)
    if rev < thrown_away:
        raise NotStoredYet
    for decision in unflushed:
        if decision.rev > rev:
            yield decision


def _thrown_away_upto(actor: Actor, since_ms: int | None) -> int:
    """Return the rev that the stored changes must reach since memory does not begin right after them; 0 where it does."""
    state = actor.awake_state
    if not actor.partition.has_gap or (since_ms is not None and state.now_ms < since_ms):
        return 0
    return actor.unflushed[0].decision.rev - 1 if actor.unflushed else state.rev


async def decisions_before(store: Store, actor: Actor, rev: int) -> AsyncIterator[Decision]:
    """Yield the decisions below a rev, the newest first and without a hole; raises StoreError, NotStoredYet as above."""
    rev, has_gap = min(rev, actor.awake_state.rev + 1), actor.partition.has_gap
    for decision in [waiting.decision for waiting in reversed(actor.unflushed)]:
        if decision.rev < rev:
            yield decision
            rev = decision.rev
    while rev > 1:
        page = await store.read_before(actor.kind, actor.id, rev - 1, limit_decisions=PAGE)
        if has_gap and (not page or page[-1].rev < rev - 1):
            raise NotStoredYet
        if not page:
            return
        for decision in reversed(page):
            yield decision
        rev = page[0].rev
