"""One wedding's actor: its lifecycle, its state, and the fold of one op (design D1, D3).

The only place that feeds `decide` and `evolve` with live ops. Nothing here awaits: between reading and changing the state no
other op can come. The partition hands it messages, the waker gives it its state, the flusher takes its unflushed decisions away.
"""

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.contract.decisions import Answer, Decision
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.subjects import fan_subject
from actors.domain.correspondence import missing_before
from actors.domain.decide import decide_safely
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, exists
from actors.runtime.errors import IllegalStep
from actors.runtime.log_messages import LogMessage
from actors.runtime.op_reports import report_fault, report_missing, report_skipped
from actors.runtime.publish import Audience, Publication

if TYPE_CHECKING:
    from actors.runtime.partition import Partition

#: Envelopes kept for gateways that missed some; older ones are read from the stored changes.
TAIL_ENVELOPES: Final = 64


class Lifecycle(Enum):
    """Where an actor is between Postgres and memory."""

    #: Nothing of it is in memory; the first op or read wakes it.
    ASLEEP = "asleep"
    #: Its state is being read; ops queue behind the activation, readers wait for it.
    WAKING = "waking"
    #: Its state is in memory; ops are folded as they come and reads are answered at once.
    AWAKE = "awake"
    #: Everything is stored and its snapshot is being written; an op or a read makes it stay.
    FALLING_ASLEEP = "falling_asleep"


STEPS: Final[dict[Lifecycle, frozenset[Lifecycle]]] = {
    Lifecycle.ASLEEP: frozenset({Lifecycle.WAKING}),
    Lifecycle.WAKING: frozenset({Lifecycle.AWAKE, Lifecycle.ASLEEP}),
    Lifecycle.AWAKE: frozenset({Lifecycle.FALLING_ASLEEP}),
    Lifecycle.FALLING_ASLEEP: frozenset({Lifecycle.AWAKE, Lifecycle.ASLEEP}),
}


class Unflushed(NamedTuple):
    """A decision that Postgres does not have yet; `size` is that of its envelope and stands for its memory."""

    decision: Decision
    size: int


class Actor:
    """One wedding or supplier in memory."""

    __slots__ = (
        "audience",
        "fan",
        "id",
        "is_unreadable",
        "kind",
        "lifecycle",
        "partition",
        "queue",
        "snapshot_rev",
        "state",
        "tail",
        "unflushed",
        "used_at",
        "waiters",
    )

    def __init__(self, partition: "Partition", kind: str, identifier: str) -> None:
        self.partition = partition
        self.kind = kind
        self.id = identifier
        self.lifecycle = Lifecycle.ASLEEP
        self.state: ActorState | None = None
        #: Its stored form is damaged: ops are left in the log, and it stays WAKING until its partition is taken anew.
        self.is_unreadable = False
        self.audience: Audience | None = None
        self.snapshot_rev = 0
        self.used_at = partition.now()
        self.fan = fan_subject(partition.region, kind, identifier, partition.count)
        #: Ops that came while it was not awake, in order.
        self.queue: deque[LogMessage] = deque()
        #: Decisions that are not stored yet, in order.
        self.unflushed: deque[Unflushed] = deque()
        #: (rev, encoded envelope) of the last decisions, without a hole.
        self.tail: deque[tuple[int, bytes]] = deque(maxlen=TAIL_ENVELOPES)
        self.waiters: list[asyncio.Future[None]] = []

    def step(self, to: Lifecycle) -> None:
        """Go on in the lifecycle; raises IllegalStep and changes nothing when the table does not know the step."""
        if to not in STEPS[self.lifecycle]:
            raise IllegalStep(f"{self.id}: from {self.lifecycle.value} to {to.value}")
        self.lifecycle = to

    @property
    def awake_state(self) -> ActorState:
        """The state; raises IllegalStep when it is not in memory."""
        if self.state is None:
            raise IllegalStep(f"{self.id} is {self.lifecycle.value} and has no state")
        return self.state

    @property
    def is_unknown(self) -> bool:
        """Tell whether it is awake for a wedding that was never created."""
        return self.state is not None and not exists(self.state)

    @property
    def may_sleep(self) -> bool:
        """Tell whether it is awake and Postgres has all of it."""
        return self.lifecycle is Lifecycle.AWAKE and not self.unflushed

    def fold(self, message: LogMessage) -> list[Publication]:
        """Decide one op, follow the decision, and return what to send; an op that the state already includes does nothing."""
        if message.position <= self.awake_state.position:
            return []
        deciding = self.partition.resources.deciding
        deciding.begin(self.partition.number, message.position)
        publications = self._decide(message)
        # Not in a `finally`: what ends the process on its way out of here leaves the op in hand.
        deciding.done()
        return publications

    def _decide(self, message: LogMessage) -> list[Publication]:
        state, partition = self.awake_state, self.partition
        meta = partition.directives.meta_of(message)
        outcome, fault = decide_safely(state, message.entry, meta)
        if fault is not None:
            report_fault(partition, message, fault)
        elif meta.skipped:
            report_skipped(partition, message)
        if isinstance(outcome, Answer):
            return self._answer(outcome, message.entry.source)
        if message.entry.source == "actor" and (missing := missing_before(state, message.entry, message.principal)):
            report_missing(partition, message, missing)
        evolve(state, outcome)
        audience = self.audience
        if audience is None or audience.acl != state.acl:
            audience = self.audience = Audience(state)
        encoded, publications = partition.publisher.of_decision(self.fan, audience, outcome, self.id)
        self.tail.append((outcome.rev, encoded))
        partition.record(self, outcome, len(encoded))
        return publications

    def _answer(self, answer: Answer, source: str) -> list[Publication]:
        if answer.principal == TIMER_PRINCIPAL:  # nobody waits for it
            self.partition.counters.firings_ignored += 1
            return []
        if answer.waits:  # its decision is still to come
            return []
        self.partition.counters.answered_ops += 1
        if answer.look_up:
            self.partition.look_ups.put(self, answer, source)
            return []
        return self.partition.publisher.of_answer(self.fan, self.awake_state, answer, source)

    def forget_stored(self, checkpoint: int) -> tuple[int, int]:
        """Drop the unflushed decisions at or below the checkpoint; returns how many there were, and their bytes."""
        count = size = 0
        while self.unflushed and self.unflushed[0].decision.position <= checkpoint:
            size += self.unflushed.popleft().size
            count += 1
        return count, size

    def release_waiters(self, error: Exception | None = None) -> None:
        """Let everybody go on who waited for it to wake, or tell them why it will not."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def has_waiters(self) -> bool:
        return any(not waiter.done() for waiter in self.waiters)
