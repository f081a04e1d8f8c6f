"""One op of ours on its way: what it asks, its number once it has one, whether it is saved, and what became of it.

Made by `Client.edit`; moved along by the outbox.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from actors.contract.events import Event
from actors.contract.ops import Op


class Outcome(NamedTuple):
    """What became of an op. `sequences` maps the channels in which it is visible to us; a refusal has a code and a remedy.

    `conflicts` are the records that it wrote: of what it met, or of what it has settled.
    """

    op: str
    applied: bool
    code: str = ""
    message: str = ""
    remedy: str = ""
    sequences: Mapping[str, int] = MappingProxyType({})
    conflicts: tuple[str, ...] = ()
    #: Ops of others that wrote the same meanwhile.
    concurrent_with: tuple[str, ...] = ()


def outcome_seen(op: str, events: Sequence[Event]) -> Outcome:
    """Read the outcome of an applied op from its events."""
    met = tuple(change.id for event in events for change in event.data.changes if change.collection == "conflicts")
    rivals = tuple(dict.fromkeys(name for event in events for name in event.causality.with_ops))
    sequences = {event.channel: event.sequence for event in events}
    return Outcome(op, applied=True, sequences=sequences, conflicts=met, concurrent_with=rivals)


class Pending:
    """An op until its outcome: `await pending.outcome()` is what became of it, `await pending.saved()` whether it is on disk."""

    def __init__(self, op: Op, number: int = 0, asked_at: float | None = None, generation: int | None = None) -> None:
        """The rest is for an op that was kept: its number, when it was asked, and the log to which `op.base` belongs."""
        self.op = op
        #: 0 until it is first sent; taken back when the server says that the number is still free.
        self.number = number
        self.asked_at = time.time() if asked_at is None else asked_at
        self.generation = generation
        #: Sent on the present connection.
        self.sent = False
        loop = asyncio.get_running_loop()
        self._saved: asyncio.Future[bool] = loop.create_future()
        self._outcome: asyncio.Future[Outcome] = loop.create_future()

    @property
    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._outcome.done()

    @property
    def is_saved(self) -> bool:
        """Whether the server has said that the op is on disk."""
        return self._saved.done() and self._saved.result()

    @property
    def known_outcome(self) -> Outcome | None:
        """What became of the op, None while it is not known."""
        return self._outcome.result() if self._outcome.done() else None

    async def saved(self) -> bool:
        """Wait until the op is on disk; False when it was refused without being taken."""
        return await asyncio.shield(self._saved)

    async def outcome(self) -> Outcome:
        """Wait until it is known what became of the op; giving up waiting does not take the op back."""
        return await asyncio.shield(self._outcome)

    def numbered(self, client: str) -> Op:
        """Return the op under its id."""
        return msgspec.structs.replace(self.op, id=f"{client}:{self.number}")

    def forget_base(self) -> None:
        """Drop the claims about channel sequences: they belong to a log that is gone."""
        # An edit of a text without a claim would be meant for the text as it is; 0 says that its text is gone.
        base = dict.fromkeys(self.op.base, 0) if self.op.action == "edit" else {}
        self.op, self.generation = msgspec.structs.replace(self.op, base=base), None

    def mark_saved(self) -> None:
        """Note that the op is on disk."""
        if not self._saved.done():
            self._saved.set_result(True)

    def settle(self, outcome: Outcome, *, taken: bool) -> None:
        """Note what became of it; `taken` says that it consumed its number, hence was saved."""
        if not self._saved.done():
            self._saved.set_result(taken)
        if not self._outcome.done():
            self._outcome.set_result(outcome)
