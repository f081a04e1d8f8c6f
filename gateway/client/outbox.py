"""Our ops in order, their numbers, and which of them must be sent (design D5). Pure bookkeeping: no IO, no clock.

A number is given when an op is first sent and kept until the server says that it is still free. When that happens, everything
sent after it is refused as well; the outbox holds until these answers have come, then numbers the rest anew, in order.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from actors.contract.codes import CODES
from actors.contract.ops import MAX_OP_BYTES, Op
from gateway.client.errors import HistoryMissing, QueueFull
from gateway.client.pending import Outcome, Pending

CONFIRMED_KEPT: Final = 200
#: An op refused with one of these was not judged: it is sent again.
SEND_AGAIN: Final = frozenset({"resend_from", "slow_down", "unavailable", "waking"})
#: Of those, the ones that ask for a pause first.
PAUSE: Final = frozenset({"slow_down", "unavailable", "waking"})
DEFAULT_PAUSE_SECONDS: Final = 0.5

_encode: Final = msgspec.json.Encoder().encode


class Outbox:
    """The ops without an answer, oldest first, and the last confirmed ones."""

    def __init__(self, *, limit: int, window: int) -> None:
        self.client: str | None = None
        self._limit = limit
        self._window = window
        self._queue: list[Pending] = []
        self._confirmed: deque[Pending] = deque(maxlen=CONFIRMED_KEPT)
        self._next = 1
        #: The highest number whose decision we know.
        self._settled = 0
        #: The free number from which everything is numbered anew once the answers on their way have come; 0 when not holding.
        self._hold = 0

    def __len__(self) -> int:
        return len(self.unanswered())

    @property
    def holding(self) -> bool:
        """Whether answers to ops that the server cannot take are still on their way."""
        return self._hold != 0

    def standing(self) -> tuple[str | None, int, int]:
        """What must be kept beside the ops themselves: client id, next number, highest number whose decision is known."""
        return self.client, self._next, self._settled

    def restore(self, client: str | None, following: int, settled: int, kept: list[Pending]) -> None:
        """Go on where another process stopped: its ops stand before all that were made since."""
        self.client, self._next, self._settled = client, following, settled
        self._queue = [*kept, *self._queue]

    def unanswered(self) -> list[Pending]:
        """The pending ops without an answer, oldest first."""
        return [pending for pending in self._queue if not pending.done]

    def wipe(self) -> None:
        """Forget every op: the wedding is erased."""
        self._queue.clear()
        self._confirmed.clear()

    def waiting(self) -> list[Op]:
        """The ops without an answer, oldest first."""
        return [pending.op for pending in self.unanswered()]

    def add(self, pending: Pending) -> None:
        """Put an op at the end; raises QueueFull. One that is too large is refused here: its frame would end the connection."""
        if len(_encode(pending.op)) > MAX_OP_BYTES:
            pending.settle(Outcome("", False, "too_large", *CODES["too_large"]), taken=False)
            return
        if len(self._queue) >= self._limit:
            raise QueueFull(f"{self._limit} ops wait for an answer already; wait until some are answered.")
        self._queue.append(pending)

    def start(self, client: str, last: int) -> None:
        """Begin a connection on which the server knows this client up to number `last`; raises HistoryMissing."""
        if client != self.client:
            self._begin_as(client)
        self._take_back_held()
        for pending in self._queue:
            pending.sent = False
        first = min((pending.number for pending in self._queue if pending.number), default=self._next)
        if last + 1 < first:
            self._recall(last + 1)
        self._next = max(self._next, last + 1)

    def to_send(self) -> list[Pending]:
        """Number and return what may be sent now, oldest first; the caller sends all of it."""
        if self._hold:
            return []
        ready: list[Pending] = []
        in_flight = sum(pending.sent for pending in self._queue)
        for pending in self._queue:
            if pending.sent:
                continue
            if in_flight + len(ready) >= self._window:
                break
            if not pending.number:
                pending.number = self._next
                self._next += 1
            pending.sent = True
            ready.append(pending)
        return ready

    def saved(self, number: int) -> None:
        """Note that every op up to this number is on disk."""
        for pending in self._queue:
            if 0 < pending.number <= number:
                pending.mark_saved()

    def settle(self, number: int, outcome: Outcome) -> None:
        """Note the decision about an op that the server took; a number that waits for nothing is a repeat."""
        for index, pending in enumerate(self._queue):
            if pending.number == number:
                pending.settle(outcome, taken=True)
                del self._queue[index]
                self._confirmed.append(pending)
                self._settled = max(self._settled, number)
                return

    def refuse(self, number: int, following: int, outcome: Outcome, *, final: bool) -> bool:
        """Note that an op was not taken and `following` is still free; drop it when `final`. Tells whether it was one of ours.

        Raises HistoryMissing when the server wants ops from before everything that is kept.
        """
        pending = next((pending for pending in self._queue if pending.sent and pending.number == number), None)
        if pending is None:
            return False
        pending.number, pending.sent = 0, False
        if final:
            self._queue.remove(pending)
            pending.settle(outcome, taken=False)
        self._hold = min(self._hold or following, following)
        return True

    def release(self) -> bool:
        """End the hold if no answer is on its way any more; True when sending may go on."""
        if self._hold and any(pending.number >= self._hold for pending in self._queue if pending.sent):
            return False
        self._take_back_held()
        return True

    def _take_back_held(self) -> None:
        """Give the numbers from the hold on back, for the server has taken none of them; what it once took it has lost."""
        if not self._hold:
            return
        hold, self._hold = self._hold, 0
        for pending in self._queue:
            if pending.number >= hold:
                pending.sent = False
                if pending.number > self._settled:
                    pending.number = 0
        self._next = 1 + max([self._settled, hold - 1, *(pending.number for pending in self._queue)])
        if hold <= self._settled:
            self._recall(hold)

    def _recall(self, number: int) -> None:
        """Put the confirmed ops from `number` on back to be sent again under their own numbers: the server has lost them."""
        again = [pending for pending in self._confirmed if pending.number >= number]
        known = {pending.number for pending in self._queue if pending.number} | {pending.number for pending in again}
        if any(missing not in known for missing in range(number, self._next)):
            raise HistoryMissing(f"The server asks for op {number}, of which this client holds no copy.")
        for pending in again:
            self._confirmed.remove(pending)
            pending.sent = False
        numbered = sorted([*again, *(pending for pending in self._queue if pending.number)], key=lambda pending: pending.number)
        self._queue = [*numbered, *(pending for pending in self._queue if not pending.number)]

    def _begin_as(self, client: str) -> None:
        """Go on under another client id: every op without an answer gets a new number."""
        self.client = client
        self._confirmed.clear()
        self._queue = [pending for pending in self._queue if not pending.done]
        for pending in self._queue:
            pending.number = 0
        self._next, self._settled, self._hold = 1, 0, 0
