"""Weddings and suppliers that write to each other, folded in memory: no outbox, no servers, no clock.

`deliver` carries every message to its receiver until all is said. Called by the tests of messages between actors.
"""

from typing import Any

import msgspec

from actors.contract.correspondence import principal_of
from actors.contract.decisions import Decision, SendMessage
from actors.contract.ops import LogEntry
from actors.contract.subjects import VENDOR
from actors.domain.state import ActorState, VendorState
from tests.support.folding import WEDDING_DATA, Fold

HOURS = {"contractStart": "2027-06-19T12:00:00Z", "contractEnd": "2027-06-19T20:00:00Z"}
_decode = msgspec.json.Decoder(LogEntry).decode


class Vendor(Fold):
    """A supplier's log and state."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.state: ActorState = VendorState(identifier)

    def bookings(self) -> dict[str, str]:
        """The calendar: how each booking stands."""
        return {key: item.fields["booking"] for key, item in self.state.items.get("bookings", {}).items()}


class Town:
    """Every wedding and supplier that a test names."""

    def __init__(self) -> None:
        self.weddings: dict[str, Fold] = {}
        self.vendors: dict[str, Vendor] = {}
        self._sent_of: dict[str, int] = {}

    def wedding(self, name: str) -> Fold:
        """The wedding of this name, made by `ana`."""
        if name not in self.weddings:
            fold = self.weddings[name] = Fold(name)
            fold.act("ana", "wedding", "insert", name, WEDDING_DATA | {"role": "couple"})
        return self.weddings[name]

    def vendor(self, name: str) -> Vendor:
        return self.vendors.setdefault(name, Vendor(name))

    def act(self, wedding: str, action: str, item: str = "flora", data: dict[str, Any] | None = None) -> Decision:
        """Let the couple of a wedding do something to one of its suppliers; refusals fail the test."""
        decision = self.wedding(wedding).act("ana", "vendors", action, item, data)
        assert decision.refusal is None, decision.refusal
        return decision

    def book(self, wedding: str, item: str = "flora", account: str = "bloom", **hours: str) -> Decision:
        """Take a supplier with an account into a wedding, for the usual hours unless others are named."""
        return self.act(wedding, "insert", item, {"name": "Bloom", "account": account} | HOURS | hours)

    def deliver(self, copies: int = 1) -> None:
        """Carry every message, each so many times, until nothing is left to say."""
        while messages := self._collect():
            for principal, message in messages:
                for _ in range(copies):
                    self._hand_over(principal, message)

    def booking(self, wedding: str, item: str = "flora") -> Any:
        """What the wedding knows about its booking."""
        return self.wedding(wedding).item("vendors", item).get("booking")

    def _collect(self) -> list[tuple[str, SendMessage]]:
        """What the decisions since the last call send."""
        found = []
        for fold in (*self.weddings.values(), *self.vendors.values()):
            principal = principal_of(fold.state.kind, fold.state.id)
            for decision in fold.decisions[self._sent_of.get(principal, 0) :]:
                found += [(principal, effect) for effect in decision.effects if isinstance(effect, SendMessage)]
            self._sent_of[principal] = len(fold.decisions)
        return found

    def _hand_over(self, principal: str, message: SendMessage) -> None:
        entry = _decode(message.body)
        receiver = self.vendor(message.id) if message.kind == VENDOR else self.wedding(message.id)
        receiver.take(principal, entry)
