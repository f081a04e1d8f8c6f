"""What a host keeps in PostgreSQL behind one object: the runtime's port `Store` (actors.runtime.ports).

Every method is one function of this package under the generation of the log that the host serves. Made by the host.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from actors.contract.decisions import Decision
from store import changes, outbox, rules, snapshots, stored_changes, suspects, timers
from store.changes import Row
from store.event_projector import EventProjector
from store.outbox import OutboxRow
from store.postgres import Database
from store.rules import MarkerRow
from store.snapshots import SnapshotRow
from store.streams import LogIdentity
from store.timers import TimerRow


class HostStore:
    """The database of one host; see actors.runtime.ports for what each method promises."""

    def __init__(self, database: Database, identity: LogIdentity) -> None:
        self._database = database
        self._identity = identity
        self._projector = EventProjector()

    async def checkpoints(self) -> dict[int, int]:
        return await changes.checkpoints(self._database, self._identity.generation, self._identity.partitions)

    async def flush(
        self,
        moves: Mapping[int, tuple[int, int]],
        rows: Sequence[Row],
        outbox: Sequence[OutboxRow],
        markers: Sequence[MarkerRow],
        skipped: Mapping[int, int] = MappingProxyType({}),
    ) -> dict[int, int]:
        return await changes.flush(self._database, self._identity.generation, moves, rows, outbox, markers, skipped)

    async def rules_markers(self, begin_with: int) -> dict[int, list[tuple[int, int]]]:
        partitions = range(self._identity.partitions)
        await rules.begin_with(self._database, partitions, begin_with)
        return await rules.markers(self._database, partitions)

    async def note_deaths(self, deaths: Sequence[tuple[int, int, int, str]]) -> None:
        await suspects.note(self._database, deaths)

    async def condemn(self, partitions: Sequence[int]) -> list[tuple[int, int]]:
        return await suspects.condemn(self._database, self._identity.generation, partitions)

    async def read_after(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        return await stored_changes.read_after(self._database, kind, identifier, rev, limit_decisions=limit_decisions)

    async def read_before(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        return await stored_changes.read_before(self._database, kind, identifier, rev, limit_decisions=limit_decisions)

    async def read_since(self, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
        return await stored_changes.read_since(self._database, kind, identifier, since_ms, limit_decisions=limit_decisions)

    async def find(self, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
        return await stored_changes.find(self._database, kind, identifier, principal, op)

    async def newest_snapshot(self, kind: str, identifier: str, upto_rev: int | None = None) -> SnapshotRow | None:
        return await snapshots.newest(self._database, kind, identifier, upto_rev)

    async def write_snapshots(self, rows: Sequence[SnapshotRow]) -> int:
        return await snapshots.write(self._database, self._identity.generation, rows)

    async def pending_outbox(self, partitions: Sequence[int], held_back: Sequence[str], limit: int) -> list[OutboxRow]:
        return await outbox.pending(self._database, partitions, held_back=held_back, limit=limit)

    async def strike_outbox(self, ids: Sequence[str]) -> None:
        await outbox.strike(self._database, ids)

    async def timers_to_send(self, partitions: Sequence[int], ahead_seconds: float) -> list[TimerRow]:
        return await timers.to_send(self._database, partitions, ahead_seconds)

    async def strike_timers(self, rows: Sequence[TimerRow]) -> None:
        await timers.strike(self._database, rows)

    async def project_events(self, partitions: Sequence[int]) -> int:
        return await self._projector.step(self._database, partitions)

    async def close(self) -> None:
        await self._database.close()
