"""Proof (b): deciding again every op that the log still holds gives the decisions that are stored.

Pure. The state to decide on is that of the stored decisions, so that one difference is told once and not in all that follow.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from actors.contract.decisions import Answer, Decision
from actors.domain.decide import decide_safely
from actors.domain.state import ActorState
from actors.runtime.directives import Directives
from actors.runtime.log_messages import LogMessage

_FAULT_OF_OURS = "internal_error"
_encode = msgspec.msgpack.Encoder().encode


class Replay:
    """The ops of one wedding in the log, in order, from the log's position `first` on; each decided with its position's rules."""

    def __init__(self, first: int, messages: Iterable[LogMessage], directives: Directives) -> None:
        self.first = first
        self._directives = directives
        self.decided_again = 0
        self.answered_again = 0
        #: Ops that met a fault of ours when they were decided; deciding them again, mended, may give something else.
        self.faults = 0
        self.differences: list[str] = []
        self._waiting = deque(messages)

    def before(self, state: ActorState, decision: Decision) -> None:
        """Compare with the next stored decision; `state` is that before it."""
        self.answers_until(state, decision.position)
        if decision.position < self.first:
            return
        if not self._waiting or self._waiting[0].position != decision.position:
            self.differences.append(f"log: the op {decision.op} at position {decision.position} is stored, but not in the log")
            return
        outcome = self._decide(state, self._waiting.popleft())
        if decision.refusal is not None and decision.refusal.code == _FAULT_OF_OURS:
            self.faults += 1
        elif _encode(outcome) == _encode(decision):
            self.decided_again += 1
        else:
            self.differences.append(f"log: {_difference(outcome, decision)}")

    def answers_until(self, state: ActorState, position: int) -> None:
        """Check that the ops below a position for which no decision is stored decide nothing now either."""
        while self._waiting and self._waiting[0].position < position:
            message = self._waiting.popleft()
            if isinstance(self._decide(state, message), Answer):
                self.answered_again += 1
            else:
                op = message.entry.op.id
                self.differences.append(
                    f"log: the op {op} at position {message.position} has no stored decision, but is decided now"
                )

    def _decide(self, state: ActorState, message: LogMessage) -> Decision | Answer:
        outcome, _ = decide_safely(state, message.entry, self._directives.meta_of(message))
        return outcome


def _difference(outcome: Decision | Answer, stored: Decision) -> str:
    place = f"the op {stored.op} at position {stored.position} (rev {stored.rev})"
    if isinstance(outcome, Answer):
        return f"{place} is stored as a decision and only answered now"
    fields = [
        field for field in Decision.__struct_fields__ if _encode(getattr(outcome, field)) != _encode(getattr(stored, field))
    ]
    return f"{place} is decided otherwise now: {', '.join(fields)}"
