"""The campaign of texts: a few hundred cases hold, and it notices a transform that breaks ties the same way on both sides."""

import pytest

from actors.contract import text_ot
from bench.soak import texts


def test_a_few_hundred_cases_hold() -> None:
    """The campaign finds nothing in the shipped transform."""
    assert list(texts.offences_of(200, 1)) == []


def test_a_wrong_transform_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both sides put the other's insert first, texts part, and the campaign says so."""

    def wrong(delta: text_ot.Delta, other: text_ot.Delta, *, first: bool) -> text_ot.Delta:
        del first
        return text_ot.transform(delta, other, first=False)

    monkeypatch.setattr(texts, "transform", wrong)
    assert any("TP1" in offence for offence in texts.offences_of(200, 1))
