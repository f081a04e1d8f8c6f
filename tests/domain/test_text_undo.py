"""Edits of a text taken back, one after the other, undone and done again, while others go on writing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.decisions import Decision
from actors.contract.text_ot import Delta, normal_form
from actors.domain import snapshot_form, text_window
from tests.support.folding import Fold
from tests.support.writing import edit_text, text_of, vows

_HELLO: Delta = [{"insert": "hello"}]
_CUT: Delta = [{"retain": 1}, {"delete": 3}]


def take_back(fold: Fold, decision: Decision, person: str = "amara") -> Decision:
    """Undo an edit of the vows; nothing is refused."""
    undone = fold.act(person, "documents", "undo", "vows", {"op": decision.op, "edit": "text"})
    assert undone.refusal is None, undone.refusal
    return undone


@pytest.mark.parametrize("cut", [_CUT, [{"delete": 5}], [{"retain": 4}, {"delete": 1}, {"insert": "O"}]])
def test_edits_taken_back_one_by_one_leave_nothing(cut: Delta) -> None:
    """What a later edit had cut out and an undo brought back goes with the edit that put it there."""
    fold = vows("")
    edits = [edit_text(fold, "amara", delta) for delta in (_HELLO, cut)]
    take_back(fold, edits[1])
    assert text_of(fold) == "hello"
    fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    take_back(fold, edits[0])
    assert text_of(fold) == ""


def test_what_others_wrote_between_stays_where_it_was() -> None:
    """Edits of others between an edit and its undo are kept in either direction."""
    fold = vows("")
    first = edit_text(fold, "amara", _HELLO)
    second = edit_text(fold, "amara", _CUT)
    edit_text(fold, "petra", [{"insert": "<"}, {"retain": 1}, {"insert": "|"}, {"retain": 1}, {"insert": ">"}])
    take_back(fold, second)
    assert text_of(fold) == "<h|ello>"
    edit_text(fold, "petra", [{"retain": 5}, {"insert": "!"}])
    take_back(fold, first)
    assert text_of(fold) == "<|!>"


def test_what_was_done_again_is_taken_back_again() -> None:
    """An undo of an undo is an edit of its own, also for what comes after it."""
    fold = vows("")
    first = edit_text(fold, "amara", _HELLO)
    second = edit_text(fold, "amara", _CUT)
    undone = take_back(fold, second)
    again = take_back(fold, undone)
    assert text_of(fold) == "ho"
    assert take_back(fold, second).parts == ()
    take_back(fold, again)
    assert text_of(fold) == "hello"
    take_back(fold, first)
    assert text_of(fold) == ""


def test_the_same_words_typed_by_hand_are_no_undo() -> None:
    """Only an undo takes an edit back, and only once."""
    fold = vows("hello")
    cut = edit_text(fold, "amara", [{"delete": 5}])
    take_back(fold, cut)
    assert take_back(fold, cut).parts == ()
    assert text_of(fold) == "hello"


def test_inv6_how_much_is_moved_for_one_undo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too many edits of others lie between an edit and its undo, what they left is left; nothing else is touched."""
    for bound, expected in ((100, "...."), (3, "....ell")):
        monkeypatch.setattr(text_window, "MAX_MOVES", bound)
        fold = vows("")
        edits = [edit_text(fold, "amara", delta) for delta in (_HELLO, _CUT)]
        for _ in range(4):
            edit_text(fold, "petra", [{"insert": "."}])
        for edit in reversed(edits):
            take_back(fold, edit)
        assert text_of(fold) == expected


@given(st.data())
def test_undo_and_redo_lead_through_the_texts_of_before(data: st.DataObject) -> None:
    """Whatever one writes, undoes and does again in turn, and wherever others insert: without their words it is as before."""
    fold = vows("abc")
    texts, done, undone = ["abc"], list[Decision](), list[Decision]()
    for number in range(data.draw(st.integers(2, 9), label="steps")):
        present = text_of(fold)
        steps = ["write", "foreign", *["undo"] * bool(done), *["redo"] * bool(undone)]
        match data.draw(st.sampled_from(steps), label="step"):
            case "write":
                done.append(edit_text(fold, "amara", data.draw(_edits_of(present, chr(ord("d") + number)), label="edit")))
                texts[len(done) :] = [_own(fold)]
                undone.clear()
            case "foreign":
                place = data.draw(st.integers(0, len(present)), label="place")
                edit_text(fold, "petra", [{"retain": place}, {"insert": "."}] if place else [{"insert": "."}])
            case "undo":
                undone.append(take_back(fold, done.pop()))
            case _:
                done.append(take_back(fold, undone.pop()))
        assert _own(fold) == texts[len(done)]


def test_words_that_an_edit_cut_out_of_one_that_is_undone_tear_nothing_when_they_come_back() -> None:
    """Where a cut and its undo lie across the undo of what was cut, positions are those of the text as it is."""
    fold = vows("")
    first = edit_text(fold, "amara", [{"insert": "[]"}])
    words = edit_text(fold, "amara", [{"insert": "one two "}])
    cut = edit_text(fold, "amara", [{"delete": 4}])
    take_back(fold, words)
    take_back(fold, cut)
    assert text_of(fold) == "one []"
    take_back(fold, first)
    assert text_of(fold) == "one "


@given(st.data())
def test_edits_are_taken_back_in_any_order(data: st.DataObject) -> None:
    """An undo takes out only what its edit put in, and brings back only what that cut out, whichever comes first."""
    fold = vows("abcdefgh")
    edits: list[tuple[Decision, set[str], set[str]]] = []
    for number in range(data.draw(st.integers(1, 6), label="edits")):
        present = text_of(fold)
        start = data.draw(st.integers(0, len(present)), label="start")
        cut = data.draw(st.integers(0, min(3, len(present) - start)), label="cut")
        put_in = "ABCDEFGHIJKL"[2 * number : 2 * number + data.draw(st.integers(0 if cut else 1, 2), label="put in")]
        delta = normal_form([{"retain": start}, {"insert": put_in}, {"delete": cut}])
        edits.append((edit_text(fold, "amara", delta), set(put_in), set(present[start : start + cut])))
    for edit, own, foreign in data.draw(st.permutations(edits), label="order"):
        before = text_of(fold)
        take_back(fold, edit)
        after = text_of(fold)
        assert len(set(after)) == len(after)
        assert set(before) - set(after) <= own
        assert set(after) - set(before) <= foreign


def _own(fold: Fold) -> str:
    return text_of(fold).replace(".", "")


@st.composite
def _edits_of(draw: st.DrawFn, text: str, letter: str) -> Delta:
    """A replacement of a part without foreign words, by some of a letter of its own."""
    start = draw(st.integers(0, len(text)))
    length = draw(st.integers(0, 3))
    cut = len(text[start : start + length].partition(".")[0])
    inserted = letter * draw(st.integers(0 if cut else 1, 2))
    return normal_form([{"retain": start}, {"insert": inserted}, {"delete": cut}])
