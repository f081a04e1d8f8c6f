"""A simulation that never finds anything proves nothing: each of these systems is broken on purpose and must be found out.

Every way of breaking one takes away a rule that the design speaks of; within so many seeds some history must offend.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from actors.domain.decide import Meta, decide_safely
from actors.runtime import actor as actor_module
from actors.runtime.actor import Actor
from actors.runtime.log_messages import LogMessage
from actors.runtime.membership import Members
from actors.runtime.partition import Partition
from actors.runtime.publish import Publication
from tests.simulation.history import Prepare, run_history
from tests.simulation.world import START_MS, World

WITHIN_SEEDS: Final = 150
Break = Callable[[pytest.MonkeyPatch], Prepare | None]


def _without_the_guard(_patch: pytest.MonkeyPatch) -> Prepare:
    """The store takes every flush, whatever it has (D7)."""

    def prepare(world: World) -> None:
        world.database.has_guard = False

    return prepare


def _snapshots_beyond_the_checkpoint(patch: pytest.MonkeyPatch) -> Prepare:
    """An actor falls asleep before Postgres has all of it, and its snapshot is taken (D7)."""
    patch.setattr(Actor, "may_sleep", property(lambda self: self.lifecycle is actor_module.Lifecycle.AWAKE))

    def prepare(world: World) -> None:
        world.database.takes_any_snapshot = True

    return prepare


def _a_fold_that_reads_the_clock(patch: pytest.MonkeyPatch) -> None:
    """The rules are told the host's time instead of the log's (D1)."""

    def decide(state: Any, entry: Any, meta: Meta) -> Any:
        host_ms = int(asyncio.get_running_loop().time() * 1000)
        return decide_safely(state, entry, meta._replace(timestamp_ms=START_MS + host_ms))

    patch.setattr(actor_module, "decide_safely", decide)


def _a_partition_that_drops_a_queued_op(patch: pytest.MonkeyPatch) -> None:
    """Of the ops that wait behind an activation, all but the first are forgotten."""
    deliver = Partition.deliver

    def drop(self: Partition, message: LogMessage) -> list[Publication]:
        if any(actor.id == message.id for actor in self.waiting):
            return []
        return deliver(self, message)

    patch.setattr(Partition, "deliver", drop)


def _an_owner_that_reads_from_the_end(patch: pytest.MonkeyPatch) -> None:
    """A new owner reads on from the end of the log instead of the checkpoint (D7)."""
    begin = Partition.__init__

    def begin_at_the_end(self: Partition, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self.read_before = max(self.read_before, self.serve_from)

    patch.setattr(Partition, "__init__", begin_at_the_end)


def _owners_that_never_doubt_themselves(patch: pytest.MonkeyPatch) -> None:
    """A host that was frozen goes on as if nothing had been, and answers at once (D2)."""
    patch.setattr(Members, "lost_itself", lambda _self, _now: False)
    patch.setattr("actors.runtime.calls.reached", _at_once)


async def _at_once(_partition: Partition, _position: int, _within_seconds: float) -> bool:
    return True


BROKEN: Final[tuple[Break, ...]] = (
    _without_the_guard,
    _snapshots_beyond_the_checkpoint,
    _a_fold_that_reads_the_clock,
    _a_partition_that_drops_a_queued_op,
    _an_owner_that_reads_from_the_end,
    _owners_that_never_doubt_themselves,
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda each: each.__name__.strip("_"))
def test_a_broken_system_is_found_out(break_it: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some history among the first seeds shows that a promise is broken."""
    prepare = break_it(monkeypatch)
    for seed in range(WITHIN_SEEDS):
        outcome = run_history(seed, prepare or (lambda _world: None))
        if outcome.offences:
            return
    pytest.fail(f"{WITHIN_SEEDS} histories and nothing found")
