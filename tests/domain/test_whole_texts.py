"""Whole new texts of documents, and restored versions: what they change, and what others typed meanwhile."""

import pytest

from actors.contract.text_ot import Delta
from tests.domain.test_texts import code
from tests.support.writing import edit_field, seen, text_of, vows


@pytest.mark.parametrize(("present", "named"), [(None, "team"), ("team", None), (None, None), ("core", "core")])
def test_doc1_a_whole_text_with_the_audience_that_is_there_already_merges(present: str | None, named: str | None) -> None:
    """Documents say `team` or nothing for one and the same channel: what somebody typed meanwhile stays, with its format."""
    fold = vows("I take you")
    fold.act("amara", "documents", "update", "vows", {"audience": present})
    channel = fold.state.items["documents"]["vows"].channel
    base = seen(fold, channel)
    typed = {"delta": [{"retain": 10}, {"insert": ", Ben", "attributes": {"bold": True}}]}
    edit_field(fold, "petra", typed, base, channel=channel)
    whole = {"text": "Today I take you", "audience": named}
    decision = fold.act("amara", "documents", "update", "vows", whole, base={channel: base})
    assert code(decision) is None
    assert text_of(fold) == "Today I take you, Ben"
    assert fold.item("documents", "vows")["textFormat"] == [[16, {}], [5, {"bold": True}]]
    assert [part.channel for part in decision.parts] == [channel]
    assert fold.item("documents", "vows").get("audience") == named


def restored(old: str, new: str) -> Delta:
    """What restoring a document's version with the old text does to the new one."""
    fold = vows(old)
    fold.act("amara", "documents", "name_version", "vows", {"name": "One", "version": "one"})
    fold.act("amara", "documents", "update", "vows", {"text": new})
    decision = fold.act("amara", "documents", "restore", "vows", {"version": "one"})
    assert text_of(fold) == old
    edit = decision.parts[0].changes[0].edit
    assert isinstance(edit, dict)
    return edit["text"]


def test_inv6_a_restore_looks_for_few_words() -> None:
    """A small op is not to cost its host the comparison of two long texts: beyond few words the middle is replaced."""
    old = " ".join(f"word{number}" for number in range(200))
    few, many = (" ".join(f"word{n}" if n % step else f"other{n}" for n in range(200)) for step in (100, 5))
    assert len([component for component in restored(old, few) if "insert" in component]) == 2
    assert len([component for component in restored(old, many) if "insert" in component]) == 1


def test_inv6_a_restore_of_a_long_text_replaces_it() -> None:
    """Also where but two words differ, if they stand far apart."""
    old = "one " + "more " * 1100 + "end"
    new = old.replace("one", "two").replace("end", "fin")
    assert restored(old, new) == [{"insert": old}, {"delete": len(new)}]
