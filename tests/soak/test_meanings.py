"""The soak finds dependencies that were not waited for, torn texts, undo over later edits and wrong answers: one history each."""

from itertools import count
from typing import Any

from actors.contract.changes import Change
from actors.contract.decisions import Decision, Part, Waiting, refusal
from bench.soak.deeds import typed
from bench.soak.history import Entry
from bench.soak.meanings import Meanings

WEDDING = "w1"
RECORD = {
    "channel": "tasks.team", "collection": "tasks", "item": "cake", "field": "title", "status": "decided", "outcome": "second",
    "mayAnswer": {"roles": ["couple"], "people": []},
    "first": {"op": "a:1", "user": "amara", "value": "s1-1"}, "second": {"op": "b:1", "user": "bo", "value": "s1-2"},
}  # fmt: skip


class Story:
    """Decisions as they follow, and what was asked for them."""

    def __init__(self) -> None:
        self._asked: list[Entry] = []
        self._decisions: list[Decision] = []
        self._numbers = count(1)
        self.tell("p:1", change("people", "amara", insert={"role": "couple"}))
        self.tell("p:2", change("tasks", "cake", insert={"title": "Cake", "done": False}))

    def tell(self, op: str, *changes: Change, asks: dict[str, Any] | None = None, by: str = "amara", **more: Any) -> None:
        """One decision by `by`, of an op that asked for something beside its changes."""
        number = next(self._numbers)
        self._asked += [
            Entry(0.0, WEDDING, by, "invoke", op, asks=asks or {}),
            Entry(0.0, WEDDING, by, "saved", op, op),
        ]
        parts = (Part("tasks.team", number, changes, {}, "after"),) if changes else ()
        told = {"action": "update", "refusal": None, **more}
        self._decisions.append(
            Decision(
                number,
                number,
                op,
                by,
                "c",
                number,
                0,
                "task_completion",
                source="websocket",
                client_version="",
                parts=parts,
                **told,
            )
        )

    def kinds(self) -> list[str]:
        """The first words of what is found, in order."""
        meanings = Meanings(WEDDING, self._asked)
        for decision in self._decisions:
            meanings.follow(decision)
        return [offence.partition(":")[0] for offence in meanings.offences]


def change(collection: str, identifier: str, **what: Any) -> Change:
    return Change(collection, identifier, **what)


def title(value: str) -> Change:
    return change("tasks", "cake", set={"title": value})


def record(**what: Any) -> Change:
    return change("conflicts", "c-1", **what)


def test_an_op_that_is_decided_before_one_that_it_names_is_early() -> None:
    """It must wait, and be decided after; waiting for what is there is as wrong."""
    waits = Waiting("d:1", "amara", ("b:1",), 0, b"")
    good, early, idle = Story(), Story(), Story()
    good.tell("d:1", asks={"dependencies": ["b:1"]}, waits=waits)
    good.tell("b:1", title("s1-1"))
    good.tell("d:1", title("s1-2"), asks={"dependencies": ["b:1"]})
    good.tell("d:2", asks={"dependencies": ["x:9"]}, refusal=refusal("dependencies_missing"))
    assert good.kinds() == []
    early.tell("d:1", title("s1-2"), asks={"dependencies": ["b:1"]})
    assert early.kinds() == ["early"]
    idle.tell("b:1", title("s1-1"))
    idle.tell("d:1", asks={"dependencies": ["b:1"]}, waits=waits)
    assert idle.kinds() == ["early"]


def test_an_op_that_names_itself_must_be_refused_for_that() -> None:
    """It would wait for ever."""
    for code, expected in (("bad_value", []), ("not_found", ["early"])):
        story = Story()
        story.tell("d:1", asks={"dependencies": ["d:1"]}, refusal=refusal(code))
        assert story.kinds() == expected


def test_an_op_that_closes_a_circle_must_be_refused() -> None:
    """Who names an op that waits for it, over another one, need not be decided after it; to take it is wrong."""
    for waits, expected in ((None, []), (Waiting("e:1", "amara", ("d:1",), 0, b""), ["early"])):
        story = Story()
        story.tell("c:1", asks={"dependencies": ["e:1"]}, waits=Waiting("c:1", "amara", ("e:1",), 0, b""))
        story.tell("d:1", asks={"dependencies": ["c:1"]}, waits=Waiting("d:1", "amara", ("c:1",), 0, b""))
        story.tell("e:1", asks={"dependencies": ["d:1"]}, waits=waits, refusal=None if waits else refusal("bad_value"))
        assert story.kinds() == expected


def test_an_undo_brings_back_what_nobody_has_written_since_and_leaves_the_rest() -> None:
    """The field that was overwritten stays; to bring it back is found, and to leave out what was to come back."""
    for values, expected in (({"done": False}, []), ({"done": False, "title": "Cake"}, ["undo"]), ({"title": "Cake"}, ["undo"])):
        story = Story()
        story.tell("a:1", change("tasks", "cake", set={"title": "s1-1", "done": True}))
        story.tell("b:1", title("s1-2"), by="bo")
        story.tell("a:2", change("tasks", "cake", set=values), undoes="a:1", action="undo")
        assert story.kinds() == expected


def test_an_undone_insert_goes_only_while_nobody_else_has_written_to_it() -> None:
    """What somebody else has filled in is not taken away."""
    for by, expected in (("amara", []), ("bo", ["undo"])):
        story = Story()
        story.tell("a:1", change("tasks", "rings", insert={"title": "s1-1"}))
        story.tell("b:1", change("tasks", "rings", set={"title": "s1-2"}), by=by)
        story.tell("a:2", change("tasks", "rings", remove=True), undoes="a:1", action="undo")
        assert story.kinds() == expected


def test_an_answer_lets_the_side_stand_that_was_chosen_by_somebody_who_may_choose() -> None:
    """The choice, the field and the author are compared, and whether the record was still to be answered."""
    settled = {"status": "reversed", "outcome": "first", "answer": {"op": "a:2", "user": "amara"}}
    for asked, value, by, again, expected in (
        ("first", "s1-1", "amara", False, 0),
        ("second", "s1-1", "amara", False, 1),
        ("first", "s1-2", "amara", False, 1),
        ("first", "s1-1", "bo", False, 2),
        ("first", "s1-1", "amara", True, 1),
    ):
        story = Story()
        story.tell("b:1", title("s1-2"), record(insert=RECORD), by="bo")
        for _ in range(1 + again):
            story.tell("a:2", title(value), record(set=settled), asks={"choice": asked}, by=by, action="reverse")
        assert story.kinds() == ["answer"] * expected


def test_a_record_that_says_that_another_value_stands_is_found() -> None:
    """What a rule decided is what the field holds."""
    story = Story()
    story.tell("b:1", title("s1-1"), record(insert=RECORD), by="bo")
    assert story.kinds() == ["answer"]


def test_a_word_that_is_torn_lost_or_brought_back_wrongly_is_found() -> None:
    """Whole words go in and out between words, so what stands in the text is known whatever order the edits came in."""
    inserted = change("documents", "vows", insert={"text": "Once "})
    first = change("documents", "vows", edit={"text": typed(["Once"], 1, "s1-1", [])})
    for delta, undoes, asks, expected in (
        (typed(["Once", "s1-1"], 0, "s1-2", ["s1-1"]), "", {"deletes": ["s1-1"], "at": 9}, []),
        ([{"retain": 7}, {"insert": "s1-2 "}], "", {}, ["text"]),
        (typed(["Once", "s1-1"], 0, "s1-2", ["s1-1"]), "", {}, ["text"]),
        ([{"retain": 5}, {"delete": 5}], "a:1", {}, []),
        ([{"delete": 5}], "a:1", {}, ["text"]),
    ):
        story = Story()
        story.tell("p:3", inserted)
        story.tell("a:1", first, action="edit")
        story.tell("a:2", change("documents", "vows", edit={"text": delta}), asks=asks, undoes=undoes, action="edit")
        assert story.kinds() == expected


def test_a_word_that_was_cut_out_and_brought_back_may_go_with_the_edit_that_put_it_in() -> None:
    """Its undo takes it away or leaves it; a word of another edit it takes in no case."""
    for last, expected in (
        ([{"retain": 5}, {"delete": 5}], []),
        ([{"retain": 5}, {"insert": "s1-9 "}], ["text"]),
        ([{"delete": 5}], ["text"]),
    ):
        story = Story()
        story.tell("p:3", change("documents", "vows", insert={"text": "Once "}))
        for op, delta, undoes, asks in (
            ("a:1", typed(["Once"], 1, "s1-1", []), "", {}),
            ("a:2", [{"retain": 5}, {"delete": 5}], "", {"deletes": ["s1-1"], "at": 9}),
            ("a:3", [{"retain": 5}, {"insert": "s1-1 "}], "a:2", {}),
            ("a:4", last, "a:1", {}),
        ):
            story.tell(op, change("documents", "vows", edit={"text": delta}), asks=asks, undoes=undoes, action="edit")
        assert story.kinds() == expected
