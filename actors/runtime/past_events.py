"""The events of a history, as those may read them who ask: stored changes first, then what is not stored yet (design D4).

A question is answered up to a number of events and of decisions looked at, whichever comes first, and says how far it came, so
that the next one goes on from there. Called by calls.
"""

from collections.abc import Iterator
from typing import Final

from actors.contract.calls import HistoryEnd, HistoryQuestion
from actors.contract.channels import may_read
from actors.contract.decisions import Decision, Part
from actors.contract.events import encode_event
from actors.runtime.actor import Actor
from actors.runtime.past_decisions import PAGE, decisions_after
from actors.runtime.ports import Store
from config.limits import Limits

#: Decisions that one question looks at: a history of which somebody may read little must not keep the store busy.
MOST_LOOKED_AT: Final = 20 * PAGE


async def events_since(store: Store, actor: Actor, question: HistoryQuestion, limits: Limits) -> tuple[list[bytes], HistoryEnd]:
    """Return encoded events in order of (rev, channel), and how far was read; raises StoreError."""
    limit = min(question.limit, limits.history_events)
    events: list[bytes] = []
    rev, looked_at = question.after_rev, 0
    async for decision in decisions_after(store, actor, rev, since_ms=None if rev else question.since_ms):
        if question.until_ms and decision.now_ms >= question.until_ms:
            return events, HistoryEnd(rev, more=False)
        rev, looked_at = decision.rev, looked_at + 1
        if decision.now_ms >= question.since_ms:
            events += [encode_event(decision, part, actor.id) for part in _wanted(decision, question)]
        if len(events) >= limit or looked_at >= MOST_LOOKED_AT:
            return events, HistoryEnd(rev, more=rev < actor.awake_state.rev)
    return events, HistoryEnd(rev, more=False)


def _wanted(decision: Decision, question: HistoryQuestion) -> Iterator[Part]:
    if question.user not in ("", decision.principal) or (question.types and decision.type not in question.types):
        return
    for part in sorted(decision.parts, key=lambda each: each.channel):
        if question.channel and (part.channel != question.channel or part.sequence <= question.after_sequence):
            continue
        if may_read(question.rights, part.channel):
            yield part
