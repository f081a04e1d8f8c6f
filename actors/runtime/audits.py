"""The owner's part of `ensureConsistency`: do actor, newest snapshot and stored changes of one wedding agree; and their repair.

What is true is what the stored changes give when they are followed (design D1, D7). A wedding of many ops is followed from the
snapshot before the newest one; `wedsync verify` follows all. Called by calls.
"""

import asyncio
from typing import Final, NamedTuple

import structlog

from actors.contract.consistency import Finding, Heads, OwnerReport, differing
from actors.domain import snapshot_form, views
from actors.domain.errors import SnapshotUnreadable
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, new_state
from actors.runtime.actor import Actor
from actors.runtime.counters import Counters
from actors.runtime.errors import HoleInStoredChanges
from actors.runtime.past_decisions import decisions_after
from actors.runtime.ports import Store
from store.errors import PASSING
from store.snapshots import SnapshotRow

#: Up to so many ops are followed from the first one on.
MOST_FOLLOWED: Final = 50_000
_BURST: Final = 200
log = structlog.get_logger()


class _Stored(NamedTuple):
    """What the stored changes give at the actor's rev, and what was found of the newest snapshot on the way there."""

    state: ActorState
    snapshot: Finding
    sound_snapshot: SnapshotRow | None


async def audit(store: Store, counters: Counters, actor: Actor, *, repair: bool) -> OwnerReport:
    """Compare the owner's copies at the actor's rev, and with `repair` mend what differs; raises StoreError."""
    state = actor.awake_state
    rev, kept = state.rev, dict(views.channel_heads(state))
    held = views.heads_from_scratch(state)
    try:
        stored = await _stored(store, actor, rev)
    except PASSING:
        raise
    except Exception as error:  # whatever a damaged block makes the decoder raise
        counters.divergences_found += 1
        log.exception("stored_changes_unreadable", id=actor.id, rev=rev)
        broken = Finding("stored", agrees=False, reason=f"{error}; see `wedsync scrub`")
        return OwnerReport(rev, kept, (broken, Finding("snapshot", None, reason="not compared"), _of_actor(kept, held, kept)))
    truth = views.heads_from_scratch(stored.state)
    snapshot, in_memory = stored.snapshot, _of_actor(kept, held, truth)
    counters.divergences_found += [snapshot.agrees, in_memory.agrees].count(False)
    if repair and snapshot.agrees is False and stored.sound_snapshot is not None:
        counters.repairs += (written := await store.write_snapshots([stored.sound_snapshot]))
        snapshot = _mended(snapshot, is_mended=written > 0)
    if repair and not in_memory.agrees:
        await _take_over(store, actor, stored.state)
        counters.repairs += 1
        in_memory = _mended(in_memory, is_mended=True)
    for finding in (snapshot, in_memory):
        if finding.agrees is False:
            log.error("copy_differs", id=actor.id, rev=rev, place=finding.place, channels=sorted(finding.channels))
    return OwnerReport(rev, truth, (Finding("stored", agrees=True), snapshot, in_memory))


def _mended(finding: Finding, *, is_mended: bool) -> Finding:
    return Finding(finding.place, finding.agrees, finding.name, finding.channels, finding.reason, repaired=is_mended)


def _of_actor(kept: Heads, held: Heads, truth: Heads) -> Finding:
    """Judge the state in memory: what it keeps as it goes, and what its items give."""
    found = differing(held, truth) | differing(kept, truth)
    return Finding("actor", agrees=not found, channels=found)


async def _stored(store: Store, actor: Actor, rev: int) -> _Stored:
    row = await store.newest_snapshot(actor.kind, actor.id, rev)
    state = await _start(store, actor, rev, row)
    if row is None:
        return _Stored(await _follow(store, actor, state, rev), Finding("snapshot", None, reason="there is none"), None)
    await _follow(store, actor, state, row.rev)
    sound = row._replace(position=state.position, format=snapshot_form.FORMAT, state=snapshot_form.encode(state))
    finding = _of_snapshot(row, views.heads_from_scratch(state))
    return _Stored(await _follow(store, actor, state, rev), finding, sound)


async def _start(store: Store, actor: Actor, rev: int, newest: SnapshotRow | None) -> ActorState:
    """Return where to begin: before everything, or for a long history the newest readable snapshot before `newest`."""
    row = newest if rev > MOST_FOLLOWED else None
    while row is not None:
        row = await store.newest_snapshot(actor.kind, actor.id, row.rev - 1)
        try:
            if row is not None:
                return snapshot_form.decode(row.state, actor.kind)
        except SnapshotUnreadable:
            continue
    return new_state(actor.id, actor.kind)


async def _follow(store: Store, actor: Actor, state: ActorState, rev: int) -> ActorState:
    """Follow the decisions up to a rev, in place; raises HoleInStoredChanges."""
    if state.rev >= rev:
        return state
    async for decision in decisions_after(store, actor, state.rev):
        if decision.rev != state.rev + 1:
            raise HoleInStoredChanges(f"after rev {state.rev} comes rev {decision.rev}")
        evolve(state, decision)
        if state.rev == rev:
            return state
        if state.rev % _BURST == 0:
            await asyncio.sleep(0)
    raise HoleInStoredChanges(f"rev {state.rev} is the last, and the actor is at {rev}")


def _of_snapshot(row: SnapshotRow, truth: Heads) -> Finding:
    try:
        state = snapshot_form.decode(row.state, row.kind)
    except SnapshotUnreadable as error:
        return Finding("snapshot", agrees=False, reason=str(error))
    found = differing(views.heads_from_scratch(state), truth) | differing(dict(views.channel_heads(state)), truth)
    return Finding("snapshot", agrees=not found, channels=found, reason=f"at rev {row.rev}")


async def _take_over(store: Store, actor: Actor, state: ActorState) -> None:
    """Give the actor the state that the stored changes give, brought to where it is by now."""
    while state.rev < actor.awake_state.rev:
        await _follow(store, actor, state, actor.awake_state.rev)
    # Nothing waits between the last look and this.
    actor.state, actor.audience = state, None
