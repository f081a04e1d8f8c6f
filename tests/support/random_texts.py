"""Strategies for texts and deltas of every kind: surrogate pairs, combining marks, attributes, deltas that fit a given text.

Called by property tests and by the campaign of `make soak`.
"""

from typing import Any

from hypothesis import strategies as st

from actors.contract.text_ot import Component, Delta, normal_form

#: One of each kind that an implementation may count wrongly: ASCII, two and three bytes, two UTF-16 units, a combining mark.
ALPHABET = "ab \nZéß好\U0001f492\U0001f469\u0301\u200d"

texts = st.text(ALPHABET, max_size=12)
_attributes = st.dictionaries(st.sampled_from(["bold", "color"]), st.sampled_from([True, 1, "red"]), max_size=2)
_changes = st.dictionaries(st.sampled_from(["bold", "color"]), st.sampled_from([True, 1, "red", None]), max_size=2)


def _component(kind: str, value: Any, attributes: dict[str, Any]) -> Component:
    component: dict[str, Any] = {kind: value}
    if attributes and kind != "delete":
        component["attributes"] = attributes
    return component  # type: ignore[return-value]  # built by hand


@st.composite
def contents(draw: st.DrawFn) -> Delta:
    """A text with attributes, as inserts."""
    pieces = draw(st.lists(st.tuples(texts, _attributes), max_size=4))
    return normal_form([_component("insert", text, attributes) for text, attributes in pieces])


@st.composite
def deltas(draw: st.DrawFn, length: int, *, attributed: bool = True) -> Delta:
    """A delta that fits a text of `length` code points, in normal form."""
    components: Delta = []
    left = length
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["retain", "insert", "delete"]))
        if kind == "insert":
            components.append(_component(kind, draw(texts), draw(_attributes) if attributed else {}))
        elif left:
            amount = draw(st.integers(1, left))
            left -= amount
            components.append(_component(kind, amount, draw(_changes) if attributed else {}))
    return normal_form(components)
