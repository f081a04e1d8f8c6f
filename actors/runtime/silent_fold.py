"""Writing the changes of a thrown-away flush buffer: a second fold from the checkpoint that nobody hears (design D7).

It reads the log with a consumer of its own and starts from states as Postgres has them, so what it decides is what the live
actors decided; they go on meanwhile, keeping what comes after the gap. Run by the flusher when Postgres is back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from actors.contract.decisions import Decision
from actors.contract.subjects import log_filter, log_stream
from actors.domain.decide import decide_safely
from actors.domain.evolve import evolve
from actors.domain.state import ActorState
from actors.runtime.activation import load
from actors.runtime.effects import outbox_rows
from actors.runtime.flush_batch import highest_skips
from actors.runtime.log_messages import LogMessage, Undecodable, decode_message
from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from store.changes import Row
from store.errors import PASSING

#: States kept from one flush to the next; above it all are read again.
MAX_STATES: Final = 1000
POLL_SECONDS: Final = 0.05
log = structlog.get_logger()


class SilentFold:
    """One fold over the gaps of some partitions of one stream, as they are when it begins."""

    def __init__(self, resources: Resources, stream: int, partitions: Sequence[Partition]) -> None:
        self._resources = resources
        self._partitions = {partition.number: partition for partition in partitions}
        self._targets = {partition.number: partition.fold_upto for partition in partitions}
        self._states: dict[tuple[str, str], ActorState] = {}
        self._decided: defaultdict[tuple[int, str, str], list[Decision]] = defaultdict(list)
        self._messages: asyncio.Queue[LogMessage] = asyncio.Queue(maxsize=resources.settings.flush_ops)
        self._broken: Exception | None = None
        self._consumer = resources.log.reader(
            log_stream(stream),
            [log_filter(resources.settings.region, number) for number in sorted(self._partitions)],
            min(partition.checkpoint for partition in partitions),
            self._on_message,
            on_broken=self._on_broken,
        )

    async def run(self) -> None:
        """Store everything up to the ends of the gaps; raises StoreError, and what was stored until then stays."""
        log.info("silent_fold_begins", partitions=len(self._partitions), upto=max(self._targets.values()))
        await self._consumer.start()
        try:
            while self._has_work():
                await self._store(await self._fold_some())
        finally:
            await self._consumer.stop()
        log.info("silent_fold_ends", partitions=len(self._partitions))

    def _has_work(self) -> bool:
        """Tell whether a partition that this host still owns has a gap; the others are their new owner's."""
        return any(
            not partition.is_dropped and partition.checkpoint < self._targets[number]
            for number, partition in self._partitions.items()
        )

    async def _on_message(self, position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        # What cannot be decoded was reported by the live reader.
        with suppress(Undecodable):
            message = decode_message(position, timestamp_ms, subject, data)
            # The markers up to the ends of the gaps were obeyed when the live reader met them.
            if isinstance(message, LogMessage):
                await self._messages.put(message)

    def _on_broken(self, error: Exception) -> None:
        self._broken = error

    async def _fold_some(self) -> int:
        """Decide up to one flush's worth of ops; returns the position up to which everything is decided."""
        last = max(self._targets.values())
        position = 0
        for _ in range(self._resources.settings.flush_ops):
            message = await self._next(last)
            if message is None:
                return last
            await self._decide(message)
            position = message.position
        return position

    async def _next(self, last: int) -> LogMessage | None:
        """Return the next op, or None when everything up to `last` has come."""
        while self._messages.empty():
            if self._broken is not None:
                raise self._broken
            if self._consumer.position >= last:
                return None
            await asyncio.sleep(POLL_SECONDS)
        return self._messages.get_nowait()

    async def _decide(self, message: LogMessage) -> None:
        if message.position > self._targets[message.partition]:
            return
        key = message.kind, message.id
        state = self._states.get(key)
        if state is None:
            try:
                state, _ = await load(self._resources.store, *key)
            except PASSING:
                raise
            except Exception as error:
                # It holds its partition up and nobody else's.
                self._partitions[message.partition].cannot_fold(message, error)
                self._targets[message.partition] = message.position - 1
                return
            self._states[key] = state
        if message.position <= state.position:
            return
        meta = self._partitions[message.partition].directives.meta_of(message)
        self._resources.deciding.begin(message.partition, message.position)
        outcome, _ = decide_safely(state, message.entry, meta)
        if isinstance(outcome, Decision):
            evolve(state, outcome)
            self._decided[message.partition, *key].append(outcome)
        self._resources.deciding.done()

    async def _store(self, position: int) -> None:
        """Write what is decided and move the checkpoints; what another host stored first is left out."""
        upto = {number: min(position, target) for number, target in self._targets.items()}
        moves = self._moves(upto)
        while moves:
            rows = [
                Row(number, kind, identifier, written)
                for (number, kind, identifier), decisions in self._decided.items()
                if number in moves and (written := [each for each in decisions if each.position > moves[number][0]])
            ]
            settings = self._resources.settings
            effects = list(outbox_rows(settings.region, settings.partitions, rows))
            markers = [marker for number, move in moves.items() for marker in self._partitions[number].markers_between(*move)]
            refused = await self._resources.store.flush(moves, rows, effects, markers, highest_skips(self._partitions.values()))
            for number, (old, new) in moves.items():
                self._partitions[number].settle(old, new, refused)
            moves = {number: move for number, move in self._moves(upto).items() if number in refused}
        self._decided.clear()
        if len(self._states) > MAX_STATES:
            self._states.clear()

    def _moves(self, upto: dict[int, int]) -> dict[int, tuple[int, int]]:
        return {
            number: (partition.checkpoint, upto[number])
            for number, partition in self._partitions.items()
            if not partition.is_dropped and upto[number] > partition.checkpoint
        }
