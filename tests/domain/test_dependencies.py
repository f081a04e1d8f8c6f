"""Ops that name others wait for them: bounded, decided once, refused with what is missing when its time is over."""

from typing import Any

import msgspec
import pytest

from actors.contract.decisions import Answer, Decision, Resubmit, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry
from actors.domain import snapshot_form
from actors.domain.waiting import MAX_OF_ONE, MAX_WAITING, TIMER, WAITS_MS
from tests.support.folding import Fold, op_of, wedding_with_members

_ANA, _BLOOM = "20270619-anaphone", "20270619-bloompad"


def send(fold: Fold, person: str, op: str, title: str, *names: str) -> Decision | Answer:
    """Let somebody insert a task that depends on the named ops."""
    asked = op_of(op, "tasks", "insert", title, {"title": title})
    return fold.send(person, msgspec.structs.replace(asked, dependencies=list(names)))


def resubmitted(fold: Fold) -> list[Decision | Answer]:
    """Put into the log what the last decision lets stand there once more."""
    effects = [effect for effect in fold.decisions[-1].effects if isinstance(effect, Resubmit)]
    return [fold.take(effect.principal, msgspec.json.decode(effect.body, type=LogEntry)) for effect in effects]


def fire(fold: Fold) -> Decision:
    """Let the timer of the waiting ops fire."""
    armed = fold.state.timers.armed[TIMER]
    fold.now_ms = max(fold.now_ms, armed.due_ms)
    starts = [effect for decision in fold.decisions for effect in decision.effects if isinstance(effect, StartTimer)]
    [body] = [start.body for start in starts if start.id == TIMER and start.number == armed.number]
    outcome = fold.take(TIMER_PRINCIPAL, msgspec.json.decode(body, type=LogEntry))
    assert isinstance(outcome, Decision)
    return outcome


def tasks(fold: Fold) -> set[str]:
    return set(fold.state.items.get("tasks", {}))


def decision(outcome: Any) -> Decision:
    assert isinstance(outcome, Decision), outcome
    return outcome


def test_an_op_waits_for_those_that_it_names() -> None:
    """It is taken and changes nothing until they are decided, also over a snapshot; then it is decided under its own name."""
    fold = wedding_with_members()
    waits = decision(send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_ANA}:1"))
    assert (waits.refusal, waits.parts, waits.number, tasks(fold)) == (None, (), 1, set())
    assert waits.waits is not None
    fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    send(fold, "amara", f"{_ANA}:1", "first")
    [late] = resubmitted(fold)
    late = decision(late)
    assert (late.op, late.principal, late.number, late.waits) == (f"{_BLOOM}:1", "bloom", 1, None)
    assert tasks(fold) == {"first", "second"}
    assert fold.state.waiting == {}


def test_inv1_its_number_is_used_once_and_later_ops_do_not_wait() -> None:
    """Later ops of its client are decided meanwhile; numbers and clocks never go back, a repeat is answered with the outcome."""
    fold = wedding_with_members()
    send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_ANA}:1")
    assert decision(send(fold, "bloom", f"{_BLOOM}:2", "other")).refusal is None
    repeat = send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_ANA}:1")
    assert isinstance(repeat, Answer)
    assert repeat.waits
    send(fold, "amara", f"{_ANA}:1", "first")
    [late] = resubmitted(fold)
    assert decision(late).parts[0].clock[f"bloom/{_BLOOM}"] == 2
    assert fold.state.clients[_BLOOM].last == 2
    again = send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_ANA}:1")
    assert isinstance(again, Answer)
    assert (again.refusal, again.next, again.waits) == (None, 3, False)


def test_a_chain_is_released_link_by_link() -> None:
    """Who waits for one that waits is decided after it."""
    fold = wedding_with_members()
    send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_ANA}:1")
    send(fold, "petra", "20270619-petra0000:1", "third", f"{_BLOOM}:1")
    send(fold, "amara", f"{_ANA}:1", "first")
    [second] = resubmitted(fold)
    assert tasks(fold) == {"first", "second"}
    [third] = resubmitted(fold)
    assert (decision(second).rev < decision(third).rev, tasks(fold)) == (True, {"first", "second", "third"})


def test_d6_what_does_not_come_in_time_is_named_in_the_refusal() -> None:
    """Time passes by a timer of the log, so the wait ends though nothing else happens; the refusal names only what is missing."""
    fold = wedding_with_members()
    known = f"20270619-amara0000:{fold.state.clients['20270619-amara0000'].last}"
    send(fold, "bloom", f"{_BLOOM}:1", "never", f"{_ANA}:9", known)
    assert fold.state.timers.armed[TIMER].due_ms == fold.now_ms + WAITS_MS
    fire(fold)
    [late] = resubmitted(fold)
    refusal = decision(late).refusal
    assert refusal is not None
    assert (refusal.code, f"{_ANA}:9" in refusal.message, known in refusal.message) == ("dependencies_missing", True, False)
    assert (fold.state.waiting, TIMER in fold.state.timers.armed) == ({}, False)
    repeat = send(fold, "bloom", f"{_BLOOM}:1", "never", f"{_ANA}:9", known)
    assert repeat.refusal == refusal


def test_ops_that_wait_for_each_other_are_told_at_once() -> None:
    """Who closes a circle, also over others, is refused; that decides the op, so the others go on."""
    fold = wedding_with_members()
    send(fold, "bloom", f"{_BLOOM}:1", "first", f"{_ANA}:1")
    send(fold, "petra", "20270619-petra0000:1", "second", f"{_BLOOM}:1", f"{_ANA}:9")
    closing = decision(send(fold, "amara", f"{_ANA}:1", "third", "20270619-petra0000:1"))
    assert closing.refusal is not None
    assert (closing.refusal.code, "circle" in closing.refusal.message, closing.number) == ("bad_value", True, 1)
    assert [decision(each).op for each in resubmitted(fold)] == [f"{_BLOOM}:1"]
    assert tasks(fold) == {"first"}


def test_inv7_only_so_many_ops_wait() -> None:
    """Beyond the bound of a person or a wedding the op is refused at once; what is bad in itself does not wait."""
    fold = wedding_with_members()

    def code_of(person: str, number: int) -> str | None:
        outcome = decision(send(fold, person, f"20270619-{person}pad0:{number}", f"{person}{number}", f"{_ANA}:1"))
        return None if outcome.refusal is None else outcome.refusal.code

    assert [code_of("bloom", number) for number in range(1, MAX_OF_ONE + 2)] == [None] * MAX_OF_ONE + ["too_many"]
    assert [code_of("petra", number) for number in range(1, MAX_WAITING - MAX_OF_ONE + 1)] == [None] * (MAX_WAITING - MAX_OF_ONE)
    assert code_of("amara", 1) == "too_many"
    bad = msgspec.structs.replace(op_of(f"{_BLOOM}:1", "tasks", "insert", "x", {}), dependencies=[f"{_ANA}:1"])
    assert decision(fold.send("bloom", bad)).refusal is not None


@pytest.mark.parametrize("name", ["", "x y", "é:1", f"{_BLOOM}:1", "a" * 101])
def test_what_can_never_be_decided_is_not_waited_for(name: str) -> None:
    """A name that no op can have, and the op's own, are refused at once and not after five minutes."""
    refusal = decision(send(wedding_with_members(), "bloom", f"{_BLOOM}:1", "one", name)).refusal
    assert refusal is not None
    assert refusal.code == "bad_value"


def test_d10_ops_over_nats_wait_for_those_of_their_own_author() -> None:
    """Their ids are names that anybody may choose, so nobody learns or waits for those of somebody else."""
    fold = wedding_with_members()
    acts: list[tuple[str, str, str, list[str]]] = [
        ("bloom", "b.2", "second", ["b.1"]),
        ("petra", "b.1", "hers", []),
        ("bloom", "b.1", "first", []),
    ]
    for person, op, title, names in acts:
        asked = msgspec.structs.replace(op_of(op, "tasks", "insert", title, {"title": title}), dependencies=names)
        fold.send(person, asked, "nats")
        assert "second" not in tasks(fold)
    resubmitted(fold)
    assert tasks(fold) == {"first", "second", "hers"}


def test_inv5_the_clock_of_an_op_that_waited_names_no_op_of_another_channel() -> None:
    """What its client has written elsewhere meanwhile is nothing for the readers of this channel."""
    fold = wedding_with_members()
    send(fold, "bloom", f"{_BLOOM}:1", "second", f"{_BLOOM}:2")
    guarded = op_of(f"{_BLOOM}:2", "messages", "insert", "hush", {"text": "Hush", "audience": "private-bloom"})
    assert decision(fold.send("bloom", guarded)).parts[0].channel == "messages.private-bloom"
    [late] = resubmitted(fold)
    assert decision(late).parts[0].clock[f"bloom/{_BLOOM}"] == 1


def _overtaken(fold: Fold, older: dict[str, Any], newer: dict[str, Any], *, action: str = "update") -> list[Decision | Answer]:
    """Let Amara's op wait for one of Petra's, overtaken by Amara's next one; then the first is decided."""
    for number, (data, names) in enumerate(((older, ["20270619-petra0000:1"]), (newer, [])), 1):
        op = op_of(f"{_ANA}:{number}", "tasks", action, "x", data)
        assert decision(fold.send("amara", msgspec.structs.replace(op, dependencies=names))).refusal is None
    send(fold, "petra", "20270619-petra0000:1", "first")
    return resubmitted(fold)


def _three_tasks() -> Fold:
    fold = wedding_with_members()
    for task in "xyz":
        fold.act("amara", "tasks", "insert", task, {"title": task})
    return fold


def test_an_op_that_waited_leaves_what_its_author_wrote_after_it() -> None:
    """What a client said last stands, whatever is decided last; the other fields are written."""
    fold = _three_tasks()
    [late] = _overtaken(fold, {"title": "older", "done": True}, {"title": "newer"})
    assert [change.set for part in decision(late).parts for change in part.changes] == [{"done": True}]
    assert fold.item("tasks", "x") == fold.item("tasks", "x") | {"title": "newer", "done": True}


def test_an_op_of_which_nothing_is_left_is_answered_with_an_event() -> None:
    """It is applied and changes nothing: no field, no reminder, no audience."""
    fold = _three_tasks()
    older = {"remindAt": "2027-06-19T12:00:00Z", "audience": "everyone"}
    [late] = _overtaken(fold, older, {"remindAt": "2027-06-19T13:00:00Z", "audience": "core"})
    late = decision(late)
    assert (late.refusal, late.effects) == (None, ())
    assert [(part.channel, [change.set for change in part.changes]) for part in late.parts] == [("tasks.core", [{}])]
    assert fold.state.items["tasks"]["x"].channel == "tasks.core"


def test_a_move_that_waited_leaves_the_place_that_was_chosen_after_it() -> None:
    """The order of an item is a field like any."""
    fold = _three_tasks()
    _overtaken(fold, {"after": "z"}, {"after": "y"}, action="move")
    places = {task: item.fields["order"] for task, item in fold.state.items["tasks"].items()}
    assert sorted("xyz", key=places.__getitem__) == ["y", "x", "z"]


def test_what_others_or_earlier_ops_wrote_is_no_later_word_of_the_author() -> None:
    """An op that waited stands against its author's earlier op, and against another client of the same person as ever."""
    fold = _three_tasks()
    fold.act("amara", "tasks", "update", "x", {"done": True}, client=_ANA)
    op = msgspec.structs.replace(
        op_of(f"{_ANA}:2", "tasks", "update", "x", {"title": "second", "done": False}), dependencies=["20270619-petra0000:1"]
    )
    fold.send("amara", op)
    fold.act("amara", "tasks", "update", "x", {"title": "elsewhere"}, client="20270619-anadesk00")
    send(fold, "petra", "20270619-petra0000:1", "first")
    resubmitted(fold)
    assert fold.item("tasks", "x") == fold.item("tasks", "x") | {"title": "second", "done": False}


def test_another_audience_chosen_later_is_no_word_about_the_title() -> None:
    """Who moved the item to other readers meanwhile has said nothing of its other fields, unless before that."""
    for newer, expected in (({"audience": "core"}, "older"), ({"audience": "core", "title": "newer"}, "newer")):
        fold = _three_tasks()
        _overtaken(fold, {"title": "older"}, newer)
        assert fold.item("tasks", "x")["title"] == expected


def test_ids_of_integrators_say_nothing_of_their_order() -> None:
    """Of ops over NATS the one that is decided last stands."""
    fold = _three_tasks()
    fold.act("amara", "permissions", "insert", "petra", {"integrator": True})
    for name, title, names in (("b.9", "waits", ["b.7"]), ("b.8", "later", []), ("b.7", "first", [])):
        op = op_of(name, "tasks", "update", "x" if names or title == "later" else "y", {"title": title})
        fold.send("petra", msgspec.structs.replace(op, dependencies=names), "nats")
    resubmitted(fold)
    assert fold.item("tasks", "x")["title"] == "waits"
