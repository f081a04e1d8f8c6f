"""Conflicts told in verbs: two people write one field without having seen each other's op, and what the rules make of it.

No servers, no clock. Called by the tests of conflicts and by the campaign `strategies`.
"""

from typing import Any

import msgspec

from actors.contract.collections import COLLECTIONS
from actors.contract.decisions import Decision, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry
from actors.domain.conflict_expiry import TIMER
from tests.support.folding import Fold, wedding_with_members


def seen_by_all(fold: Fold) -> dict[str, int]:
    """The claim of somebody who has seen everything until now."""
    return {name: channel.sequence for name, channel in fold.state.channels.items()}


def wedding_with(
    collection: str, fields: dict[str, Any], *, rules: dict[str, str] | None = None, item: str = "x", by: str = "amara"
) -> Fold:
    """A wedding of all roles with one item, and strategies of its own."""
    fold = wedding_with_members()
    fold.act(by, collection, "insert", item, fields)
    if rules is not None:
        fold.act("amara", "wedding", "update", fold.state.id, {"conflictRules": rules})
    fold.now_ms += 60_000
    return fold


def applied(decision: Decision) -> Decision:
    """The decision, which refuses nothing."""
    assert decision.refusal is None, decision.refusal
    return decision


def at_once(fold: Fold, collection: str, *writes: tuple[str, dict[str, Any]], item: str = "x") -> list[Decision]:
    """Let people update an item, each without having seen what the others do."""
    base = seen_by_all(fold)
    return [applied(fold.act(person, collection, "update", item, data, base=base)) for person, data in writes]


def records(fold: Fold) -> list[dict[str, Any]]:
    """Every record of the wedding, the oldest first."""
    return [record.fields for record in fold.state.items.get("conflicts", {}).values()]


def the_record(fold: Fold) -> tuple[str, dict[str, Any]]:
    """The only record and its id."""
    [(identifier, record)] = fold.state.items["conflicts"].items()
    return identifier, record.fields


def told(fold: Fold, person: str) -> list[str]:
    """What stands in somebody's inbox about conflicts."""
    inbox = fold.state.items.get("inbox", {}).values()
    return [item.fields["text"] for item in inbox if item.fields["person"] == person and item.fields.get("kind") == "conflict"]


def answer(fold: Fold, person: str, action: str, choice: str | None = None, **more: Any) -> Decision:
    """Let somebody answer the only record."""
    identifier, record = the_record(fold)
    data = more if choice is None else {"choice": choice, **more}
    return fold.act(person, "conflicts", action, identifier, data, op_type=type_of(record["collection"]))


def type_of(collection: str) -> str:
    """The type of the ops that write a collection."""
    return COLLECTIONS[collection].type


def let_time_pass(fold: Fold, milliseconds: int) -> Decision | None:
    """Let so much time pass, and the timer of the open conflicts fire if it is due then."""
    fold.now_ms += milliseconds
    armed = fold.state.timers.armed.get(TIMER)
    if armed is None or armed.due_ms > fold.now_ms:
        return None
    starts = [effect for decision in fold.decisions for effect in decision.effects if isinstance(effect, StartTimer)]
    [body] = [start.body for start in starts if start.id == TIMER and start.number == armed.number]
    outcome = fold.take(TIMER_PRINCIPAL, msgspec.json.decode(body, type=LogEntry))
    assert isinstance(outcome, Decision)
    return applied(outcome)
