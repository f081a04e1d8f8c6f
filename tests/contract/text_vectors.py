"""The cases of docs/text-vectors.json, from which every client can test its operational transform.

`make docs` writes the page anew; the tests compare it with this code and with gateway/web/text_ot.js.
"""

import json
from typing import Any, Final

from actors.contract import text_ot
from tests.support.requirements import ROOT

PAGE: Final = ROOT / "docs" / "text-vectors.json"
NOTE: Final = (
    "A delta is a list of components; lengths count Unicode code points (the ring U+1F48D is one, in UTF-16 two). `result` is "
    "what each function gives: apply(text, delta), compose(first, second), transform(delta, other) where `first` says whether "
    "delta was decided first, invert(delta, content), transform_position(position, delta), normal_form(delta)."
)
_RING: Final = "\U0001f48d"
_COUPLE: Final = "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468"
_BOLD: Final[dict[str, Any]] = {"bold": True}

_APPLY: Final[list[tuple[str, Any]]] = [
    ("", [{"insert": "I do"}]),
    ("I take you", [{"retain": 2}, {"insert": "gladly "}]),
    (f"a{_RING}b", [{"retain": 2}, {"insert": "!"}, {"delete": 1}]),
    (f"{_COUPLE} forever", [{"delete": 6}, {"insert": _RING}]),
    ("e\u0301tude", [{"delete": 1}, {"insert": "E"}]),
    ("one\ntwo", [{"retain": 3}, {"delete": 1}, {"insert": ", "}]),
]
_PAIRS: Final[list[tuple[Any, Any]]] = [
    ([{"retain": 3}, {"insert": "x"}], [{"retain": 3}, {"insert": "y"}]),
    ([{"insert": _RING}], [{"insert": "a"}, {"delete": 2}]),
    ([{"retain": 1}, {"delete": 3}], [{"retain": 2}, {"insert": f"{_RING}{_RING}"}, {"delete": 4}]),
    ([{"delete": 5}], [{"retain": 2}, {"delete": 2}, {"retain": 1}, {"insert": "z"}]),
    ([{"retain": 4, "attributes": _BOLD}], [{"retain": 2, "attributes": {"bold": None, "color": "red"}}]),
    ([{"insert": "new", "attributes": {"color": "red"}}], [{"retain": 3, "attributes": {"color": None, "bold": True}}]),
    ([{"retain": 2}, {"insert": "ab"}], [{"retain": 1}, {"delete": 2}]),
    ([], [{"retain": 5, "attributes": {"size": 1}}]),
]
_INVERT: Final[list[tuple[Any, Any]]] = [
    ([{"retain": 1}, {"delete": 2}, {"insert": _RING}], [{"insert": f"a{_RING}bc"}]),
    ([{"delete": 3}], [{"insert": "ab", "attributes": _BOLD}, {"insert": "cd"}]),
    ([{"retain": 4, "attributes": {"bold": None, "color": 1}}], [{"insert": "ab", "attributes": _BOLD}, {"insert": "cd"}]),
]
_NORMAL: Final[list[Any]] = [
    [{"retain": 0}, {"insert": ""}, {"delete": 0}],
    [{"delete": 1}, {"insert": "a"}, {"insert": "b"}, {"delete": 2}, {"retain": 7}],
    [{"insert": "a", "attributes": {}}, {"insert": "b", "attributes": _BOLD}, {"insert": "c", "attributes": {"bold": 1}}],
]


def vectors() -> dict[str, Any]:
    """Compute the page."""
    deltas = [delta for pair in _PAIRS for delta in pair]
    return {
        "note": NOTE,
        "apply": [{"text": text, "delta": delta, "result": text_ot.apply(text, delta)} for text, delta in _APPLY],
        "compose": [{"first": a, "second": b, "result": text_ot.compose(a, b)} for a, b in _PAIRS],
        "transform": [
            {"delta": a, "other": b, "first": first, "result": text_ot.transform(a, b, first=first)}
            for pair in _PAIRS
            for a, b in (pair, pair[::-1])
            for first in (True, False)
        ],
        "invert": [{"delta": d, "content": content, "result": text_ot.invert(d, content)} for d, content in _INVERT],
        "position": [
            {"position": place, "delta": d, "stays": stays, "result": text_ot.transform_position(place, d, stays=stays)}
            for d in deltas
            for place in (0, 2, 3)
            for stays in (True, False)
        ],
        "normal": [{"delta": d, "result": text_ot.normal_form(d)} for d in _NORMAL],
    }


if __name__ == "__main__":
    lists = {name: value for name, value in vectors().items() if name != "note"}
    rows = ",\n".join(
        f'"{name}": [\n' + ",\n".join("  " + json.dumps(case, ensure_ascii=True) for case in cases) + "\n]"
        for name, cases in lists.items()
    )
    PAGE.write_text(f'{{\n"note": {json.dumps(NOTE)},\n{rows}\n}}\n', encoding="utf-8")
