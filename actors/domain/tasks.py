"""Tasks: who has one to do is reminded when its time comes, once (rule B4). Called through the table in `rules`.

The time is `remindAt`, or `due` where there is none. A reminder is an item in the inbox of the assignee; where nobody of the
wedding is assigned, in those of the planners and then of the couple. Done and deleted tasks remind nobody.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from actors.contract.changes import merge_fields
from actors.contract.channels import CORE_ROLES, may_read
from actors.contract.decisions import IfMissed
from actors.contract.ops import Op, Target
from actors.domain import items, timers
from actors.domain.authority import rights_for
from actors.domain.items import Plan, Request
from actors.domain.messages import into_inbox
from actors.domain.state import ActorState, Item, find_item

REMIND: Final = "remind"
_IF_MISSED: Final[dict[str, IfMissed]] = {"late": "fire_once_late", "skip": "skip_missed"}


class _Reminder(NamedTuple):
    """When a task reminds, in Unix milliseconds, and what happens when that time is missed."""

    due_ms: int
    if_missed: IfMissed


def insert(request: Request) -> Plan:
    """Put a task on the list, and arm its reminder."""
    return _with_reminder(request, items.insert(request), {}, request.op.data)


def update(request: Request) -> Plan:
    """Set fields of a task; another time arms its reminder anew, `done` takes it away."""
    before = items.writable(request).fields
    after = dict(before)
    merge_fields(after, request.op.data)
    return _with_reminder(request, items.update(request), before, after)


def delete(request: Request) -> Plan:
    """Take a task away, and its reminder with it."""
    plan = items.delete(request)
    return plan._replace(effects=timers.cancel(request.state, _timer_of(request.op)))


def remind(request: Request) -> Plan:
    """The time has come: remind whoever has the task to do."""
    state, task = request.state, request.op.target.id
    item = find_item(state, "tasks", task)
    if item is None:
        return Plan(())
    content = {"kind": "reminder", "text": f"Reminder: {item.fields['title']}", "matter": task}
    firing = state.timers.firings + 1
    return Plan(
        tuple(
            into_inbox(state, person, f"reminder-{firing}-{place}", content)
            for place, person in enumerate(_whom_to_remind(request, item), 1)
        )
    )


def _with_reminder(request: Request, plan: Plan, before: Mapping[str, Any], after: Mapping[str, Any]) -> Plan:
    """Add to the plan what it does to the reminder; a task that is opened again does not remind of a time that has passed."""
    state, timer = request.state, _timer_of(request.op)
    old, new = _reminder_of(before), _reminder_of(after)
    was_done, is_done = before.get("done") is True, after.get("done") is True
    if new is None or is_done:
        return plan._replace(effects=timers.cancel(state, timer))
    if old == new and (not was_done or new.due_ms <= state.now_ms):
        return plan
    firing = Op("message_sent", REMIND, Target("tasks", request.op.target.id))
    guest = "" if request.rules is None or request.role in CORE_ROLES else request.principal
    return plan._replace(effects=(timers.start(state, timer, new.due_ms, firing, new.if_missed, guest=guest),))


def _timer_of(op: Op) -> str:
    return f"tasks.{op.target.id}.{REMIND}"


def _reminder_of(fields: Mapping[str, Any]) -> _Reminder | None:
    instant = fields.get("remindAt") or fields.get("due")
    if instant is None:
        return None
    due_ms = round(datetime.fromisoformat(instant).timestamp() * 1000)
    return _Reminder(due_ms, _IF_MISSED[fields.get("ifMissed", "late")])


def _whom_to_remind(request: Request, task: Item) -> list[str]:
    """Return whose inbox gets the reminder; from version 3 on only of those who may read the task, lest it tell a surprise."""
    state = request.state
    if request.rules is None:
        return _who_has_to_do(state, task.fields)
    people = state.items.get("people", {})
    sees = {person for person in people if may_read(rights_for(state, person, people[person].fields["role"]), task.channel)}
    assignee = task.fields.get("assignee")
    fields = task.fields if assignee in sees else {}
    return [person for person in _who_has_to_do(state, fields) if person in sees]


def _who_has_to_do(state: ActorState, fields: Mapping[str, Any]) -> list[str]:
    """Return whom to remind, the planners first."""
    people = state.items.get("people", {})
    assignee = fields.get("assignee")
    if assignee in people:
        return [assignee]
    return [person for role in ("planner", "couple") for person in sorted(people) if people[person].fields["role"] == role]
