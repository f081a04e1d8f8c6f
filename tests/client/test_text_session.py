"""A text under the hands of several clients: sessions converge, no insert is lost, one's own edits can be taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.errors import DeltaTooLong
from actors.contract.text_ot import compose
from gateway.client.text_session import TextSession
from tests.support.random_texts import contents, deltas
from tests.support.text_clients import Play


@given(st.integers(0, 2**32))
def test_whole_sessions_converge_and_lose_nothing(seed: int) -> None:
    """Whatever the delays and absences, all end with one text, every insert that nobody deleted in it, once."""
    Play(seed).run()


@given(st.data())
def test_ones_own_edits_are_taken_back_and_those_of_others_stay(data: st.DataObject) -> None:
    """Undoing everything one did, after others wrote, leaves what they would have made alone; redoing brings it back."""
    content = data.draw(contents())
    session = TextSession(content)
    for _ in range(data.draw(st.integers(1, 3))):
        session.edit(data.draw(deltas(len(session.text))))
    mine = session.content
    while session.undo():
        pass
    assert session.content == content
    while session.redo():
        pass
    assert session.content == mine


def test_taking_back_leaves_what_somebody_wrote_meanwhile() -> None:
    """The undo of an insert moves over later edits of others."""
    session = TextSession([{"insert": "I take you"}])
    session.edit([{"retain": 2}, {"insert": "gladly "}])
    session.selection = (17, 17)
    session.follow([{"insert": "Today "}, {"retain": 10}, {"insert": ", Ben"}])
    assert session.text == "Today I gladly take you, Ben"
    assert session.selection == (23, 23)
    session.undo()
    assert session.text == "Today I take you, Ben"


def test_an_edit_that_was_refused_goes_and_what_was_typed_after_it_stays() -> None:
    """Refused for good it leaves the text; refused for its age it is sent again, where it now belongs."""
    session = TextSession([{"insert": "ab"}])
    session.edit([{"insert": "x"}])
    session.take()
    session.edit([{"retain": 3}, {"insert": "y"}])
    session.answered(keep=False)
    assert session.text == "aby"
    assert session.take() == [{"retain": 2}, {"insert": "y"}]
    session.edit([{"insert": "z"}])
    session.reset([{"insert": "new ab"}])
    assert session.text == "zaby"
    session.answered(keep=True)
    assert compose([{"insert": "new ab"}], session.take() or []) == session.content
    assert sorted(session.text) == sorted("new abyz")


def test_typing_beyond_the_end_is_an_error() -> None:
    """Nothing changes."""
    session = TextSession([{"insert": "ab"}])
    with pytest.raises(DeltaTooLong):
        session.edit([{"delete": 3}])
    assert session.text == "ab"
