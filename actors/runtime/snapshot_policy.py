"""When an actor's state is written down: after enough ops, after enough time with any, at sleep, at an orderly end (design D7).

A snapshot is a cache and never urgent, so a flush takes few: those that have waited longest. It holds exactly what is stored.
Called by the flusher and the sleeper.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from typing import Final, NamedTuple

from actors.domain import snapshot_form
from actors.runtime.actor import Actor
from actors.runtime.partition import Partition
from config.settings import Settings
from store.snapshots import SnapshotRow

#: Writing a state down holds the fold for a millisecond or more, and weddings that began together come due together.
MAX_PER_FLUSH: Final = 4
#: Snapshots of an orderly end, written at once.
MAX_AT_END: Final = 50


class Due(NamedTuple):
    """An actor whose state is to be written down, and since when it has changed."""

    since: float
    actor: Actor


def due_snapshots(
    partitions: Iterable[Partition], moves: Mapping[int, tuple[int, int]], settings: Settings, now: float
) -> list[SnapshotRow]:
    """Write down, once `moves` are stored, the states that have waited longest; at most `MAX_PER_FLUSH`."""
    waiting = nsmallest(MAX_PER_FLUSH, _due(partitions, moves, settings, now), key=lambda each: each.since)
    return [snapshot_of(each.actor) for each in waiting]


def _due(partitions: Iterable[Partition], moves: Mapping[int, tuple[int, int]], settings: Settings, now: float) -> Iterator[Due]:
    long_ago = now - settings.snapshot_after_seconds
    for partition in partitions:
        if partition.is_dropped or partition.has_gap:
            continue
        _, stored = moves.get(partition.number, (0, partition.checkpoint))
        for actor, since in partition.unsnapshotted.items():
            is_due = since <= long_ago or actor.awake_state.rev - actor.snapshot_rev >= settings.snapshot_every_ops
            if is_due and actor.awake_state.position <= stored:
                yield Due(since, actor)


def unsaved_states(partitions: Iterable[Partition]) -> Iterator[list[SnapshotRow]]:
    """Write down every stored state that changed since its last snapshot, some at a time."""
    rows: list[SnapshotRow] = []
    for partition in partitions:
        for actor in list(partition.unsnapshotted):
            if not partition.has_gap and not partition.is_dropped and not actor.unflushed:
                rows.append(snapshot_of(actor))
            if len(rows) == MAX_AT_END:
                yield rows
                rows = []
    if rows:
        yield rows


def snapshot_of(actor: Actor) -> SnapshotRow:
    """Write an actor's state down as it is now."""
    state = actor.awake_state
    return SnapshotRow(
        actor.kind,
        actor.id,
        actor.partition.number,
        state.rev,
        state.position,
        snapshot_form.FORMAT,
        snapshot_form.encode(state),
    )
