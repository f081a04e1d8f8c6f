"""Storing what was decided: every 250 ms or 2,000 ops one transaction for all dirty partitions (design D7).

Another host that was first makes the guard refuse: what it stored is dropped here, the rest goes again. Without Postgres the fold
goes on and the buffer fills; what did not fit is written by a silent fold before normal flushing resumes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from actors.runtime.flush_batch import Batch, capture, highest_skips
from actors.runtime.outbox import OutboxSender
from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from actors.runtime.silent_fold import SilentFold
from actors.runtime.snapshot_policy import due_snapshots, unsaved_states
from actors.runtime.timers import TimerSender
from store.errors import GenerationChanged, StoreError
from store.snapshots import SnapshotRow

BACKOFF_SECONDS: Final = (0.25, 0.5, 1.0, 2.0)
log = structlog.get_logger()


class Flusher:
    """The one writer of a host's decisions."""

    def __init__(
        self, resources: Resources, partitions: Mapping[int, Partition], outbox: OutboxSender, timers: TimerSender
    ) -> None:
        self._resources = resources
        self._partitions = partitions
        self._outbox = outbox
        self._timers = timers
        self._one_at_a_time = asyncio.Lock()
        resources.buffer.on_overflow = self._throw_away

    async def run(self) -> None:
        """Flush for ever; a store that does not answer is tried again, ever more slowly."""
        failures = 0
        while True:
            await self._wait_until_due(failures)
            try:
                while await self.flush():
                    pass
                failures = 0
            except GenerationChanged:
                raise
            except StoreError as error:
                failures += 1
                self._resources.counters.flush_failures += 1
                log.warning("flush_failed", error=str(error), failures=failures, waiting_bytes=self._resources.buffer.bytes)

    async def _wait_until_due(self, failures: int) -> None:
        if failures:
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1])
            return
        due = self._resources.buffer.due
        with suppress(TimeoutError):
            await asyncio.wait_for(due.wait(), self._resources.settings.flush_interval_seconds)
        due.clear()

    async def flush(self, *, whole: bool = False) -> bool:
        """Store once; True when something is left that can go at once. `whole` moves idle checkpoints too. Raises StoreError."""
        async with self._one_at_a_time:
            await self._fill_gaps()
            batch = capture(self._partitions.values(), self._resources.settings, self._resources.now(), whole=whole)
            snapshots = due_snapshots(self._partitions.values(), batch.moves, self._resources.settings, self._resources.now())
            if not batch.moves:
                await self._write_snapshots(snapshots)
                return False
            skipped = highest_skips(batch.partitions)
            refused = await self._resources.store.flush(batch.moves, batch.rows, batch.outbox, batch.markers, skipped)
            self._take_note(batch, refused)
            await self._write_snapshots(snapshots)
            if batch.outbox:
                self._outbox.nudge()
            if any(decision.effects for row in batch.rows for decision in row.decisions):
                self._timers.nudge()
            return bool(refused) or self._resources.buffer.count >= self._resources.settings.flush_ops

    def _take_note(self, batch: Batch, refused: Mapping[int, int]) -> None:
        counters = self._resources.counters
        counters.flushes += 1
        counters.guard_refusals += len(refused)
        counters.flushed_decisions += sum(len(row.decisions) for row in batch.rows if row.partition not in refused)
        for partition in batch.partitions:
            old, new = batch.moves[partition.number]
            partition.settle(old, new, refused)

    async def _write_snapshots(self, rows: Sequence[SnapshotRow]) -> None:
        """Write those that are stored by now; the store looks at its checkpoints again."""
        partitions = self._partitions
        stored = [row for row in rows if row.partition in partitions and row.position <= partitions[row.partition].checkpoint]
        if stored:
            self._resources.counters.snapshots += await self._resources.store.write_snapshots(stored)
            for row in stored:
                if row.partition in partitions:
                    partitions[row.partition].note_snapshot(row.kind, row.id, row.rev)

    async def drain(self) -> None:
        """Store everything and snapshot every actor that changed since its last; for an orderly end. Raises StoreError."""
        while await self.flush(whole=True):
            pass
        for rows in unsaved_states(list(self._partitions.values())):
            await self._write_snapshots(rows)

    def _throw_away(self) -> None:
        """The buffer is full: keep nothing of it, the weddings go on live."""
        self._resources.counters.buffer_overflows += 1
        log.error("flush_buffer_thrown_away", decisions=self._resources.buffer.count, bytes=self._resources.buffer.bytes)
        for partition in self._partitions.values():
            partition.throw_away()

    async def _fill_gaps(self) -> None:
        if any(partition.fold_upto > partition.checkpoint for partition in self._partitions.values()):
            await self._forget_filled_gaps()
        by_stream: defaultdict[int, list[Partition]] = defaultdict(list)
        for partition in self._partitions.values():
            if partition.fold_upto > partition.checkpoint:
                by_stream[partition.number % self._resources.identity.streams].append(partition)
        for stream, partitions in by_stream.items():
            self._resources.counters.silent_folds += 1
            await SilentFold(self._resources, stream, partitions).run()

    async def _forget_filled_gaps(self) -> None:
        """What another host has stored meanwhile may be trimmed by now, and no fold could read it again."""
        stored = await self._resources.store.checkpoints()
        for number, partition in self._partitions.items():
            if partition.has_gap:
                partition.settle(partition.checkpoint, stored[number], {})
