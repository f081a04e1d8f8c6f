"""Comparing one log stream with the stored changes over the range that both hold (design D12).

Both sides are read once, in order, in bounded memory. A message waits until its decision comes; one that has none must be a
repeat or decide nothing now. What is stored or trimmed meanwhile is left out, so a scrub may run beside a live system.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

from actors.contract.decisions import Answer
from actors.contract.errors import ContractError
from actors.contract.ids import parse_op_id
from actors.contract.subjects import log_stream
from actors.domain.decide import decide_safely
from actors.domain.evolve import evolve
from actors.domain.state import new_state
from actors.runtime.directives import Directives
from actors.runtime.log_messages import LogMessage, Marker, Undecodable, decode_message
from config.cli.verification.reading import snapshot_of, stored_decisions
from store import log_range, rules, scrubs, stored_changes
from store.bus import Bus
from store.log_fence import runs, span
from store.log_search import Found
from store.postgres import Database
from store.scrubs import StoredDecision

_WINDOW_MESSAGES: Final = 5000
_MOST_WAITING: Final = 50_000


class Difference(NamedTuple):
    """Where log and store disagree; `wedding` and `op` are empty where nobody knows them."""

    stream: str
    position: int
    wedding: str
    op: str
    what: str

    def __str__(self) -> str:
        """One line for the operator."""
        return f"{self.stream} {self.position} wedding {self.wedding or '?'} op {self.op or '?'}: {self.what}"


class StreamScrub:
    """One stream's comparison; iterate over `differences()`, then read the totals."""

    def __init__(self, bus: Bus, database: Database, stream: int, checkpoints: Mapping[int, int]) -> None:
        """`checkpoints` are those of this stream's partitions, read before the log."""
        self.stream = log_stream(stream)
        self.first = 0
        self.last = 0
        self.messages = 0
        self.decisions = 0
        self._bus = bus
        self._database = database
        self._checkpoints = checkpoints
        #: Messages whose decision has not come yet, by position.
        self._waiting: dict[int, LogMessage] = {}
        #: Positions that could not be read and for which no decision has come yet.
        self._unread: set[int] = set()

    async def differences(self, bounds: log_range.Bounds, after: int) -> AsyncIterator[Difference]:
        """Compare what lies after a position; raises StoreError."""
        after = max(after, bounds.first - 1)
        self.first, self.last = after + 1, bounds.last
        before, seen, reached = after, 0, after
        async for message in log_range.read(self._bus, self.stream, after, bounds.last):
            self._note_unread(reached + 1, message.position - 1)
            reached = message.position
            self._note(message)
            seen += 1
            if seen % _WINDOW_MESSAGES == 0:
                async for difference in self._match(before, reached):
                    yield difference
                before = reached
        self._note_unread(reached + 1, bounds.last)
        # The checkpoints may be beyond a log that went back.
        async for difference in self._match(before, max(bounds.last, *self._checkpoints.values())):
            yield difference
        async for difference in self._settle(0):
            yield difference

    def _note_unread(self, first: int, last: int) -> None:
        self._unread.update(range(first, last + 1))

    def _note(self, message: Found) -> None:
        self.messages += 1
        try:
            decoded = decode_message(*message)
        except Undecodable:
            return  # the host put it aside; nothing can be stored of it
        if isinstance(decoded, Marker):
            return
        if message.position <= self._checkpoints.get(decoded.partition, 0):
            self._waiting[message.position] = decoded

    async def _match(self, after: int, upto: int) -> AsyncIterator[Difference]:
        """Take the stored decisions of this stretch; each must have its message."""
        missing: list[StoredDecision] = []
        async for stored in scrubs.decisions_between(self._database, list(self._checkpoints), after, upto):
            position = stored.decision.position
            if not self.first <= position <= self._checkpoints[stored.partition]:
                continue
            self.decisions += 1
            self._unread.discard(position)
            message = self._waiting.pop(position, None)
            if message is None:
                missing.append(stored)
            elif what := _mismatch(message, stored):
                yield self._about(stored, what)
        if missing:
            # Trimmed meanwhile is not missing.
            now = await log_range.bounds(self._bus, self.stream)
            first = now.first if now is not None else 0
            for stored in missing:
                if stored.decision.position >= first:
                    yield self._about(stored, "stored, but not in the log")
        if len(self._waiting) > _MOST_WAITING:
            async for difference in self._settle(_MOST_WAITING // 2):
                yield difference

    def _about(self, stored: StoredDecision, what: str) -> Difference:
        return Difference(self.stream, stored.decision.position, stored.id, stored.decision.op, what)

    async def _settle(self, keep: int) -> AsyncIterator[Difference]:
        """Judge the messages that wait longest without a decision, and at the end the positions that nobody knows."""
        while len(self._waiting) > keep:
            message = self._waiting.pop(next(iter(self._waiting)))
            op = message.entry.op.id
            known = await stored_changes.find(self._database, message.kind, message.id, message.principal, op)
            if known is None and not await self._decides_nothing(message):
                yield Difference(self.stream, message.position, message.id, op, "in the log, but not stored")
        if keep:
            return
        now = await log_range.bounds(self._bus, self.stream)
        first = now.first if now is not None else 0
        for start, end in runs(sorted(position for position in self._unread if position >= first)):
            yield Difference(self.stream, start, "", "", f"{span(start, end)} cannot be read, and nothing is stored of it")

    async def _decides_nothing(self, message: LogMessage) -> bool:
        """Decide it again on the state before it: a hole in its author's numbers, for one, is an answer and no decision."""
        state = await snapshot_of(self._database, message.id, 2**62, message.kind)
        if state is None or state.position >= message.position:
            state = new_state(message.id, message.kind)
        async for decision in stored_decisions(self._database, message.id, 2**62, after=state.rev, kind=message.kind):
            if decision.position >= message.position:
                break
            evolve(state, decision)
        directives = Directives((await rules.markers(self._database, [message.partition]))[message.partition])
        outcome, _ = decide_safely(state, message.entry, directives.meta_of(message))
        return isinstance(outcome, Answer)


def _mismatch(message: LogMessage, stored: StoredDecision) -> str:
    """What the decision says otherwise than the op that the log holds at its position; "" when they agree."""
    op, decision = message.entry.op, stored.decision
    wanted = {
        "kind": (message.kind, stored.kind),
        "wedding": (message.id, stored.id),
        "principal": (message.principal, decision.principal),
        "op": (op.id, decision.op),
        "type": (op.type, decision.type),
        "action": (op.action, decision.action),
        "source": (message.entry.source, decision.source),
        "client version": (message.entry.client_version, decision.client_version),
        "number": (_number(op.id), decision.number) if decision.number else (0, 0),
    }
    found = [f"{name} {logged!r} in the log, {kept!r} stored" for name, (logged, kept) in wanted.items() if logged != kept]
    if message.timestamp_ms > decision.now_ms:
        found.append("its time in the log is after its decision")
    return "; ".join(found)


def _number(op: str) -> int:
    try:
        return parse_op_id(op).number
    except ContractError:
        return 0
