"""Operational transform for text: what a delta is, and apply, compose, transform and invert. Pure; every end runs the same.

A delta is a list of `{"retain": n}`, `{"insert": text}` and `{"delete": n}`, the first two optionally with `attributes`; it goes
over a text from its beginning, and what lies behind its last component stays. Lengths are Unicode code points, never UTF-16
units or bytes; otherwise form and algorithms are those of Quill's Delta. Limits and checks of what comes from outside are in
`text_form`; docs/text-vectors.json holds examples for every client, and gateway/web/text_ot.js is the same in JavaScript.
"""

from collections.abc import Sequence
from typing import TypedDict

from actors.contract.errors import DeltaTooLong

#: What stands under the name of an attribute; None removes it.
AttributeValue = str | int | bool | None
Attributes = dict[str, AttributeValue]


class Component(TypedDict, total=False):
    """Exactly one of `retain`, `insert` and `delete`; `attributes` never with `delete`."""

    retain: int
    insert: str
    delete: int
    attributes: Attributes


Delta = list[Component]


def length_of(component: Component) -> int:
    """Return how many code points a component is about."""
    if "insert" in component:
        return len(component["insert"])
    return component.get("retain") or component.get("delete", 0)


def length_before(delta: Sequence[Component]) -> int:
    """Return how much of the text a delta goes over; the text may be longer."""
    return sum(length_of(component) for component in delta if "insert" not in component)


def growth(delta: Sequence[Component]) -> int:
    """Return by how many code points the text becomes longer."""
    inserted = sum(len(component["insert"]) for component in delta if "insert" in component)
    return inserted - sum(component.get("delete", 0) for component in delta)


def has_attributes(delta: Sequence[Component]) -> bool:
    """Tell whether a delta says anything about attributes."""
    return any("attributes" in component for component in delta)


def normal_form(delta: Sequence[Component]) -> Delta:
    """Return the one shortest form: nothing empty, neighbours joined, insert before delete, no retain at the end."""
    writer = _Writer()
    for component in delta:
        writer.push(component)
    return writer.finish()


def apply(text: str, delta: Sequence[Component]) -> str:
    """Return the text after the delta, whatever its attributes; raises DeltaTooLong."""
    pieces, position = [], 0
    for component in delta:
        if "insert" in component:
            pieces.append(component["insert"])
        elif "retain" in component:
            pieces.append(text[position : position + component["retain"]])
            position += component["retain"]
        else:
            position += component["delete"]
    if position > len(text):
        raise DeltaTooLong(position - len(text))
    pieces.append(text[position:])
    return "".join(pieces)


def compose(first: Sequence[Component], second: Sequence[Component]) -> Delta:
    """Return the delta that does `first` and then `second`."""
    if len(first) == 0 or len(second) == 0:
        return normal_form([*first, *second])
    one, two, writer = _Reader(first), _Reader(second), _Writer()
    while one.has_more or two.has_more:
        if two.kind == "insert":
            writer.push(two.take())
        elif one.kind == "delete":
            writer.push(one.take())
        else:
            length = min(one.length, two.length)
            before, after = one.take(length), two.take(length)
            if "delete" in after:
                if "retain" in before:
                    writer.push(after)
            else:
                writer.push(_with_attributes(before, _composed_attributes(before, after)))
    return writer.finish()


def transform(delta: Sequence[Component], other: Sequence[Component], *, first: bool) -> Delta:
    """Return `delta` as it must be where `other`, made on the same text, was applied before it.

    `first` says that `delta` was decided before `other`: of two inserts at one place its own stands before, and of two values
    of one attribute the other's holds. TP1: apply(apply(t, a), transform(b, a, first=False)) is
    apply(apply(t, b), transform(a, b, first=True)).
    """
    mine, theirs, writer = _Reader(delta), _Reader(other), _Writer()
    while mine.has_more:
        if theirs.kind == "insert" and not (first and mine.kind == "insert"):
            writer.push({"retain": length_of(theirs.take())})
        elif mine.kind == "insert":
            writer.push(mine.take())
        else:
            length = min(mine.length, theirs.length)
            own, foreign = mine.take(length), theirs.take(length)
            if "delete" in foreign:
                continue
            writer.push(_without_overruled(own, foreign) if first and "attributes" in own else own)
    return writer.finish()


def invert(delta: Sequence[Component], text: Sequence[Component] | str) -> Delta:
    """Return the delta that takes `delta` back; `text` is what `delta` is applied to, plain or as inserts with attributes."""
    before = _Reader([{"insert": text}] if isinstance(text, str) else text)
    writer = _Writer()
    for component in delta:
        if "insert" in component:
            writer.push({"delete": len(component["insert"])})
        elif "delete" in component:
            for piece in before.take_all(component["delete"]):
                writer.push(piece)
        elif "attributes" not in component:
            before.take_all(component["retain"])
            writer.push({"retain": component["retain"]})
        else:
            for piece in before.take_all(component["retain"]):
                writer.push(_with_attributes({"retain": len(piece["insert"])}, _former_attributes(component, piece)))
    return writer.finish()


def transform_position(position: int, delta: Sequence[Component], *, stays: bool = False) -> int:
    """Return where a cursor stands after a delta; `stays` keeps it before what is inserted right at its place."""
    place = 0
    for component in delta:
        length = length_of(component)
        if "insert" in component:
            if place < position or (place == position and not stays):
                position += length
            place += length
        elif "retain" in component:
            place += length
        elif place < position:
            position -= min(length, position - place)
        if place > position:
            break
    return position


class _Reader:
    """Takes a delta apart, piece by piece; behind its end it is one endless retain."""

    __slots__ = ("_components", "_index", "_offset")

    def __init__(self, components: Sequence[Component]) -> None:
        self._components = components
        self._index = 0
        self._offset = 0

    @property
    def has_more(self) -> bool:
        return self._index < len(self._components)

    @property
    def kind(self) -> str:
        if self._index >= len(self._components):
            return "retain"
        component = self._components[self._index]
        return "insert" if "insert" in component else "retain" if "retain" in component else "delete"

    @property
    def length(self) -> int:
        """What is left of the present component."""
        return length_of(self._components[self._index]) - self._offset if self.has_more else 1 << 60

    def take(self, limit: int = 1 << 60) -> Component:
        """Take the rest of the present component, at most `limit` code points of it."""
        if not self.has_more:
            return {"retain": limit}
        component, start = self._components[self._index], self._offset
        left = length_of(component) - start
        length = min(left, limit)
        if length == left:
            self._index, self._offset = self._index + 1, 0
            if start == 0:
                return component
        else:
            self._offset += length
        if "insert" in component:
            return _with_attributes({"insert": component["insert"][start : start + length]}, component.get("attributes", {}))
        if "retain" in component:
            return _with_attributes({"retain": length}, component.get("attributes", {}))
        return {"delete": length}

    def take_all(self, length: int) -> list[Component]:
        """Take that many code points; raises DeltaTooLong when there are fewer."""
        pieces: list[Component] = []
        while length > 0:
            if not self.has_more:
                raise DeltaTooLong(length)
            piece = self.take(length)
            length -= length_of(piece)
            pieces.append(piece)
        return pieces


class _Writer:
    """Puts a delta together in normal form."""

    __slots__ = ("_written",)

    def __init__(self) -> None:
        self._written: Delta = []

    def push(self, component: Component) -> None:
        if length_of(component) == 0:
            return
        written = self._written
        place = len(written)
        if "insert" in component and place and "delete" in written[-1]:
            # What is inserted beside something deleted stands before it, so that equal edits have equal forms.
            place -= 1
        joined = _joined(written[place - 1], component) if place else None
        if joined is not None:
            written[place - 1] = joined
        else:
            written.insert(place, component)

    def finish(self) -> Delta:
        while self._written and "retain" in self._written[-1] and not self._written[-1].get("attributes"):
            self._written.pop()
        return self._written


def _joined(left: Component, right: Component) -> Component | None:
    """Return both as one component, or None when they are of different kinds or attributes."""
    if "delete" in left:
        return {"delete": left["delete"] + right["delete"]} if "delete" in right else None
    if "delete" in right or not _are_same(left.get("attributes", {}), right.get("attributes", {})):
        return None
    attributes = left.get("attributes", {})
    if "insert" in left:
        return _with_attributes({"insert": left["insert"] + right["insert"]}, attributes) if "insert" in right else None
    return _with_attributes({"retain": left["retain"] + right["retain"]}, attributes) if "retain" in right else None


def _with_attributes(component: Component, attributes: Attributes) -> Component:
    """Return the retain or insert with exactly these attributes."""
    bare: Component = {"insert": component["insert"]} if "insert" in component else {"retain": component["retain"]}
    if attributes:
        bare["attributes"] = attributes
    return bare


def _composed_attributes(before: Component, after: Component) -> Attributes:
    """Return what both say; a removal has nothing left to remove from text that was just inserted."""
    both = before.get("attributes", {}) | after.get("attributes", {})
    return {name: value for name, value in both.items() if value is not None} if "insert" in before else both


def _without_overruled(own: Component, foreign: Component) -> Component:
    overruled = foreign.get("attributes", {})
    return _with_attributes(own, {name: value for name, value in own["attributes"].items() if name not in overruled})


def _former_attributes(change: Component, piece: Component) -> Attributes:
    former = piece.get("attributes", {})
    present = {name: former.get(name) for name in change["attributes"]}
    return {name: value for name, value in present.items() if not _are_same({name: value}, {name: change["attributes"][name]})}


def _are_same(left: Attributes, right: Attributes) -> bool:
    """Compare as JSON does, where true is not 1."""
    return left == right and all(type(value) is type(right[name]) for name, value in left.items())
