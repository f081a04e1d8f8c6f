"""The strongest test there is: decide the whole log again, from nothing, and compare it with what the hosts have stored.

`fold_log` reads it through the consumer of the store, `fold_messages` decides it; `require_stored_equals_log` waits until every
op is stored and then compares decision by decision (rules INV1 and INV2).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from actors.contract.decisions import Decision
from actors.contract.subjects import log_filter, log_stream
from actors.domain.decide import decide_safely
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, new_state
from actors.runtime.directives import Directives
from actors.runtime.log_messages import LogMessage, Marker, Undecodable, decode_message
from store import rules, stored_changes
from store.bus import Bus
from store.log_consumer import LogConsumer
from store.postgres import Database
from tests.support.waiting import eventually

ALL = 1_000_000
PARTITIONS = 64
Key = tuple[str, str]


class Refold(NamedTuple):
    """Every wedding and supplier of the log by (kind, id), decided from nothing."""

    position: int
    states: dict[Key, ActorState]
    decisions: dict[Key, list[Decision]]


async def read_log(bus: Bus, stream: int = 0) -> tuple[int, list[LogMessage | Marker]]:
    """The last position of a stream and every op and marker that it holds."""
    messages: list[LogMessage | Marker] = []

    async def take(position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        try:
            messages.append(decode_message(position, timestamp_ms, subject, data))
        except Undecodable:
            return

    consumer = LogConsumer(bus, log_stream(stream), [log_filter("r0")], 0, take)
    last = await consumer.last_position()
    await consumer.start()
    await eventually(lambda: consumer.position >= last, "the whole log is read")
    await consumer.stop()
    return last, messages


async def fold_log(bus: Bus, database: Database) -> Refold:
    """Decide every op of the log again, each with the rules of its position; a skip stands in the log behind what it skips."""
    last, messages = await read_log(bus)
    return fold_messages(last, messages, await rules.markers(database, range(PARTITIONS)))


def fold_messages(
    last: int,
    messages: Sequence[LogMessage | Marker],
    stored_markers: Mapping[int, Sequence[tuple[int, int]]],
    look: Callable[[ActorState], None] = lambda _state: None,
) -> Refold:
    """Decide these messages of a log, all that there ever were; `look` sees the state after each decision."""
    fold = Refold(last, {}, {})
    directives = {partition: Directives(markers[:1]) for partition, markers in stored_markers.items()}
    for marker in messages:
        if isinstance(marker, Marker):
            directives[marker.partition].obey(marker)
    for message in messages:
        if isinstance(message, Marker):
            continue
        key = message.kind, message.id
        state = fold.states.setdefault(key, new_state(message.id, message.kind))
        outcome, _ = decide_safely(state, message.entry, directives[message.partition].meta_of(message))
        if isinstance(outcome, Decision):
            evolve(state, outcome)
            fold.decisions.setdefault(key, []).append(outcome)
            look(state)
    return fold


async def require_stored_equals_log(bus: Bus, database: Database) -> Refold:
    """Wait until everything is stored, then compare it with a fresh fold of the log; returns that fold."""
    fold = await fold_log(bus, database)

    async def stored() -> dict[Key, list[Decision]]:
        keys = sorted(fold.decisions)
        found = await asyncio.gather(*(stored_changes.read_after(database, *key, 0, limit_decisions=ALL) for key in keys))
        return dict(zip(keys, found, strict=True))

    async def is_complete() -> bool:
        counts = {key: len(found) for key, found in (await stored()).items()}
        return counts == {key: len(decided) for key, decided in fold.decisions.items()}

    await eventually(is_complete, "every op of the log is stored, once", within_seconds=60)
    found = await stored()
    for key, decided in fold.decisions.items():
        assert found[key] == decided, f"the stored decisions about {key} are not those of the log"
    return fold
