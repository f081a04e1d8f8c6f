"""What the fields of an update meet that its author had not seen, and who prevails in each. Pure. Called by `disputes`.

Each field is settled by itself. Then who loses one field loses with it whatever means something only together with that one:
else the item would say what nobody has meant, such as hours that end before they begin.
"""

from typing import Any, Final, NamedTuple

from actors.contract.collections import COLLECTIONS, MERGED_TEXTS
from actors.contract.conflicts import HIERARCHY, MERGE, NORMAL, PRIORITIES
from actors.contract.ops import Op
from actors.domain.conflict_table import company_of, rank_of, rule_for
from actors.domain.items import Request
from actors.domain.merging import UNKNOWN
from actors.domain.noticing import unseen_write, value_at_claim
from actors.domain.state import Item, Write
from actors.domain.strategies import Dispute, Side, Verdict, settle

#: Roles that may call an op critical.
_MAY_RAISE_ALARM: Final = frozenset({"couple", "planner", "vendor"})
#: Begins the reason of what is lost along.
_ALONG: Final = "it shares the fate of another field: "


class Meeting(NamedTuple):
    """The write that a field of an op has met, who prevails, and whether the two disagree.

    `rival` is the write to which the field is lost: another one than `write`, its last, where it is lost along.
    """

    write: Write
    rival: Write
    verdict: Verdict
    is_conflict: bool


def met_by(request: Request, item: Item) -> dict[str, Meeting]:
    """Return what each field of an update meets, for those that meet anything."""
    collection, data, found = request.op.target.collection, request.op.data, dict[str, Meeting]()
    for field, value in data.items():
        write = None if (collection, field) in MERGED_TEXTS else unseen_write(request, item, field)
        if write is not None:
            found[field] = _met(request, item, field, write, value)
    lost = [field for field, meeting in found.items() if meeting.is_conflict and meeting.verdict.outcome == "first"]
    # What is lost along takes its own company along, so the list grows on the way.
    for field in lost:
        for other in sorted(company_of(collection, field) & data.keys() - set(lost)):
            found[other] = _lost_along(item, other, data[other], found[field])
            if found[other].is_conflict:
                # What the op only repeats is lost to nobody, and nothing with it.
                lost.append(other)
    return found


def _met(request: Request, item: Item, field: str, write: Write, value: Any) -> Meeting:
    """Settle one field; where both want the same, they do not disagree, and it stays with who prevails."""
    now, target = item.fields.get(field), request.op.target
    strategy = rule_for(request.state, target.collection, field).strategy
    base = value_at_claim(request, item, field) if strategy == MERGE else UNKNOWN
    dispute = Dispute(first_side(request, field, write, now), second_side(request, field, value), base)
    verdict = settle(strategy, dispute)
    if verdict.outcome == "merged" and not fits(request.op, field, verdict.value):
        verdict = settle(HIERARCHY, dispute)
    return Meeting(write, write, verdict, verdict.value != value if verdict.outcome == "merged" else now != value)


def _lost_along(item: Item, field: str, value: Any, cause: Meeting) -> Meeting:
    """Let what stands in a field stand, for the reason for which its company does."""
    now = item.fields.get(field)
    why = cause.verdict.reason
    verdict = cause.verdict._replace(value=now, reason=why if why.startswith(_ALONG) else f"{_ALONG}{why}")
    return Meeting(item.last_write(field), cause.rival, verdict, now != value)


def first_side(request: Request, field: str, write: Write, value: Any) -> Side:
    """Return the side of the write that stands there."""
    return Side(value, rank_of(request.state, write.principal, *place_of(request), field), write.priority)


def second_side(request: Request, field: str, value: Any) -> Side:
    """Return the side of the op."""
    rank = rank_of(request.state, request.principal, *place_of(request), field)
    return Side(value, rank, priority_of(request.op, request.role))


def priority_of(op: Op, role: str) -> int:
    """Return how urgent an op is; guests and friends do not raise an alarm."""
    level = PRIORITIES.index(op.priority) if op.priority else NORMAL
    return level if role in _MAY_RAISE_ALARM else min(level, NORMAL)


def place_of(request: Request) -> tuple[str, str]:
    """Return collection and id of the op's target."""
    return request.op.target.collection, request.op.target.id


def fits(op: Op, field: str, value: Any) -> bool:
    """Tell whether a merged value may stand in the field; no value may, where none is required."""
    collection = COLLECTIONS[op.target.collection]
    return field not in collection.required if value is None else collection.fields[field](value) is None
