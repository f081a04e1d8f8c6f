"""Undo takes back what nobody has changed since, and nothing else; see also tests/gateway/test_undo.py for the whole way."""

from typing import Any

from actors.contract.decisions import Decision
from actors.domain import snapshot_form
from actors.domain.state import GRAVES_KEPT, REMOVALS
from actors.domain.versions import MAX_VERSIONS
from tests.support.folding import Fold, wedding_with_members


def fold_with_item(**fields: Any) -> tuple[Fold, Decision]:
    """A wedding with one item of the timeline, inserted by Petra."""
    fold = wedding_with_members()
    return fold, fold.act("petra", "timeline", "insert", "arch", {"title": "Arch", "durationMin": 10} | fields)


def undo(fold: Fold, person: str, op: str, identifier: str = "arch", **inverse: Any) -> Decision:
    """Let somebody undo an op with the values that they say were there before."""
    return fold.act(person, "timeline", "undo", identifier, {"op": op} | inverse)


def test_an_update_is_taken_back_field_by_field_where_nobody_wrote_since() -> None:
    """The field that somebody else has changed meanwhile stays, the other has its old value again."""
    fold, _ = fold_with_item()
    mine = fold.act("petra", "timeline", "update", "arch", {"title": "Gate", "durationMin": 20})
    fold.act("amara", "timeline", "update", "arch", {"durationMin": 30})
    decision = undo(fold, "petra", mine.op, set={"title": "Arch", "durationMin": 10})
    assert [change.set for part in decision.parts for change in part.changes] == [{"title": "Arch"}]
    assert (decision.undoes, fold.item("timeline", "arch")["durationMin"]) == (mine.op, 30)


def test_an_undo_repeated_does_nothing_and_undone_itself_does_it_again() -> None:
    """Undo is idempotent, and the undo of an undo is a redo."""
    fold, _ = fold_with_item()
    mine = fold.act("petra", "timeline", "update", "arch", {"title": "Gate"})
    first = undo(fold, "petra", mine.op, set={"title": "Arch"})
    assert not undo(fold, "petra", mine.op, set={"title": "Arch"}).parts
    undo(fold, "petra", first.op, set={"title": "Gate"})
    assert fold.item("timeline", "arch")["title"] == "Gate"


def test_nobody_undoes_what_somebody_else_did() -> None:
    """An op of another person is left alone, whoever names it."""
    fold, inserted = fold_with_item()
    hers = fold.act("petra", "timeline", "update", "arch", {"title": "Gate"})
    assert not undo(fold, "amara", hers.op, set={"title": "Arch"}).parts
    assert not undo(fold, "amara", inserted.op, remove=True).parts


def test_an_insert_is_taken_back_unless_somebody_else_wrote_there() -> None:
    """Who inserted an item may take it away as long as it is theirs alone."""
    fold, inserted = fold_with_item()
    fold.act("petra", "timeline", "update", "arch", {"title": "Gate"})
    fold.act("amara", "timeline", "update", "arch", {"durationMin": 30})
    assert not undo(fold, "petra", inserted.op, remove=True).parts
    fold, inserted = fold_with_item()
    fold.act("petra", "timeline", "update", "arch", {"title": "Gate"})
    undo(fold, "petra", inserted.op, remove=True)
    assert "timeline" not in fold.state.items


def test_a_deleted_item_comes_back_whole_and_once() -> None:
    """A delete is taken back by its author; when another has deleted the item again, that stays."""
    fold, _ = fold_with_item()
    whole = dict(fold.item("timeline", "arch"))
    mine = fold.act("petra", "timeline", "delete", "arch")
    assert not undo(fold, "amara", mine.op, insert=whole).parts
    undo(fold, "petra", mine.op, insert=whole)
    assert fold.item("timeline", "arch") == whole
    fold.act("amara", "timeline", "delete", "arch")
    assert not undo(fold, "petra", mine.op, insert=whole).parts


def test_a_move_is_taken_back() -> None:
    """The item stands again where it stood."""
    fold, _ = fold_with_item()
    fold.act("petra", "timeline", "insert", "bar", {"title": "Bar"})
    before = fold.item("timeline", "bar")["order"]
    mine = fold.act("petra", "timeline", "move", "bar", {"after": None})
    undo(fold, "petra", mine.op, "bar", set={"order": before})
    assert fold.item("timeline", "bar")["order"] == before


def test_an_audience_is_given_back() -> None:
    """An item that left its channel by an op comes back to it, whole."""
    fold, _ = fold_with_item()
    mine = fold.act("petra", "timeline", "update", "arch", {"visibility": "core"})
    undo(fold, "petra", mine.op, set={"visibility": None})
    assert fold.state.items["timeline"]["arch"].channel == "timeline.team"


def test_an_undo_keeps_to_the_rules_of_the_collection() -> None:
    """Whoever may no longer write there undoes nothing, bad values are refused, older rules know no undo."""
    fold, _ = fold_with_item()
    mine = fold.act("bloom", "timeline", "update", "arch", {"title": "Gate"})
    fold.act("amara", "people", "update", "bloom", {"role": "guest"})
    assert not undo(fold, "bloom", mine.op, set={"title": "Arch"}).parts
    hers = fold.act("petra", "timeline", "update", "arch", {"durationMin": 5})
    wrongs: list[dict[str, Any]] = [
        {"set": {"durationMin": "x"}},
        {"set": {}},
        {"set": {"title": "a"}, "remove": True},
        {"remove": False},
        {},
    ]
    for wrong in wrongs:
        refused = undo(fold, "petra", hers.op, **wrong).refusal
        assert refused is not None
        assert refused.code == "bad_value"
    fold.rules = 2
    refused = undo(fold, "petra", hers.op, set={"durationMin": 10}).refusal
    assert refused is not None
    assert refused.code == "bad_value"


def test_how_many_removals_are_remembered_is_bounded() -> None:
    """A wedding in which much is deleted keeps the last removals only."""
    fold, _ = fold_with_item()
    for number in range(300):
        fold.act("petra", "timeline", "insert", f"i{number}", {"title": "Arch"})
        fold.act("petra", "timeline", "delete", f"i{number}")
    assert list(fold.state.removed) == [f"timeline/i{number}" for number in range(44, 300)]


def test_inv6_what_one_guest_deletes_pushes_out_what_the_guest_deleted() -> None:
    """Who holds the most of what is remembered makes room: the couple's own delete can be taken back after any flood."""
    fold = wedding_with_members()
    fold.act("amara", "documents", "insert", "vows", {"title": "Vows", "text": "long"})
    mine = fold.act("amara", "documents", "delete", "vows")
    flood = []
    for number in range(REMOVALS + 20):
        fold.act("urs", "messages", "insert", f"m{number}", {"text": "t", "audience": "private-urs"})
        flood.append(fold.act("urs", "messages", "delete", f"m{number}"))
    assert (len(fold.state.graves), len(fold.state.removed)) == (GRAVES_KEPT, REMOVALS)
    fold.state = snapshot_form.decode(snapshot_form.encode(fold.state))
    fold.act("amara", "documents", "undo", "vows", {"op": mine.op, "insert": True})
    fold.act("urs", "messages", "undo", "m275", {"op": flood[-1].op, "insert": True})
    assert fold.item("documents", "vows")["text"] == "long"
    assert list(fold.state.items["messages"]) == ["m275"]


def test_inv6_between_those_who_hold_as_much_the_oldest_goes() -> None:
    """Which one is forgotten depends on nothing but the order of the log."""
    fold = wedding_with_members()
    for number in range(GRAVES_KEPT):
        person = ("amara", "petra")[number % 2]
        fold.act(person, "tasks", "insert", f"t{number}", {"title": "t"})
        fold.act(person, "tasks", "delete", f"t{number}")
    for number, expected in enumerate(("tasks/t0", "tasks/t1", "tasks/t2")):
        before = set(fold.state.graves)
        fold.act("urs", "messages", "insert", f"m{number}", {"text": "t", "audience": "private-urs"})
        fold.act("urs", "messages", "delete", f"m{number}")
        assert before - set(fold.state.graves) == {expected}


def test_the_founding_of_a_wedding_is_not_taken_back() -> None:
    """What no `delete` can do no undo does: the wedding stays, and its founder is told whom to ask."""
    fold = wedding_with_members()
    founded = fold.decisions[0]
    decision = fold.act("amara", "wedding", "undo", fold.state.id, {"op": founded.op, "remove": True})
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.refusal.remedy) == ("not_allowed", "Ask the operator.")
    assert fold.item("wedding", fold.state.id)["title"]


def fold_where_graves_are_full() -> Fold:
    """A wedding in which four people have deleted 25 messages each, and Petra a document with 50 versions, not yet deleted."""
    fold = wedding_with_members()
    for person in ("amara", "bloom", "fatou", "urs"):
        for number in range(GRAVES_KEPT // 4):
            fold.act(person, "messages", "insert", f"{person}{number}", {"text": "t", "audience": "everyone"})
            fold.act(person, "messages", "delete", f"{person}{number}")
    assert len(fold.state.graves) == GRAVES_KEPT
    fold.act("petra", "documents", "insert", "vows", {"title": "Vows", "text": "long"})
    for number in range(MAX_VERSIONS):
        fold.act("petra", "documents", "name_version", "vows", {"name": f"Draft {number}"})
    return fold


def test_inv6_the_versions_that_go_with_a_document_do_not_push_it_out() -> None:
    """Whoever deletes it holds the most then; the document itself comes back, with the versions for which there was room."""
    fold = fold_where_graves_are_full()
    mine = fold.act("petra", "documents", "delete", "vows")
    fold.act("petra", "documents", "undo", "vows", {"op": mine.op, "insert": True})
    assert fold.item("documents", "vows")["text"] == "long"
    assert len(fold.state.items["versions"]) > 10


def test_inv6_a_document_with_many_versions_keeps_its_origin_when_it_gets_another_audience() -> None:
    """Who edits it unaware of that is told what stood where it came from."""
    fold = fold_where_graves_are_full()
    fold.act("petra", "documents", "update", "vows", {"audience": "everyone"})
    origin = fold.state.items["documents"]["vows"].origin
    assert origin is not None
    assert origin.channel == "documents.team"
    assert len(fold.state.items["versions"]) == MAX_VERSIONS
