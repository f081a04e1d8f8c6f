"""A wedding folded in memory, told in verbs: who does what, and what the rules make of it. No servers, no clock.

Called by the tests of the domain and by those that need a realistic state without a system around it.
"""

from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from actors.contract.collections import COLLECTIONS
from actors.contract.decisions import Answer, Decision
from actors.contract.ops import LogEntry, Op, Source, Target
from actors.domain.decide import Meta, decide_safely
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import ActorState, new_state

WEDDING = "lakeside-test"
#: 2027-06-19T08:00:00Z, a Saturday.
START_MS = 1_813_392_000_000

WEDDING_DATA: dict[str, Any] = {
    "title": "Test",
    "date": "2027-06-19",
    "timeZone": "Europe/Zurich",
    "homeCurrency": "CHF",
}
#: One member per role; `amara` created the wedding.
MEMBERS = {"amara": "couple", "petra": "planner", "bloom": "vendor", "fatou": "family", "noemi": "friend", "urs": "guest"}


def op_of(
    op_id: str,
    collection: str,
    action: str,
    identifier: str,
    data: dict[str, Any] | None = None,
    base: dict[str, int] | None = None,
    op_type: str | None = None,
) -> Op:
    """Make an op of the type that writes the collection."""
    op_type = op_type or COLLECTIONS[collection].type
    return Op(op_type, action, Target(collection, identifier), op_id, data or {}, base or {})


class Fold:
    """One wedding's log and state. Every verb appends one op to the log and follows what the rules make of it."""

    def __init__(self, wedding: str = WEDDING, rules: int = NEWEST) -> None:
        #: The version of the rules that decides from the next op on.
        self.rules = rules
        self.state: ActorState = new_state(wedding)
        self.log: list[tuple[LogEntry, Meta]] = []
        self.decisions: list[Decision] = []
        self.now_ms = START_MS
        self._numbers: dict[str, int] = {}

    @classmethod
    def on(cls, state: ActorState) -> Self:
        """Go on with a state of before."""
        fold = cls(state.id)
        fold.state, fold.now_ms = state, state.now_ms
        fold._numbers = {name: client.last for name, client in state.clients.items()}
        return fold

    def send(self, principal: str, op: Op, source: Source = "websocket") -> Decision | Answer:
        """Put one op into the log and fold it."""
        return self.take(principal, LogEntry(op, source, "test/1"))

    def take(self, principal: str, entry: LogEntry) -> Decision | Answer:
        """Put one entry into the log and fold it."""
        meta = Meta(self.state.id, principal, len(self.log) + 1, self.now_ms, self.rules)
        self.log.append((entry, meta))
        outcome, _ = decide_safely(self.state, entry, meta)
        if isinstance(outcome, Decision):
            evolve(self.state, outcome)
            self.decisions.append(outcome)
        return outcome

    def act(
        self,
        principal: str,
        collection: str,
        action: str,
        identifier: str,
        data: dict[str, Any] | None = None,
        *,
        base: dict[str, int] | None = None,
        client: str = "",
        op_type: str | None = None,
        **more: Any,
    ) -> Decision:
        """Let a member's client send its next op; it is met in its turn and decided. `more` are further members of the op."""
        client = client or f"{datetime.fromtimestamp(self.now_ms / 1000, UTC):%Y%m%d}-{principal}0000"
        self._numbers[client] = number = self._numbers.get(client, 0) + 1
        op = op_of(f"{client}:{number}", collection, action, identifier, data, base, op_type)
        outcome = self.send(principal, msgspec.structs.replace(op, **more))
        assert isinstance(outcome, Decision), outcome
        return outcome

    def item(self, collection: str, identifier: str) -> dict[str, Any]:
        """The fields of an item that is there."""
        return self.state.items[collection][identifier].fields


def wedding_with_members(rules: int = NEWEST) -> Fold:
    """A wedding that `amara` created, with one member of every role."""
    fold = Fold(rules=rules)
    fold.act("amara", "wedding", "insert", WEDDING, WEDDING_DATA | {"role": "couple"})
    for person, role in MEMBERS.items():
        if person != "amara":
            fold.act("amara", "people", "insert", person, {"name": person.title(), "role": role})
    return fold
