"""The decisions of one wedding in the order of time, forwards and backwards: what is stored, and what is not stored yet.

Everything that looks into the past reads here (past_events, past_states, field_writes). Nothing is changed.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from actors.contract.decisions import Decision
from actors.runtime.actor import Actor
from actors.runtime.ports import Store

PAGE: Final = 500


async def decisions_after(store: Store, actor: Actor, rev: int, *, since_ms: int | None = None) -> AsyncIterator[Decision]:
    """Yield the decisions above a rev, or with `since_ms` those from an instant on, ascending and without a hole."""
    # Taken before the store is read: what is flushed meanwhile is then in both, never in neither.
    unflushed = [waiting.decision for waiting in actor.unflushed]
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
    for decision in unflushed:
        if decision.rev > rev:
            yield decision


async def decisions_before(store: Store, actor: Actor, rev: int) -> AsyncIterator[Decision]:
    """Yield the decisions below a rev, the newest first and without a hole."""
    for decision in [waiting.decision for waiting in reversed(actor.unflushed)]:
        if decision.rev < rev:
            yield decision
            rev = decision.rev
    while rev > 1:
        page = await store.read_before(actor.kind, actor.id, rev - 1, limit_decisions=PAGE)
        if not page:
            return
        for decision in reversed(page):
            yield decision
        rev = page[0].rev
