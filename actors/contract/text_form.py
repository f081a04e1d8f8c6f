"""What a delta from outside may look like, its limits, and how an item's fields hold a text with attributes.

A text field holds the plain text; attributes stand beside it in `<field>Format`, as `[[length, attributes], ...]` from the
beginning of the text on, without a plain run at the end and absent where all is plain. Called by the checks of ops, the rules
and every client.
"""

import re
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from actors.contract import text_ot
from actors.contract.errors import BadOp
from actors.contract.ids import MAX_INTEGER
from actors.contract.text_ot import Attributes, Component, Delta

#: Constants of the rules (see docs/protocol.md): whoever changes one makes a new version of the rules.
MAX_TEXT_LENGTH: Final = 200_000
#: UTF-8 bytes of a text and of its format as JSON together: such an item, whole, stays well inside a frame.
MAX_TEXT_BYTES: Final = 400_000
MAX_COMPONENTS: Final = 1_000
MAX_ATTRIBUTES: Final = 8
MAX_ATTRIBUTE_TEXT: Final = 200

Format = list[tuple[int, Attributes]]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")
#: Control characters other than tab, newline and carriage return, and halves of surrogate pairs, are no text.
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_KINDS: Final = ("retain", "insert", "delete")
_encode: Final = msgspec.json.Encoder().encode


def format_field(field: str) -> str:
    """Return the name of the field that holds the attributes of a text field."""
    return f"{field}Format"


def read_delta(value: object, *, attributed: bool = True) -> Delta:
    """Return a delta from outside in normal form; raises BadOp (`bad_value`) that names what is wrong with it."""
    if not isinstance(value, list) or len(value) > MAX_COMPONENTS:
        raise _bad(f"A delta is a list of at most {MAX_COMPONENTS} components.")
    for component in value:
        _check_component(component, attributed=attributed)
    return text_ot.normal_form(cast("Delta", value))


def _bad(message: str) -> BadOp:
    remedy = 'A component is {"retain": n}, {"insert": text} or {"delete": n}, the first two optionally with "attributes".'
    return BadOp("bad_value", message, remedy)


def _check_component(component: object, *, attributed: bool) -> None:
    if not isinstance(component, dict):
        raise _bad("A component of a delta is an object.")
    kinds = [kind for kind in _KINDS if kind in component]
    if len(kinds) != 1 or len(component) - ("attributes" in component) != 1:
        raise _bad("A component has exactly one of retain, insert and delete.")
    kind, amount = kinds[0], component[kinds[0]]
    if kind == "insert":
        if not isinstance(amount, str) or len(amount) > MAX_TEXT_LENGTH or _NO_TEXT.search(amount):
            raise _bad("`insert` is text without control characters other than tab, newline and carriage return.")
    elif not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= MAX_INTEGER:
        raise _bad(f"`{kind}` is a whole number of code points.")
    if "attributes" in component:
        if kind == "delete" or not attributed:
            raise _bad("There are no attributes here.")
        _check_attributes(component["attributes"], inserted=kind == "insert")


def _check_attributes(attributes: object, *, inserted: bool) -> None:
    if not isinstance(attributes, dict) or len(attributes) > MAX_ATTRIBUTES:
        raise _bad(f"`attributes` maps at most {MAX_ATTRIBUTES} names to values.")
    for name, value in attributes.items():
        if not isinstance(name, str) or _NAME.match(name) is None:
            raise _bad("The name of an attribute is a letter and then up to 31 letters, digits, '_' and '-'.")
        if value is None and inserted:
            raise _bad("null takes an attribute away from text that is retained; inserted text has none yet.")
        if isinstance(value, str) and (len(value) > MAX_ATTRIBUTE_TEXT or _NO_TEXT.search(value)):
            raise _bad(f"The text of an attribute has at most {MAX_ATTRIBUTE_TEXT} characters.")
        if not isinstance(value, str | int | None) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            raise _bad("The value of an attribute is text, a whole number, true, false or null.")


def content_of(text: str, runs: Format | None) -> Delta:
    """Return a text with its attributes as a delta of inserts alone."""
    content: Delta = []
    position = 0
    for length, attributes in runs or ():
        piece: Component = {"insert": text[position : position + length]}
        if attributes:
            piece["attributes"] = attributes
        content.append(piece)
        position += length
    return text_ot.normal_form([*content, {"insert": text[position:]}])


def parts_of(content: Sequence[Component]) -> tuple[str, Format | None]:
    """Return the plain text of a delta of inserts, and its format, None where all is plain."""
    runs = [(len(piece["insert"]), piece.get("attributes", {})) for piece in content]
    while runs and not runs[-1][1]:
        runs.pop()
    return "".join(piece["insert"] for piece in content), runs or None


def content_in(fields: dict[str, object], field: str) -> Delta:
    """Return the text that a field of an item holds, with its attributes; absent or just cleared, it is an empty text."""
    return content_of(cast("str", fields.get(field) or ""), cast("Format | None", fields.get(format_field(field))))


def edit_field(fields: dict[str, object], field: str, delta: Sequence[Component]) -> None:
    """Follow an edit in the fields of an item, in place; raises DeltaTooLong."""
    formatted = format_field(field)
    text = cast("str", fields.get(field, ""))
    if formatted not in fields and not text_ot.has_attributes(delta):
        fields[field] = text_ot.apply(text, delta)
        return
    content = content_in(fields, field)
    if text_ot.length_before(delta) > len(text):
        text_ot.apply(text, delta)
    fields[field], runs = parts_of(text_ot.compose(content, delta))
    if runs is None:
        fields.pop(formatted, None)
    else:
        fields[formatted] = [[length, attributes] for length, attributes in runs]


def size_of(fields: dict[str, object], field: str) -> int:
    """Return the bytes of a text and its format together."""
    runs = fields.get(format_field(field))
    return len(cast("str", fields.get(field, "")).encode()) + (0 if runs is None else len(_encode(runs)))
