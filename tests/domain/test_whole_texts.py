"""Whole new texts of documents, and restored versions: what they change, and what others typed meanwhile."""

import pytest

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
