"""Texts in the fold: concurrent edits of one text, whole texts against edits, what is too old, what is too long."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.contract import text_ot
from actors.contract.decisions import Decision
from actors.contract.text_form import MAX_TEXT_LENGTH
from actors.contract.text_ot import Delta, compose, growth, transform
from actors.domain import snapshot_form
from actors.domain.text_window import MAX_EDITS
from tests.support.folding import Fold
from tests.support.random_texts import deltas
from tests.support.writing import CHANNEL, edit_field, edit_text, seen, text_of, vows


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def test_two_people_edit_the_vows_at_once() -> None:
    """DOC1: both insertions survive, and each event says what to do to the text that its readers have."""
    fold = vows("I take you")
    base = seen(fold)
    edit_text(fold, "amara", [{"retain": 10}, {"insert": ", Ben"}], base)
    decision = edit_text(fold, "petra", [{"insert": "Today "}], base)
    assert text_of(fold) == "Today I take you, Ben"
    assert (decision.parts[0].relation, decision.parts[0].concurrent_with) == ("concurrent", ("20270619-amara0000:8",))
    late = edit_text(fold, "bloom", [{"retain": 10}, {"insert": "!"}], base)
    assert late.parts[0].changes[0].edit == {"text": [{"retain": 21}, {"insert": "!"}]}


def test_of_two_inserts_at_one_place_the_one_decided_first_stands_first() -> None:
    """Ties are broken by the order of the log."""
    fold = vows("")
    base = seen(fold)
    edit_text(fold, "petra", [{"insert": "one "}], base)
    edit_text(fold, "amara", [{"insert": "two"}], base)
    assert text_of(fold) == "one two"


def test_edits_in_flight_follow_on_the_authors_own() -> None:
    """A client may send several edits without waiting: each is on top of its own earlier ones, whatever others did between."""
    fold = vows("ab")
    base = seen(fold)
    edit_text(fold, "petra", [{"insert": "> "}], base)
    for position, letter in enumerate("xyz"):
        edit_text(fold, "amara", [{"retain": 1 + position}, {"insert": letter}], base)
        edit_text(fold, "petra", [{"insert": "-"}], base)
    assert text_of(fold) == "---> axyzb"


class Writer:
    """A client that sends without waiting and follows events by the rules for clients, as a model of the protocol."""

    def __init__(self, name: str, fold: Fold) -> None:
        self.name, self.text, self.sequence = name, text_of(fold), seen(fold)
        self.pending: list[Delta] = []

    def type(self, fold: Fold, delta: Delta) -> None:
        mine = self.text
        for earlier in self.pending:
            mine = text_ot.apply(mine, earlier)
        if text_ot.length_before(delta) > len(mine):
            delta = []
        self.pending.append(delta)
        assert code(edit_text(fold, self.name, delta, self.sequence)) is None

    def hear(self, fold: Fold) -> None:
        for decision in fold.decisions:
            for part in decision.parts:
                if part.channel == CHANNEL and part.sequence == self.sequence + 1:
                    self._follow(decision, part.changes[0].edit["text"])  # type: ignore[index]  # nothing else happens here
                    self.sequence = part.sequence
                    return

    def _follow(self, decision: Decision, delta: Delta) -> None:
        self.text = text_ot.apply(self.text, delta)
        if decision.principal == self.name:
            assert delta == self.pending.pop(0)
            return
        for index, mine in enumerate(self.pending):
            self.pending[index], delta = transform(mine, delta, first=False), transform(delta, mine, first=True)


@given(st.data())
def test_whole_sessions_converge(data: st.DataObject) -> None:
    """However edits and events interleave, each client meets its own edits as it moved them itself, and all end with one text."""
    fold = vows("abc")
    writers = [Writer(name, fold) for name in ("amara", "petra", "bloom")]
    for _ in range(data.draw(st.integers(2, 14))):
        writer = data.draw(st.sampled_from(writers))
        if data.draw(st.booleans()):
            length = len(writer.text) + sum(growth(delta) for delta in writer.pending)
            writer.type(fold, data.draw(deltas(length, attributed=False)))
        else:
            writer.hear(fold)
    if data.draw(st.booleans()):
        fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    for writer in writers:
        while writer.sequence < seen(fold):
            writer.hear(fold)
    assert {writer.text for writer in writers} == {text_of(fold)}


def test_a_whole_text_keeps_what_others_wrote_meanwhile() -> None:
    """A whole new text changes what it changes in the text that its author had; an insertion of somebody else survives."""
    fold = vows("I take you\nfor better\nfor worse")
    base = {CHANNEL: seen(fold)}
    edit_text(fold, "petra", [{"retain": 10}, {"insert": ", Ben"}], seen(fold))
    fold.act("amara", "documents", "update", "vows", {"text": "I take you\nfor richer\nfor worse", "title": "Mine"}, base=base)
    assert text_of(fold) == "I take you, Ben\nfor richer\nfor worse"
    assert fold.item("documents", "vows")["title"] == "Mine"
    fold.act("petra", "documents", "update", "vows", {"text": "Anew"})
    assert text_of(fold) == "Anew"


def test_an_edit_of_a_text_long_gone_is_refused() -> None:
    """Beyond the window, before a replaced field and in another channel an edit is refused with the remedy to read again."""
    fold = vows("")
    base = seen(fold)
    for _ in range(MAX_EDITS + 1):
        edit_text(fold, "amara", [{"insert": "a"}], seen(fold))
    assert code(edit_text(fold, "petra", [{"insert": "b"}], base)) == "base_too_old"
    assert code(edit_text(fold, "petra", [{"insert": "b"}], base + 1)) is None
    assert code(edit_text(fold, "petra", [{"insert": "b"}])) is None
    old = seen(fold)
    fold.act("amara", "documents", "update", "vows", {"audience": "core"})
    assert code(edit_text(fold, "petra", [{"insert": "c"}], old)) == "base_too_old"
    assert len(fold.state.items["documents"]["vows"].edits) == 0


def test_an_edit_whose_author_has_seen_nothing_is_refused() -> None:
    """Base 0 is what a gateway leaves of a claim about a channel that the author did not read: the edit has no place."""
    for edits in (0, 3):
        fold = vows("I take you")
        for _ in range(edits):
            edit_text(fold, "amara", [{"insert": "a"}], seen(fold))
        assert code(edit_text(fold, "petra", [{"retain": 2}, {"insert": "b"}], 0)) == "base_too_old"


def test_what_an_edit_may_not_do() -> None:
    """It may not reach beyond the text, make it longer than allowed, put attributes where there are none, or name no text."""
    fold = vows("ab")
    assert code(edit_text(fold, "amara", [{"retain": 3}, {"insert": "x"}], seen(fold))) == "bad_value"
    assert code(edit_text(fold, "urs", [{"insert": "x"}], seen(fold))) == "not_found"
    assert code(edit_field(fold, "amara", {"delta": []}, field="title")) == "bad_value"
    assert code(edit_field(fold, "amara", {"delta": [], "more": 1})) == "bad_value"
    fold.act("amara", "vendors", "insert", "lux", {"name": "Lux", "notes": "Call"})
    bold: Any = [{"insert": "x", "attributes": {"bold": True}}]
    vendor = {"collection": "vendors", "identifier": "lux", "field": "notes", "channel": "vendors.team"}
    assert code(edit_field(fold, "amara", {"delta": bold}, **vendor)) == "bad_value"  # type: ignore[arg-type]  # all are text
    assert code(edit_field(fold, "amara", {"delta": [{"insert": "x" * 1_997}]}, **vendor)) == "too_large"  # type: ignore[arg-type]  # likewise text
    assert code(edit_field(fold, "amara", {"delta": [{"insert": "Do "}]}, **vendor)) is None  # type: ignore[arg-type]  # likewise text
    assert fold.item("vendors", "lux")["notes"] == "Do Call"


def test_a_text_that_is_full_can_still_become_shorter() -> None:
    """The bound holds for code points and for bytes."""
    fold = vows("")
    for _ in range(8):
        assert code(edit_text(fold, "amara", [{"insert": "\U0001f48d" * 12_000}])) is None
    assert code(edit_text(fold, "amara", [{"insert": "\U0001f48d" * 12_000}])) == "too_large"
    assert code(edit_text(fold, "amara", [{"delete": 90_000}])) is None
    for _ in range(3):
        edit_text(fold, "amara", [{"insert": "a" * 60_000}])
    assert len(text_of(fold)) < MAX_TEXT_LENGTH
    assert code(edit_text(fold, "amara", [{"insert": "a" * 20_000}])) == "too_large"


def test_attributes_stand_beside_the_text() -> None:
    """A reader of the plain text needs to know nothing of attributes."""
    fold = vows("I take you")
    edit_text(fold, "amara", [{"retain": 2}, {"retain": 4, "attributes": {"bold": True}}])
    edit_text(fold, "petra", [{"retain": 4}, {"insert": "!!"}])
    assert fold.item("documents", "vows")["textFormat"] == [[2, {}], [2, {"bold": True}], [2, {}], [2, {"bold": True}]]
    edit_text(fold, "amara", [{"retain": 12, "attributes": {"bold": None}}])
    assert "textFormat" not in fold.item("documents", "vows")


def test_an_edit_can_be_taken_back_and_later_ones_stay() -> None:
    """The verb `undo` moves the inverse of an op's edit over what came later; once, and for its author alone."""
    fold = vows("I take you")
    first = edit_text(fold, "amara", [{"retain": 2}, {"delete": 5}, {"insert": "will have "}])
    edit_text(fold, "petra", [{"insert": "Now "}, {"retain": 15}, {"insert": "!"}])
    fold.act("petra", "documents", "undo", "vows", {"op": first.op, "edit": "text"})
    assert text_of(fold) == "Now I will have you!"
    for _ in range(2):
        assert code(fold.act("amara", "documents", "undo", "vows", {"op": first.op, "edit": "text"})) is None
        assert text_of(fold) == "Now I take you!"
    undo = next(each for each in fold.decisions if each.undoes == first.op and each.principal == "amara")
    fold.act("amara", "documents", "undo", "vows", {"op": undo.op, "edit": "text"})
    assert text_of(fold) == "Now I will have you!"
    assert code(fold.act("amara", "documents", "undo", "vows", {"op": first.op, "edit": "title"})) == "bad_value"


def test_versions_are_named_restored_and_move_along() -> None:
    """A version keeps the text; restoring is an edit; versions share their document's channel and its end."""
    fold = vows("first")
    edit_text(fold, "amara", [{"retain": 5, "attributes": {"bold": True}}])
    fold.act("amara", "documents", "name_version", "vows", {"name": "Draft", "version": "draft"})
    fold.act("petra", "documents", "name_version", "vows", {"name": "Later"})
    base = seen(fold)
    edit_text(fold, "petra", [{"delete": 5}, {"insert": "second"}])
    decision = fold.act("amara", "documents", "restore", "vows", {"version": "draft"})
    assert text_of(fold) == "first"
    assert fold.item("documents", "vows")["textFormat"] == [[5, {"bold": True}]]
    assert decision.parts[0].changes[0].edit
    assert code(edit_text(fold, "bloom", [{"insert": "My "}], base)) is None
    assert sorted(text_of(fold)) == sorted("My first")
    assert fold.item("versions", "draft") == {
        "document": "vows", "name": "Draft", "author": "amara", "savedAt": "2027-06-19T08:00:00.000Z",
        "text": "first", "textFormat": [[5, {"bold": True}]],
    }  # fmt: skip
    fold.act("amara", "documents", "update", "vows", {"audience": "core"})
    assert {item.channel for item in fold.state.items["versions"].values()} == {"documents.core"}
    assert code(fold.act("amara", "documents", "restore", "vows", {"version": "nope"})) == "not_found"
    assert code(fold.act("amara", "documents", "name_version", "vows", {"name": "Again", "version": "draft"})) == "exists"
    assert code(fold.act("amara", "versions", "update", "draft", {"text": "x"})) == "bad_value"
    assert code(fold.act("amara", "versions", "update", "draft", {"name": "First draft"})) is None
    fold.act("amara", "documents", "delete", "vows")
    assert "versions" not in fold.state.items


def test_a_deleted_document_comes_back_with_its_format_and_its_versions() -> None:
    """Undo brings back all that the delete took away, also a single version; who edited it unseen and counts more does, too."""
    fold = vows("first")
    edit_text(fold, "petra", [{"retain": 5, "attributes": {"bold": True}}])
    fold.act("petra", "documents", "name_version", "vows", {"name": "Draft", "version": "draft"})
    whole, version, base = dict(fold.item("documents", "vows")), dict(fold.item("versions", "draft")), {CHANNEL: seen(fold)}
    deleted = fold.act("petra", "documents", "delete", "vows")
    fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    fold.act("petra", "documents", "undo", "vows", {"op": deleted.op, "insert": True})
    assert (fold.item("documents", "vows"), fold.item("versions", "draft")) == (whole, version)
    deleted = fold.act("petra", "versions", "delete", "draft")
    fold.act("petra", "versions", "undo", "draft", {"op": deleted.op, "insert": True})
    assert fold.item("versions", "draft") == version
    fold.act("petra", "documents", "delete", "vows")
    edited = fold.act("amara", "documents", "update", "vows", {"title": "Vows!"}, base=base)
    assert (fold.item("documents", "vows"), fold.item("versions", "draft")) == (whole | {"title": "Vows!"}, version)
    assert edited.parts[0].relation == "concurrent"
    fold.act("amara", "documents", "delete", "vows")
    assert not fold.act("amara", "versions", "undo", "draft", {"op": deleted.op, "insert": True}).parts


def test_earlier_rules_know_no_edits() -> None:
    """Under an older version of the rules an edit is refused, not decided otherwise."""
    fold = vows("a")
    fold.rules = 2
    assert code(edit_text(fold, "amara", [{"insert": "b"}])) == "bad_value"


def test_a_list_is_edited_entry_by_entry() -> None:
    """Concurrent insertions and removals of entries merge; nothing stands twice, nothing gone is missed."""
    fold = vows()
    fold.act("amara", "timeline", "insert", "toast", {"title": "Toast", "vendors": ["lux", "film"]})
    toast = {"collection": "timeline", "identifier": "toast", "field": "vendors", "channel": "timeline.team"}

    def edit(who: str, **data: Any) -> Decision:
        return edit_field(fold, who, data, 1, **toast)

    edit("amara", insert="band", after="lux")
    edit("petra", insert="band")
    edit("petra", remove="lux")
    edit("amara", remove="lux")
    edit("amara", insert="bloom", after="lux")
    edit("amara", move="film", after=None)
    assert fold.item("timeline", "toast")["vendors"] == ["film", "band", "bloom"]
    assert code(edit("amara", insert="Not An Id")) == "bad_value"
    assert code(edit("amara", insert="a", remove="b")) == "bad_value"
    for entry in ("film", "band", "bloom"):
        edit("amara", remove=entry)
    assert "vendors" not in fold.item("timeline", "toast")


def test_composed_edits_are_one_edit() -> None:
    """What a client composed while an edit was in flight has the same effect as its steps."""
    one: Delta = [{"insert": "ab"}]
    two: Delta = [{"retain": 1}, {"insert": "x"}]
    fold = vows("")
    edit_text(fold, "amara", compose(one, two))
    assert text_of(fold) == "axb"
