"""Conflicts in the fold: an op that meets a write its author had not seen is settled, applied as settled, and recorded.

An op without a conflict passes with one look at the writers of what it overwrites. One with conflicts is judged again with the
values that prevail, so that every rule of its section follows what becomes of the item. An op that loses is applied all the same:
as a record, without a change to the field. From version 3 of the rules on (docs/conflicts.md). Called by `members`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from actors.contract.changes import Change
from actors.contract.collections import MERGED_TEXTS
from actors.contract.conflicts import HIERARCHY, MERGE, PRIORITY, WHOLE_ITEM
from actors.domain import conflict_expiry, items
from actors.domain.authority import require_write
from actors.domain.conflict_records import Disputed, recorded, repeated
from actors.domain.conflict_table import rank_of, rule_for
from actors.domain.errors import Refused
from actors.domain.field_disputes import Meeting, first_side, fits, met_by, place_of, priority_of, second_side
from actors.domain.items import Plan, PlannedPart, Request, joined
from actors.domain.merging import UNKNOWN, merge
from actors.domain.noticing import said_later, unseen_burial, unseen_write
from actors.domain.rules import REVIVE, verb_of
from actors.domain.state import Grave, Item, Write, find_item, grave_of
from actors.domain.strategies import Dispute, Verdict, settle

#: These are nobody's business but their reader's, or are records themselves.
_UNDISPUTED: Final = frozenset({"inbox", "conflicts"})


def judged(request: Request, plan: Plan) -> Plan:
    """Return what the op does, with every conflict in it settled; `plan` is what its verb makes of it."""
    if plan.parts and request.op.dependencies:
        request, plan = _without_later_words(request, plan)
    if plan.parts:
        overwritten = plan.parts[0].overwritten
        for write in overwritten:
            if write.client != request.client or write.principal != request.principal or write.said is not None or write.met:
                plan = _settled(request, plan)
                break
    return plan if not request.op.priority else plan._replace(priority=priority_of(request.op, request.role))


def _without_later_words(request: Request, plan: Plan) -> tuple[Request, Plan]:
    """Leave out of an op that has waited what its own client has said since: what was said last stands."""
    op, item = request.op, find_item(request.state, *place_of(request))
    if item is None or op.action not in ("update", "move"):
        return request, plan
    fields = {"order"} if op.action == "move" else op.data.keys()
    later = said_later(request, item, fields)
    if not later:
        return request, plan
    if later == fields:
        return request, _nothing(request, item)
    op = msgspec.structs.replace(op, data={field: value for field, value in op.data.items() if field not in later})
    return request._replace(op=op), _asked(request, "update", op.data)


def judged_again(request: Request, refused: Refused) -> Plan:
    """Return what becomes of an op that its verb refuses: an edit of an item whose end its author had not seen is kept.

    Raises the refusal of any other.
    """
    if refused.code != "not_found" or request.op.action != "update" or not _edits_deleted(request):
        raise refused
    return _edit_of_deleted(request)


def _settled(request: Request, plan: Plan) -> Plan:
    op = request.op
    item = find_item(request.state, op.target.collection, op.target.id)
    if item is None or op.target.collection in _UNDISPUTED:
        return plan
    if _moves(request, item.channel, plan):
        # A record would tell the new readers what the old ones read, or the old ones what is for the new: the op stands as it is.
        return plan
    if op.action == "update":
        return _update(request, item, plan)
    if op.action == "move":
        return _move(request, item, plan)
    return _delete(request, item, plan) if op.action == "delete" else plan


def _moves(request: Request, channel: str, plan: Plan) -> bool:
    """Tell whether a plan puts the op's item into another channel."""
    place = place_of(request)
    return any(
        part.channel != channel and any((each.collection, each.id) == place for each in part.changes) for part in plan.parts
    )


def _update(request: Request, item: Item, plan: Plan) -> Plan:
    """Settle field by field, and judge the op again with the values that prevail."""
    prevailing, said, found, again = dict(request.op.data), {}, [], list[PlannedPart]()
    meetings = met_by(request, item)
    for field, value in request.op.data.items():
        if (request.op.target.collection, field) in MERGED_TEXTS:
            continue
        if field not in meetings:
            merged, result = _follow_own_merge(request, item, field, value)
            if merged:
                prevailing[field], said[field] = result, _as_kept(value, result)
            again += repeated(request, item, field, value, {"result": result} if merged else {})
            continue
        meeting = meetings[field]
        verdict = meeting.verdict
        if meeting.is_conflict:
            found.append((field, meeting, value))
        if verdict.outcome == "first":
            del prevailing[field]
        elif verdict.value != value:
            prevailing[field], said[field] = verdict.value, _as_kept(value, verdict.value)
    if prevailing == request.op.data and not found:
        return plan._replace(parts=joined((*plan.parts, *again)))
    settled = Plan(()) if found else _nothing(request, item)
    if prevailing:
        settled = _asked(request, "update", prevailing)
    channel = settled.parts[-1].channel if settled.parts else item.channel
    disputes = [
        (_lost_or_won(request, field, channel, meeting, item.fields.get(field), value), meeting.verdict)
        for field, meeting, value in found
    ]
    return _with_records(request, settled, disputes, plan.parts[0].overwritten, again)._replace(said=said)


def _follow_own_merge(request: Request, item: Item, field: str, value: Any) -> tuple[bool, Any]:
    """Merge a later op of a client whose last value was merged, and that had not seen the result."""
    last, claim = item.last_write(field), request.op.base.get(item.channel)
    is_own = last.client == request.client and last.principal == request.principal
    if last.said is None or not is_own or claim is None or claim >= last.sequence:
        return False, None
    can, result = merge(last.said, item.fields.get(field), value, second_wins=True)
    return can and fits(request.op, field, result), result


def _as_kept(said: Any, merged: Any) -> Any:
    """Return what an author said as the state keeps it, where None would be nothing said: who cleared the field left it empty."""
    return type(merged)() if said is None and merged is not None else said


def _move(request: Request, item: Item, plan: Plan) -> Plan:
    """A place in a list is the later mover's."""
    write = unseen_write(request, item, "order")
    if write is None or write is item.inserted:
        return plan
    place = next(iter(plan.parts[0].changes)).set
    order = place["order"] if isinstance(place, dict) else None
    dispute = Dispute(first_side(request, "order", write, item.fields["order"]), second_side(request, "order", order), UNKNOWN)
    verdict = settle(rule_for(request.state, request.op.target.collection, "order").strategy, dispute)
    if verdict.outcome != "second":
        plan = Plan(())
    contents = _content(item.fields["order"]), _content(order)
    disputed = _disputed(request, "order", item.channel, write, *contents)
    return _with_records(request, plan, [(disputed, verdict)], (write,))


def _delete(request: Request, item: Item, plan: Plan) -> Plan:
    """A delete stands unless somebody who counts more has edited it unnoticed; what the server notes and a place are no edits."""
    edits = item.writes.keys() - items.of_server(request) - {"order"}
    unseen = [write for field in item.writes if field in edits and (write := unseen_write(request, item, field)) is not None]
    if not unseen:
        return plan
    ranked = {write.op: rank_of(request.state, write.principal, *place_of(request), WHOLE_ITEM) for write in unseen}
    write = min(unseen, key=lambda each: (ranked[each.op], -each.sequence))
    verdict = _whole_item_verdict(request, write, delete_is_second=True)
    if verdict.outcome == "first":
        plan = Plan(())
    edited = {name: item.fields.get(name) for name, each in item.writes.items() if name in edits and each in unseen}
    disputed = _disputed(request, WHOLE_ITEM, item.channel, write, _contents(edited), {"deleted": True})
    return _with_records(request, plan, [(disputed, verdict)], tuple(unseen))


def _edits_deleted(request: Request) -> bool:
    grave = _grave(request)
    return grave is not None and unseen_burial(request, grave)


def _grave(request: Request) -> Grave | None:
    target = request.op.target
    if target.collection in _UNDISPUTED or find_item(request.state, target.collection, target.id) is not None:
        return None
    return grave_of(request.state, target.collection, target.id)


def _edit_of_deleted(request: Request) -> Plan:
    """Bring a deleted item back with the edit of who counts more than its deleter; else keep the edit in the record."""
    grave = _grave(request)
    if grave is None:
        raise Refused("not_found")
    # Also what is only kept in a record needs the right to have written it.
    collection, identifier = place_of(request)
    require_write(request, collection, grave.item.channel, "update", request.op.data, grave.item, identifier)
    verdict, plan = _whole_item_verdict(request, grave.write, delete_is_second=False), Plan(())
    if verdict.outcome == "second":
        plan = _asked(request, REVIVE, request.op.data)
        plan = plan._replace(parts=(plan.parts[0]._replace(overwritten=(grave.write,)), *plan.parts[1:]))
    channel = grave.item.channel
    if _moves(request, channel, plan):
        raise Refused("not_found")
    disputed = _disputed(request, WHOLE_ITEM, channel, grave.write, {"deleted": True}, _contents(request.op.data))
    return _with_records(request, plan, [(disputed, verdict)], (grave.write,))


def _whole_item_verdict(request: Request, write: Write, *, delete_is_second: bool) -> Verdict:
    strategy = rule_for(request.state, request.op.target.collection, WHOLE_ITEM).strategy
    dispute = Dispute(first_side(request, WHOLE_ITEM, write, None), second_side(request, WHOLE_ITEM, None), UNKNOWN)
    verdict = settle(HIERARCHY if strategy == MERGE else strategy, dispute)
    if not delete_is_second and dispute.first.rank == dispute.second.rank and verdict.strategy in (HIERARCHY, PRIORITY):
        return verdict._replace(outcome="first", reason="both count the same, so the delete stands")
    return verdict


def _nothing(request: Request, item: Item) -> Plan:
    """Return what answers an op of which nothing is left: an event without a change."""
    return Plan((PlannedPart(item.channel, (Change(*place_of(request), set={}),)),))


def _asked(request: Request, action: str, data: dict[str, Any]) -> Plan:
    """Let the rules of the section judge what prevails."""
    op = msgspec.structs.replace(request.op, action=action, data=data)
    return verb_of(request.version, op.target.collection, action)(request._replace(op=op))


def _with_records(
    request: Request,
    plan: Plan,
    disputes: Sequence[tuple[Disputed, Verdict]],
    overwritten: tuple[Write, ...],
    again: Sequence[PlannedPart] = (),
) -> Plan:
    """Add the records, what both sides are told, the timer that ends the wait, and what earlier records say `again`."""
    added, waits = recorded(request, disputes, (change.id for part in again for change in part.changes))
    parts = [*plan.parts, *added]
    if not plan.parts and parts:
        parts[0] = PlannedPart(parts[0].channel, parts[0].changes, overwritten)
    effects = plan.effects + conflict_expiry.armed(request.state, waits, plan.effects)
    return plan._replace(parts=joined((*parts, *again)), effects=effects)


def _disputed(
    request: Request, field: str, channel: str, write: Write, first: dict[str, Any], second: dict[str, Any]
) -> Disputed:
    return Disputed(*place_of(request), field, channel, write, first, second)


def _lost_or_won(request: Request, field: str, channel: str, meeting: Meeting, now: Any, value: Any) -> Disputed:
    disputed = _disputed(request, field, channel, meeting.rival, _content(now), _content(value))
    return disputed._replace(standing=meeting.write)


def _content(value: Any) -> dict[str, Any]:
    return {} if value is None else {"value": value}


def _contents(fields: dict[str, Any]) -> dict[str, Any]:
    """Return edited fields as a record keeps them: no null stands in state."""
    cleared = sorted(name for name, value in fields.items() if value is None)
    kept = {"fields": {name: value for name, value in fields.items() if value is not None}}
    return kept | {"cleared": cleared} if cleared else kept
