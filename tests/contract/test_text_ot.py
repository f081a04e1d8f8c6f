"""Operational transform: the laws that make concurrent texts converge, for any text and any edits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract import text_ot
from actors.contract.errors import BadOp, DeltaTooLong
from actors.contract.text_diff import diff, diff_content
from actors.contract.text_form import MAX_COMPONENTS, content_of, edit_field, parts_of, read_delta
from actors.contract.text_ot import Delta, compose, growth, invert, length_before, normal_form, transform, transform_position
from tests.support.random_texts import contents, deltas, texts


def plain_text(content: Delta) -> str:
    return parts_of(content)[0]


@given(st.data())
def test_two_edits_give_the_same_text_in_either_order(data: st.DataObject) -> None:
    """TP1: whoever sees whose edit first, text and attributes are the same."""
    content = data.draw(contents())
    length = len(plain_text(content))
    first, second = data.draw(deltas(length)), data.draw(deltas(length))
    one = compose(compose(content, first), transform(second, first, first=False))
    other = compose(compose(content, second), transform(first, second, first=True))
    assert one == other


@given(st.data())
def test_no_insert_is_lost_and_nothing_deleted_comes_back(data: st.DataObject) -> None:
    """After two concurrent edits every inserted character is there, and the text has just them and what nobody deleted."""
    text = data.draw(texts)
    first, second = (data.draw(deltas(len(text), attributed=False)) for _ in range(2))
    result = text_ot.apply(text_ot.apply(text, first), transform(second, first, first=False))
    for delta in (first, second):
        for component in delta:
            if "insert" in component:
                assert all(result.count(character) for character in component["insert"])
    doomed = transform([c for c in second if "insert" not in c], [c for c in first if "insert" not in c], first=False)
    left = text_ot.apply(text_ot.apply(text, [c for c in first if "insert" not in c]), doomed)
    inserted = sum(len(c["insert"]) for delta in (first, second) for c in delta if "insert" in c)
    assert len(result) == len(left) + inserted


@given(st.data())
def test_composing_is_doing_one_after_the_other(data: st.DataObject) -> None:
    """compose(a, b) does what a and then b do, keeps its normal form, and grouping does not matter."""
    content = data.draw(contents())
    length, steps = len(plain_text(content)), []
    for _ in range(3):
        steps.append(data.draw(deltas(length)))
        length += growth(steps[-1])
    one, two, three = steps
    after = compose(compose(compose(content, one), two), three)
    assert compose(content, compose(compose(one, two), three)) == after
    assert compose(content, compose(one, compose(two, three))) == after
    assert normal_form(compose(one, two)) == compose(one, two)


@given(st.data())
def test_an_inverse_takes_back_exactly_its_edit(data: st.DataObject) -> None:
    """After an edit and its inverse the text is what it was, attributes included."""
    content = data.draw(contents())
    delta = data.draw(deltas(len(plain_text(content))))
    assert compose(compose(content, delta), invert(delta, content)) == content


@given(st.data())
def test_plain_text_and_content_agree(data: st.DataObject) -> None:
    """The quick way for plain texts, the fields of an item, and the content with attributes give the same."""
    content = data.draw(contents())
    text, runs = parts_of(content)
    delta = data.draw(deltas(len(text)))
    fields: dict[str, object] = {"text": text} | ({"textFormat": [list(run) for run in runs]} if runs else {})
    edit_field(fields, "text", delta)
    assert fields["text"] == text_ot.apply(text, delta) == plain_text(compose(content, delta))
    assert content_of(fields["text"], fields.get("textFormat")) == compose(content, delta)  # type: ignore[arg-type]  # from the fields


@given(st.data())
def test_a_cursor_stays_between_the_same_characters(data: st.DataObject) -> None:
    """What stood before the cursor and was not deleted stands before it afterwards, and nothing that stood behind does."""
    text = data.draw(texts)
    marked = [f"{index}|" for index in range(len(text))]
    position = data.draw(st.integers(0, len(text)))
    delta = data.draw(deltas(len(text), attributed=False))
    for stays in (False, True):
        moved = transform_position(position, delta, stays=stays)
        before, place = [], 0
        for component in delta:
            if "insert" in component:
                before += [""] * len(component["insert"])
            elif "retain" in component:
                before += marked[place : place + component["retain"]]
                place += component["retain"]
            else:
                place += component["delete"]
        before += marked[place:]
        assert 0 <= moved <= len(before)
        kept_before = [mark for mark in before if mark and int(mark[:-1]) < position]
        assert [mark for mark in before[:moved] if mark] == kept_before


@given(texts, texts)
def test_a_difference_leads_from_one_text_to_the_other(old: str, new: str) -> None:
    """diff(a, b) on a gives b, word by word or as a replacement."""
    assert text_ot.apply(old, diff(old, new)) == new
    assert text_ot.apply(old, diff(old, new, most=0)) == new
    assert diff(old, old) == []


@given(contents(), contents())
def test_a_difference_of_contents_keeps_attributes(old: Delta, new: Delta) -> None:
    """The same with attributes."""
    assert compose(old, diff_content(old, new)) == new


def test_a_difference_is_as_small_as_its_words() -> None:
    """One changed word in a long text is one word in the difference."""
    old = "I take you, Ben, for better, for worse, in sickness and in health."
    assert diff(old, old.replace("better", "richer").replace("sickness", "laughter")) == [
        {"retain": 21},
        {"insert": "richer"},
        {"delete": 6},
        {"retain": 16},
        {"insert": "laughter"},
        {"delete": 8},
    ]


def test_inv7_a_difference_of_long_texts_is_not_looked_for_word_by_word() -> None:
    """The time that it takes is bounded, also where few words differ: a long middle is replaced as a whole."""
    short, long = ("one " + "more " * count + "end" for count in (900, 1100))
    assert len(diff(short, short.replace("one", "two").replace("end", "fin"))) == 5
    changed = long.replace("one", "two").replace("end", "fin")
    assert diff(long, changed) == [{"insert": changed}, {"delete": len(long)}]
    assert len(diff_content([{"insert": long}], [{"insert": changed}])) == 5


def test_an_edit_beyond_the_end_is_refused() -> None:
    """A delta that was made on a longer text is told by how much."""
    with pytest.raises(DeltaTooLong, match="3 code points"):
        text_ot.apply("ab", [{"retain": 1}, {"delete": 4}])
    with pytest.raises(DeltaTooLong):
        edit_field({"text": "ab", "textFormat": [[1, {"bold": True}]]}, "text", [{"retain": 9, "attributes": {"bold": None}}])
    assert length_before([{"retain": 1}, {"insert": "xyz"}, {"delete": 4}]) == 5


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [1],
        [{}],
        [{"retain": 1, "insert": "a"}],
        [{"retain": 1, "more": 2}],
        [{"retain": -1}],
        [{"retain": True}],
        [{"delete": 1.5}],
        [{"insert": 3}],
        [{"insert": "a\x00"}],
        [{"insert": "\ud83d"}],
        [{"delete": 1, "attributes": {"bold": True}}],
        [{"insert": "a", "attributes": {"bold": None}}],
        [{"insert": "a", "attributes": {"1": True}}],
        [{"insert": "a", "attributes": {"bold": [1]}}],
        [{"insert": "a", "attributes": {"bold": 1.5}}],
        [{"insert": "a", "attributes": {"bold": 2**60}}],
        [{"insert": "a", "attributes": {f"a{n}": True for n in range(9)}}],
        [{"insert": "a"}] * (MAX_COMPONENTS + 1),
    ],
)
def test_what_is_no_delta_is_refused(value: Any) -> None:
    """Everything that comes from outside is checked, and comes out in normal form."""
    with pytest.raises(BadOp):
        read_delta(value)
    with pytest.raises(BadOp):
        read_delta([{"insert": "a", "attributes": {"bold": True}}], attributed=False)
    assert read_delta([{"retain": 0}, {"delete": 1}, {"insert": "a"}, {"insert": "b"}, {"retain": 3}]) == [
        {"insert": "ab"},
        {"delete": 1},
    ]
