"""The order of a room's envelopes: what came too early waits here until everything before it was delivered. Pure.

Revs are contiguous, core NATS loses and repeats: lower revs are dropped, a hole shows in `is_missing`. Used by the room.
"""

from typing import Final

from actors.contract.calls import ClientCounter
from actors.contract.envelopes import Envelope

#: Envelopes that may wait behind a hole; what comes beyond them is dropped and fetched later.
MOST_HELD: Final = 2000


class EnvelopeOrder:
    """`rev` is that of the last delivered envelope, `known_rev` the highest that is known to exist."""

    def __init__(self, rev: int) -> None:
        self.rev = rev
        self.known_rev = rev
        self._held: dict[int, Envelope] = {}
        self._answers: list[Envelope] = []

    @property
    def is_empty(self) -> bool:
        """Nothing waits: an envelope of the next rev may go out at once."""
        return not self._held and not self._answers

    def hold(self, envelope: Envelope) -> None:
        """Keep an envelope until its turn; a whole one replaces one whose events must be fetched."""
        self.learn(envelope.rev)
        if not envelope.decided:
            self._answers.append(envelope)
        elif envelope.rev > self.rev and (len(self._held) < MOST_HELD or envelope.rev == self.rev + 1):
            known = self._held.get(envelope.rev)
            if known is None or known.fetch:
                self._held[envelope.rev] = envelope

    def learn(self, rev: int) -> bool:
        """The owner is known to stand at `rev`; tells whether that is news."""
        if rev <= self.known_rev:
            return False
        self.known_rev = rev
        return True

    def following(self) -> Envelope | None:
        """The envelope that is next, if it is here and whole; it stays until `delivered`."""
        envelope = self._held.get(self.rev + 1)
        return None if envelope is None or envelope.fetch else envelope

    def delivered(self, envelope: Envelope) -> None:
        """Go on behind this envelope."""
        self.rev = envelope.rev
        self._held.pop(envelope.rev, None)
        self.learn(envelope.rev)

    def take_due_answers(self) -> list[Envelope]:
        """The answers that were given at or below the delivered rev; they are gone from here afterwards."""
        due = [answer for answer in self._answers if answer.rev <= self.rev]
        if due:
            self._answers = [answer for answer in self._answers if answer.rev > self.rev]
        return due

    def is_missing(self) -> bool:
        """Tell whether something up to the known rev is not here."""
        rev = self.rev
        while (envelope := self._held.get(rev + 1)) is not None and not envelope.fetch:
            rev += 1
        return rev < self.known_rev


def count_op(clients: dict[str, ClientCounter], envelope: Envelope) -> None:
    """Follow the number of a decided op; one that has waited for others is decided behind later ones and takes nothing back."""
    client, last = envelope.op.rpartition(":")[0], envelope.next - 1
    known = clients.get(client)
    if known is None or known.last < last:
        clients[client] = ClientCounter(envelope.principal, last)
