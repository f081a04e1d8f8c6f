"""Task reminders and the timers under them: armed by a date, fired once, ignored when they are no longer armed (design D6)."""

from typing import Any

import msgspec
import pytest

from actors.contract.decisions import Answer, CancelTimer, Decision, StartTimer
from actors.contract.events import instant_of
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry
from actors.domain import snapshot_form, timers
from actors.domain.rules import NEWEST
from tests.support.folding import Fold, op_of, wedding_with_members

MINUTE_MS = 60_000
TIMER = "tasks.band.remind"


@pytest.fixture
def fold() -> Fold:
    return wedding_with_members()


def at(fold: Fold, minutes: int) -> str:
    """The instant so many minutes from now, by the wedding's clock."""
    return instant_of(fold.now_ms + minutes * MINUTE_MS)


def add_task(fold: Fold, **fields: Any) -> StartTimer:
    """Insert the task `band` and return the timer that it starts."""
    effect = fold.act("amara", "tasks", "insert", "band", {"title": "Book the band", **fields}).effects[0]
    assert isinstance(effect, StartTimer)
    return effect


def fire(fold: Fold, timer: StartTimer) -> Decision | Answer:
    """Let the log have the entry that the effect carries, as nats-server puts it there."""
    return fold.take(TIMER_PRINCIPAL, msgspec.json.decode(timer.body, type=LogEntry))


def reminded(fold: Fold) -> list[str]:
    """Whose inbox got an item, in order."""
    return [item.fields["person"] for item in fold.state.items.get("inbox", {}).values()]


def test_b4_a_reminder_goes_to_the_assignee_alone(fold: Fold) -> None:
    """At the time of the task its assignee finds it in the inbox; the task itself stays as it is."""
    timer = add_task(fold, remindAt=at(fold, 10), due=at(fold, 60), assignee="bloom")
    assert timer.due_ms == fold.now_ms + 10 * MINUTE_MS
    before = dict(fold.item("tasks", "band"))
    decision = fire(fold, timer)
    assert isinstance(decision, Decision)
    assert [part.channel for part in decision.parts] == ["inbox.bloom"]
    [item] = fold.state.items["inbox"].values()
    assert item.fields == {
        "person": "bloom", "kind": "reminder", "text": "Reminder: Book the band", "matter": "band", "order": "a0"
    }  # fmt: skip  # one line is one item
    assert fold.item("tasks", "band") == before
    assert fold.state.timers.armed == {}


@pytest.mark.parametrize("assignee", [{}, {"assignee": "nobody-here"}])
def test_b4_without_an_assignee_planners_are_reminded_first_then_the_couple(fold: Fold, assignee: dict[str, str]) -> None:
    """So it is too when the assignee is no member; `due` is the time where there is no `remindAt`."""
    fold.act("amara", "people", "insert", "aaron", {"name": "Aaron", "role": "couple"})
    fire(fold, add_task(fold, due=at(fold, 10), **assignee))
    assert reminded(fold) == ["petra", "aaron", "amara"]


def test_d6_a_firing_counts_once(fold: Fold) -> None:
    """A second delivery is answered and decides nothing: no rev, no sequence, no second item."""
    timer = add_task(fold, remindAt=at(fold, 10), assignee="bloom")
    fire(fold, timer)
    rev = fold.state.rev
    again = fire(fold, timer)
    assert isinstance(again, Answer)
    assert again.refusal is None
    assert fold.state.rev == rev
    assert reminded(fold) == ["bloom"]


@pytest.mark.parametrize("change", [{"remindAt": None}, {"done": True}, None])
def test_d6_what_is_cancelled_never_fires(fold: Fold, change: dict[str, Any] | None) -> None:
    """Without its time, done, or deleted, a task reminds nobody, though the firing be under way."""
    timer = add_task(fold, remindAt=at(fold, 10))
    decision = fold.act("amara", "tasks", "delete" if change is None else "update", "band", change)
    assert decision.effects == (CancelTimer(TIMER),)
    assert isinstance(fire(fold, timer), Answer)
    assert reminded(fold) == []


def test_d6_another_time_arms_the_reminder_anew(fold: Fold) -> None:
    """Only the firing of the last arming counts; a change of anything else arms nothing."""
    first = add_task(fold, remindAt=at(fold, 10), assignee="bloom")
    [second] = fold.act("amara", "tasks", "update", "band", {"remindAt": at(fold, 20)}).effects
    assert isinstance(second, StartTimer)
    assert (second.id, second.number) == (first.id, first.number + 1)
    assert fold.act("amara", "tasks", "update", "band", {"title": "Book a band"}).effects == ()
    assert isinstance(fire(fold, first), Answer)
    fire(fold, second)
    assert reminded(fold) == ["bloom"]


def test_d6_a_task_opened_again_reminds_of_what_is_still_to_come(fold: Fold) -> None:
    """Opened before its time it is armed again; afterwards it stays silent until it gets another time."""
    add_task(fold, remindAt=at(fold, 10))
    fold.act("amara", "tasks", "update", "band", {"done": True})
    assert len(fold.act("amara", "tasks", "update", "band", {"done": False}).effects) == 1
    fold.act("amara", "tasks", "update", "band", {"done": True})
    fold.now_ms += 20 * MINUTE_MS
    fold.act("amara", "tasks", "insert", "cake", {"title": "Cake"})
    assert fold.act("amara", "tasks", "update", "band", {"done": False}).effects == ()


def test_d6_a_late_firing_follows_the_policy_of_its_timer(fold: Fold) -> None:
    """After a long downtime a reminder comes late, once; one that says so is skipped, and is over all the same."""
    late, hours = add_task(fold, remindAt=at(fold, 10)), 60 * 24
    fold.act("amara", "tasks", "insert", "rain", {"title": "Look at the sky", "remindAt": at(fold, 10), "ifMissed": "skip"})
    skipped = fold.decisions[-1].effects[0]
    assert isinstance(skipped, StartTimer)
    fold.now_ms += hours * MINUTE_MS
    fire(fold, late)
    decision = fire(fold, skipped)
    assert isinstance(decision, Decision)
    assert decision.parts == ()
    assert reminded(fold) == ["petra", "amara"]
    assert fold.state.timers.armed == {}


def test_d6_a_reminder_that_is_a_little_late_is_not_skipped(fold: Fold) -> None:
    """The ordinary delay of a firing does not count as missed."""
    timer = add_task(fold, remindAt=at(fold, 10), ifMissed="skip")
    fold.now_ms += 11 * MINUTE_MS
    fire(fold, timer)
    assert reminded(fold) == ["petra", "amara"]


def test_inv7_a_wedding_has_a_bounded_number_of_timers(fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused with a code and a remedy; arming an armed one anew is no more."""
    monkeypatch.setattr(timers, "MAX_ARMED", 1)
    add_task(fold, remindAt=at(fold, 10))
    refused = fold.act("amara", "tasks", "insert", "cake", {"title": "Cake", "remindAt": at(fold, 10)}).refusal
    assert refused is not None
    assert refused.code == "too_many"
    assert fold.act("amara", "tasks", "update", "band", {"remindAt": at(fold, 20)}).refusal is None
    assert fold.act("amara", "tasks", "insert", "cake", {"title": "Cake"}).refusal is None


def test_inv6_one_guest_does_not_use_up_the_timers_of_the_wedding(fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is neither couple nor planner has a share; what others have armed does not count into it, and what is done is free."""
    monkeypatch.setattr(timers, "MAX_OF_ONE", 2)

    def remind_of(person: str, task: str, **fields: Any) -> str | None:
        data = {"title": task, "remindAt": at(fold, 10), "audience": f"private-{person}"}
        refusal = fold.act(person, "tasks", "insert", task, data | fields).refusal
        return None if refusal is None else refusal.code

    assert [remind_of("urs", f"u{number}") for number in range(3)] == [None, None, "too_many"]
    assert [remind_of("amara", f"a{number}") for number in range(5)] == [None] * 5
    assert [remind_of("noemi", f"n{number}") for number in range(3)] == [None, None, "too_many"]
    assert fold.act("urs", "tasks", "update", "u0", {"remindAt": at(fold, 20)}).refusal is None
    fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    assert remind_of("urs", "u2") == "too_many"
    assert fold.act("urs", "tasks", "update", "u0", {"done": True}).refusal is None
    assert remind_of("urs", "u2") is None


def test_d1_version_two_of_the_rules_knows_no_share(fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version allowed it allows again."""
    monkeypatch.setattr(timers, "MAX_OF_ONE", 1)
    fold.rules = 2
    for task in ("band", "cake"):
        assert fold.act("bloom", "tasks", "insert", task, {"title": task, "remindAt": at(fold, 10)}).refusal is None


@pytest.mark.parametrize("principal", ["petra", "operator", "_w-other"])
def test_d6_nobody_else_can_fire_a_timer(fold: Fold, principal: str) -> None:
    """The entry of a firing under another principal is answered as a bad id, whatever source it claims."""
    timer = add_task(fold, remindAt=at(fold, 10))
    answer = fold.take(principal, msgspec.json.decode(timer.body, type=LogEntry))
    assert isinstance(answer, Answer)
    assert answer.refusal is not None
    assert answer.refusal.code == "bad_id"
    assert fold.act("petra", "tasks", "remind", "band").refusal is not None
    assert reminded(fold) == []
    assert TIMER in fold.state.timers.armed


def test_inv6_an_id_that_somebody_took_does_not_keep_a_reminder_away(fold: Fold) -> None:
    """Nor does an order key at the end of all order keys, as version 2 took it: the reminder gets in all the same."""
    fold.rules = 2
    taken = {"person": "bloom", "text": "Ha", "order": "z" * 200}
    assert fold.act("urs", "inbox", "insert", "reminder-1-1", taken).refusal is None
    fold.rules = NEWEST
    fire(fold, add_task(fold, remindAt=at(fold, 10), assignee="bloom"))
    assert fold.item("inbox", "reminder-1-1x")["text"] == "Reminder: Book the band"


def test_d6_a_fault_in_a_reminder_is_over_once(fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that fails on a firing makes `internal_error` of it, and the timer does not come again."""
    timer = add_task(fold, remindAt=at(fold, 10))
    monkeypatch.setattr("actors.domain.kinds.verb_of", lambda *_arguments: 1 / 0)
    decision = fire(fold, timer)
    assert isinstance(decision, Decision)
    assert decision.refusal is not None
    assert decision.refusal.code == "internal_error"
    assert isinstance(fire(fold, timer), Answer)


def test_d6_under_the_first_rules_nothing_is_armed() -> None:
    """What a log held before reminders is decided as it was: times arm nothing before version 2."""
    fold = wedding_with_members(rules=1)
    decision = fold.act("amara", "tasks", "insert", "band", {"title": "Band", "remindAt": at(fold, 10)})
    assert decision.effects == ()
    outcome = fold.send("amara", op_of("timer:tasks.band.remind:1", "tasks", "remind", "band"), "timer")
    assert isinstance(outcome, Answer)
