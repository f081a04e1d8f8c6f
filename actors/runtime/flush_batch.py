"""What one flush writes: how far each partition's checkpoint moves, and every decision up to there (design D7). No IO.

Captured between two ops. Called by the flusher.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

from actors.runtime.effects import outbox_rows
from actors.runtime.partition import Partition
from config.settings import Settings
from store.changes import Row
from store.outbox import OutboxRow
from store.rules import MarkerRow

#: A flush after an outage is cut into pieces of so many decisions.
MAX_DECISIONS = 20_000


class Batch(NamedTuple):
    """One flush; `moves` maps a partition to (old, new) checkpoint."""

    partitions: list[Partition]
    moves: dict[int, tuple[int, int]]
    rows: list[Row]
    outbox: list[OutboxRow]
    markers: list[MarkerRow]


def capture(partitions: Iterable[Partition], settings: Settings, now: float, *, whole: bool = False) -> Batch:
    """Take what is to be stored now; idle partitions join when it is their time, or with `whole` at once."""
    batch = Batch([], {}, [], [], [])
    room = MAX_DECISIONS
    for partition in partitions:
        idle_seconds = 0.0 if whole else settings.idle_checkpoint_seconds
        if partition.is_dropped or partition.has_gap or room <= 0:
            continue
        if not partition.dirty and now - partition.moved_at < idle_seconds:
            continue
        upto = _cut(partition, partition.settled, room)
        if upto > partition.checkpoint:
            batch.partitions.append(partition)
            batch.moves[partition.number] = (partition.checkpoint, upto)
            batch.markers.extend(partition.markers_between(partition.checkpoint, upto))
            room -= _add_decisions(batch, partition, upto)
    return batch


def _cut(partition: Partition, settled: int, room: int) -> int:
    """Return how far the flush may go without writing more decisions than there is room for."""
    if sum(len(actor.unflushed) for actor in partition.dirty) <= room:
        return settled
    positions = sorted(waiting.decision.position for actor in partition.dirty for waiting in actor.unflushed)
    return min(settled, positions[room - 1])


def _add_decisions(batch: Batch, partition: Partition, upto: int) -> int:
    """Add the rows of one partition and return how many decisions they hold."""
    count = 0
    for actor in partition.dirty:
        decisions = [waiting.decision for waiting in takewhile(lambda each: each.decision.position <= upto, actor.unflushed)]
        if not decisions:
            continue
        count += len(decisions)
        row = Row(partition.number, actor.kind, actor.id, decisions)
        batch.rows.append(row)
        if any(decision.effects for decision in decisions):
            batch.outbox.extend(outbox_rows(partition.region, partition.count, [row]))
    return count


def highest_skips(partitions: Iterable[Partition]) -> dict[int, int]:
    """Return the highest position by partition that is skipped there: what a flush says of itself."""
    return {each.number: max(each.directives.skips) for each in partitions if each.directives.skips}
