"""What the runtime needs of the world, as protocols: a store, a log, a bus. No code.

The real ones are store.host_store, store.host_log and store.bus. Time is the event loop's and chance is handed in, so that a host
can be run in any world. Chosen by the host, used by every part of it through Resources.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from actors.contract.decisions import Decision
from store.bus import Handler
from store.changes import Row
from store.log_search import Found
from store.outbox import OutboxRow
from store.rules import MarkerRow
from store.snapshots import SnapshotRow
from store.timers import TimerRow

#: (position, log time in Unix milliseconds, subject, data)
OnMessage = Callable[[int, int, str, bytes], Awaitable[None]]


class Store(Protocol):
    """What is kept in PostgreSQL, under one generation of the log; everything raises StoreUnavailable while it is away."""

    async def checkpoints(self) -> dict[int, int]:
        """Return the position of every partition; raises GenerationChanged."""
        ...

    async def flush(
        self,
        moves: Mapping[int, tuple[int, int]],
        rows: Sequence[Row],
        outbox: Sequence[OutboxRow],
        markers: Sequence[MarkerRow],
        skipped: Mapping[int, int] = ...,
    ) -> dict[int, int]:
        """Store in one transaction what belongs to the checkpoints that move from old to new.

        `skipped` is the highest skipped position by partition; a move past an op that is to be skipped and was not is refused.
        Returns the stored positions of those that did not move, since another host was first. Raises GenerationChanged.
        """
        ...

    async def rules_markers(self, begin_with: int) -> dict[int, list[tuple[int, int]]]:
        """Return the rules markers (position, version) of every partition up to its checkpoint, ascending.

        A partition without any begins with the version given, at position 0; the first host to say so decides.
        """
        ...

    async def note_deaths(self, deaths: Sequence[tuple[int, int, int, str]]) -> None:
        """Count processes that died deciding an op: (generation, partition, position, life), each life once per op."""
        ...

    async def condemn(self, partitions: Sequence[int]) -> list[tuple[int, int]]:
        """Return the (partition, position) of every op above its checkpoint on which two lives ended."""
        ...

    async def read_after(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        """Return the first decisions above `rev`, ascending."""
        ...

    async def read_before(self, kind: str, identifier: str, rev: int, *, limit_decisions: int) -> list[Decision]:
        """Return the last decisions at or below `rev`, ascending."""
        ...

    async def read_since(self, kind: str, identifier: str, since_ms: int, *, limit_decisions: int) -> list[Decision]:
        """Return the first decisions at or after an instant of the log, ascending."""
        ...

    async def find(self, kind: str, identifier: str, principal: str, op: str) -> Decision | None:
        """Return the decision about one op, however old."""
        ...

    async def newest_snapshot(self, kind: str, identifier: str, upto_rev: int | None = None) -> SnapshotRow | None:
        """Return the newest snapshot, or the newest at or below a rev; the state of a damaged one is empty."""
        ...

    async def write_snapshots(self, rows: Sequence[SnapshotRow]) -> int:
        """Keep those at or below their partition's checkpoint; returns how many were new."""
        ...

    async def pending_outbox(self, partitions: Sequence[int], held_back: Sequence[str], limit: int) -> list[OutboxRow]:
        """Return the first messages that are not struck off, as stored; those to the `held_back` subjects are left out."""
        ...

    async def strike_outbox(self, ids: Sequence[str]) -> None:
        """Forget messages that the log has acknowledged; unknown ids are fine."""
        ...

    async def timers_to_send(self, partitions: Sequence[int], ahead_seconds: float) -> list[TimerRow]:
        """Return some of the timers that were armed or cancelled and not sent, or are due soon or overdue; the rest next."""
        ...

    async def strike_timers(self, rows: Sequence[TimerRow]) -> None:
        """Take note of timers that the stream of timers has acknowledged as they stand in the rows."""
        ...

    async def project_events(self, partitions: Sequence[int]) -> int:
        """Fill the events table from some stored blocks; returns how many, 0 when nothing is left."""
        ...

    async def close(self) -> None: ...


class LogReader(Protocol):
    """Delivers the messages of some partitions of one stream, each position once."""

    #: Every message at or below it has been handled; it advances while idle too.
    position: int

    async def start(self) -> None:
        """Begin; raises LogMismatch when the log does not go on where it was to be read from, StoreError."""
        ...

    async def stop(self) -> None:
        """End; no message is delivered after it returns."""
        ...


class Log(Protocol):
    """The op log as a host reads, writes and looks after it."""

    async def append(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Store all (subject, payload) or none, and return the last position; raises AppendRefused, AppendUnknown, BusDown."""
        ...

    def reader(
        self,
        stream: str,
        filters: list[str],
        after_position: int,
        on_message: OnMessage,
        *,
        on_reset: Callable[[str], None] = ...,
        on_broken: Callable[[Exception], None] = ...,
    ) -> LogReader:
        """Make a reader that begins after a position; `on_broken` hears that it ended for good."""
        ...

    async def positions(self, stream: str) -> tuple[int, int]:
        """Return the first and the last position that a stream holds; an empty one ends before it begins."""
        ...

    async def put_timers(self, rows: Sequence[TimerRow]) -> None:
        """Schedule those that have a time and take away the others; raises StoreError, and some may be done then."""
        ...

    async def messages_after(self, stream: str, subject: str, position: int) -> list[Found]:
        """Return every message above a position whose subject matches, in order: for markers, which are few."""
        ...

    async def look_after(self) -> None:
        """Make streams that are missing; raises LogMismatch when the log is not the one that the store knows."""
        ...

    def alarms(self) -> list[str]:
        """Return the names of the alarms about the log that this host has raised."""
        ...

    async def report_unreadable(self, weddings: Sequence[str]) -> bool:
        """Raise the alarm that the stored form of these cannot be read, or withdraw it when there are none; never raises.

        Returns whether everybody can see it by now; if not, it is to be said again.
        """
        ...

    async def trim(self, *, by_age: bool) -> int:
        """Drop what is stored and in the way, or with `by_age` old; returns how many messages went."""
        ...

    async def close(self) -> None: ...


class Subscription(Protocol):
    """Interest in a subject."""

    async def unsubscribe(self) -> None:
        """Stop; messages that wait are dropped."""
        ...


class Bus(Protocol):
    """Messages at most once, between hosts and gateways."""

    #: Called without arguments when a lost connection is back.
    on_reconnect: list[Callable[[], None]]

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send; raises BusDown when there is no connection, BadMessage when nobody would take it."""
        ...

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Call `handler` for each message, one after the other; what it raises is logged."""
        ...

    async def barrier(self) -> None:
        """Return when every subscription made before is in force; raises BusDown."""
        ...

    async def add_service(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        """Show this process to operators."""
        ...

    async def close(self) -> None: ...
