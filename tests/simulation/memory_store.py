"""The store in memory: checkpoints with their guard and generation, blocks, snapshots, outbox, and how far events are projected.

`MemoryDatabase` is the server, one transaction per method; `MemoryStore` the port `Store` of one host over a line. It keeps what
tests/simulation/test_contract_store.py says of PostgreSQL and this alike.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from actors.contract.decisions import Decision
from store.changes import Row
from store.errors import GenerationChanged
from store.outbox import OutboxRow
from store.rules import MarkerRow
from store.snapshots import SnapshotRow
from store.timers import TimerFate, TimerRow, fates
from tests.simulation.lines import Line

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Decision]).decode
_STEP_BLOCKS: Final = 50
Key = tuple[str, str]


class Block(NamedTuple):
    """The decisions of one flush about one wedding, written down as a store does: nobody shares objects with it."""

    partition: int
    first_rev: int
    last_rev: int
    last_position: int
    decisions: bytes


class Timer(NamedTuple):
    """One armed or cancelled timer, and when it was sent to TIMERS."""

    row: TimerRow
    sent_ms: int | None


class MemoryDatabase:
    """What all hosts have stored."""

    def __init__(self, generation: int, partitions: int, now_ms: Callable[[], int]) -> None:
        self.generation = generation
        self.positions: dict[int, int] = {}
        self.blocks: defaultdict[Key, list[Block]] = defaultdict(list)
        self.snapshots: defaultdict[Key, list[SnapshotRow]] = defaultdict(list)
        self.outbox: dict[str, OutboxRow] = {}
        self.timers: dict[tuple[str, str, str], Timer] = {}
        #: Rules markers (position, version) by partition, ascending.
        self.markers: dict[int, list[tuple[int, int]]] = {}
        #: Lives that ended while they decided an op, by (generation, partition, position).
        self.deaths: defaultdict[tuple[int, int, int], set[str]] = defaultdict(set)
        self.skipped: defaultdict[int, int] = defaultdict(int)
        self.projected: dict[int, int] = {}
        self.guard_refusals = 0
        #: Both are switched to see that histories of such a store are found out.
        self.has_guard = True
        self.takes_any_snapshot = False
        self._partitions = partitions
        self._now_ms = now_ms

    def checkpoints(self, generation: int) -> dict[int, int]:
        if not self.positions:
            self.positions = dict.fromkeys(range(self._partitions), 0)
        self._require(generation)
        return dict(self.positions)

    def flush(
        self,
        generation: int,
        moves: Mapping[int, tuple[int, int]],
        rows: Sequence[Row],
        outbox: Sequence[OutboxRow],
        markers: Sequence[MarkerRow],
        skipped: Mapping[int, int],
    ) -> dict[int, int]:
        self._require(generation, moves)
        refused = {}
        for partition, (old, new) in moves.items():
            passes_unaware = max(old, skipped.get(partition, 0)) < self.skipped[partition] <= new
            if self.has_guard and (self.positions[partition] != old or passes_unaware):
                refused[partition] = self.positions[partition]
            else:
                self.positions[partition] = new
        for row in rows:
            if row.partition not in refused:
                first, last = row.decisions[0], row.decisions[-1]
                block = Block(row.partition, first.rev, last.rev, last.position, _encode(row.decisions))
                self.blocks[row.kind, row.id].append(block)
                for fate in fates(*row):
                    self._follow(fate)
        for message in outbox:
            if message.partition not in refused:
                self.outbox.setdefault(message.id, message)
        for marker in markers:
            known = self.markers.setdefault(marker.partition, [])
            if marker.partition not in refused and all(position != marker.position for position, _ in known):
                known.append((marker.position, marker.version))
        self.guard_refusals += len(refused)
        return refused

    def _follow(self, fate: TimerFate) -> None:
        key = (fate.kind, fate.id, fate.timer)
        if fate.fate == "fired":
            self.timers.pop(key, None)
        else:
            known = self.timers.get(key)
            number = max(fate.number, 0 if known is None else known.row.number)
            self.timers[key] = Timer(TimerRow(*fate[:4], number, fate.due_ms, fate.body), None)

    def rules_markers(self, begin_with: int) -> dict[int, list[tuple[int, int]]]:
        for partition in range(self._partitions):
            known = self.markers.setdefault(partition, [])
            if not known or known[0][0]:
                known.insert(0, (0, begin_with))
        return {partition: list(markers) for partition, markers in self.markers.items()}

    def note_deaths(self, deaths: Sequence[tuple[int, int, int, str]]) -> None:
        for *op, life in deaths:
            self.deaths[op[0], op[1], op[2]].add(life)

    def condemn(self, generation: int, partitions: Sequence[int]) -> list[tuple[int, int]]:
        found = sorted(
            (partition, position)
            for (death_generation, partition, position), lives in self.deaths.items()
            if len(lives) >= 2
            and death_generation == generation
            and partition in partitions
            and position > self.positions.get(partition, 0)
        )
        self.skipped.update(dict.fromkeys(partitions, 0) | dict(found))
        return found

    def timers_to_send(self, partitions: Sequence[int], ahead_seconds: float) -> list[TimerRow]:
        now_ms, ahead_ms = self._now_ms(), ahead_seconds * 1000
        wanted = [
            timer.row
            for timer in self.timers.values()
            if timer.row.partition in partitions
            and (
                timer.sent_ms is None
                or (
                    timer.row.due_ms is not None
                    and timer.row.due_ms < now_ms + ahead_ms
                    and now_ms - timer.sent_ms > max(ahead_ms, (now_ms - timer.row.due_ms) / 2)
                )
            )
        ]
        return sorted(wanted, key=lambda row: row.due_ms or 0)

    def strike_timers(self, rows: Sequence[TimerRow]) -> None:
        for row in rows:
            key = (row.kind, row.id, row.timer)
            known = self.timers.get(key)
            if known is None or (known.row.due_ms is None) != (row.due_ms is None):
                continue
            if row.due_ms is None:
                del self.timers[key]
            elif known.row.number == row.number:
                self.timers[key] = Timer(known.row, self._now_ms())

    def decisions(self, kind: str, identifier: str) -> Iterator[Decision]:
        """Yield every stored decision, ascending."""
        for block in sorted(self.blocks.get((kind, identifier), ()), key=lambda each: each.first_rev):
            yield from _decode(block.decisions)

    def after(self, kind: str, identifier: str, rev: int) -> Iterator[Decision]:
        """Yield the stored decisions above a rev, ascending."""
        for block in self.blocks.get((kind, identifier), ()):
            if block.last_rev > rev:
                yield from (each for each in _decode(block.decisions) if each.rev > rev)

    def newest_snapshot(self, kind: str, identifier: str, upto_rev: int | None) -> SnapshotRow | None:
        rows = [row for row in self.snapshots.get((kind, identifier), ()) if upto_rev is None or row.rev <= upto_rev]
        return max(rows, key=lambda row: row.rev, default=None)

    def write_snapshots(self, generation: int, rows: Sequence[SnapshotRow]) -> int:
        written = 0
        for row in rows:
            known = self.snapshots[row.kind, row.id]
            is_covered = generation == self.generation and self.positions.get(row.partition, -1) >= row.position
            is_older_form = any(each.rev == row.rev and each.format > row.format for each in known)
            if (is_covered or self.takes_any_snapshot) and not is_older_form:
                # All of a history happens within one week, of which the newest is kept.
                known[:] = [max([row, *known], key=lambda each: each.rev)]
                written += 1
        return written

    def pending(self, partitions: Sequence[int], held_back: Sequence[str], limit: int) -> list[OutboxRow]:
        rows = [row for row in self.outbox.values() if row.partition in partitions and row.subject not in held_back]
        return rows[:limit]

    def strike(self, ids: Sequence[str]) -> None:
        for identifier in ids:
            self.outbox.pop(identifier, None)

    def project(self, partitions: Sequence[int]) -> int:
        """Count the blocks that a step would write to the events table."""
        waiting = sorted(
            (block.partition, block.last_position)
            for blocks in self.blocks.values()
            for block in blocks
            if block.partition in partitions and block.last_position > self.projected.get(block.partition, 0)
        )
        for partition, position in waiting[:_STEP_BLOCKS]:
            self.projected[partition] = position
        return len(waiting[:_STEP_BLOCKS])

    def _require(self, generation: int, partitions: Iterable[int] = ()) -> None:
        if generation != self.generation or any(partition not in self.positions for partition in partitions):
            raise GenerationChanged


class MemoryStore:
    """The store of one host."""

    def __init__(self, database: MemoryDatabase, generation: int, line: Line) -> None:
        self._database = database
        self._generation = generation
        self._line = line

    async def checkpoints(self) -> dict[int, int]:
        return await self._line.ask(partial(self._database.checkpoints, self._generation))

    async def flush(
        self,
        moves: Mapping[int, tuple[int, int]],
        rows: Sequence[Row],
        outbox: Sequence[OutboxRow],
        markers: Sequence[MarkerRow],
        skipped: Mapping[int, int] = MappingProxyType({}),
    ) -> dict[int, int]:
        return await self._line.ask(partial(self._database.flush, self._generation, moves, rows, outbox, markers, skipped))

    async def rules_markers(self, begin_with: int) -> dict[int, list[tuple[int, int]]]:
        return await self._line.ask(partial(self._database.rules_markers, begin_with))

    async def note_deaths(self, deaths: Sequence[tuple[int, int, int, str]]) -> None:
        await self._line.ask(partial(self._database.note_deaths, deaths))

    async def condemn(self, partitions: Sequence[int]) -> list[tuple[int, int]]:
        return await self._line.ask(partial(self._database.condemn, self._generation, partitions))

    async def timers_to_send(self, partitions: Sequence[int], ahead_seconds: float) -> list[TimerRow]:
        return await self._line.ask(partial(self._database.timers_to_send, partitions, ahead_seconds))

    async def strike_timers(self, rows: Sequence[TimerRow]) -> None:
        await self._line.ask(partial(self._database.strike_timers, rows))

    async def read_after(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        return await self._pick(lambda: list(self._database.after(kind, identifier, rev))[:limit_decisions])

    async def read_before(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        decisions = self._database.decisions
        return await self._pick(lambda: [each for each in decisions(kind, identifier) if each.rev <= rev][-limit_decisions:])

    async def read_since(self, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
        decisions = self._database.decisions
        return await self._pick(
            lambda: [each for each in decisions(kind, identifier) if each.now_ms >= since_ms][:limit_decisions]
        )

    async def find(self, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
        decisions = self._database.decisions
        found = await self._pick(
            lambda: [
                each for each in decisions(kind, identifier) if (each.op, each.principal, each.waits) == (op, principal, None)
            ]
        )
        return found[0] if found else None

    async def _pick(self, work: Callable[[], list[Decision]]) -> list[Decision]:
        return await self._line.ask(work)

    async def newest_snapshot(self, kind: str, identifier: str, upto_rev: int | None = None) -> SnapshotRow | None:
        return await self._line.ask(partial(self._database.newest_snapshot, kind, identifier, upto_rev))

    async def write_snapshots(self, rows: Sequence[SnapshotRow]) -> int:
        return await self._line.ask(partial(self._database.write_snapshots, self._generation, rows))

    async def pending_outbox(self, partitions: Sequence[int], held_back: Sequence[str], limit: int) -> list[OutboxRow]:
        return await self._line.ask(partial(self._database.pending, partitions, held_back, limit))

    async def strike_outbox(self, ids: Sequence[str]) -> None:
        await self._line.ask(partial(self._database.strike, ids))

    async def project_events(self, partitions: Sequence[int]) -> int:
        return await self._line.ask(partial(self._database.project, partitions))

    async def close(self) -> None:
        """Nothing is to be closed."""
