"""The difference of two texts as a delta: what a whole new text changes, and what lies between two versions. Pure.

Called by the rules for whole texts and restored versions, by the HTTP routes of documents, and by clients that lost sight of
a text.
"""

import re
from collections.abc import Sequence
from typing import Final

from actors.contract.text_ot import Component, Delta, compose, invert, normal_form

#: How many words may differ before the whole middle counts as replaced, and how long both middles together may be for each of
#: them to be looked for: bounds the time of a rule (about a millisecond; four in texts made for it). There is more elsewhere.
FEW: Final = 40
MANY: Final = 10 * FEW
_LENGTH_FOR_EACH: Final = 250
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")


def diff(old: str, new: str, *, most: int = FEW) -> Delta:
    """Return the delta from `old` to `new`, word by word where at most `most` words differ, near each other (Myers 1986)."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    middle: Delta | None = None
    if before and after and len(before) + len(after) <= most * _LENGTH_FOR_EACH:
        middle = _by_words(_WORDS.findall(before), _WORDS.findall(after), most)
    if middle is None:
        middle = [{"insert": after}, {"delete": len(before)}]
    return normal_form([{"retain": start}, *middle])


def diff_content(old: Sequence[Component], new: Sequence[Component], *, most: int = MANY) -> Delta:
    """Return the delta between two texts with attributes, given as inserts."""
    old_text, new_text = ("".join(piece["insert"] for piece in content) for content in (old, new))
    changed = diff(old_text, new_text, most=most)
    reached = compose(old, changed)
    if reached == list(new):
        return changed
    # The text agrees; what differs now are attributes: take off what is there and put on what shall be.
    return compose(changed, _repainted(reached, new))


def _repainted(present: Sequence[Component], wanted: Sequence[Component]) -> Delta:
    bare: Delta = []
    for piece in present:
        attributes = piece.get("attributes", {})
        bare.append(
            {"retain": len(piece["insert"]), "attributes": dict.fromkeys(attributes)}
            if attributes
            else {"retain": len(piece["insert"])}
        )
    painted: Delta = []
    for piece in wanted:
        attributes = piece.get("attributes", {})
        painted.append(
            {"retain": len(piece["insert"]), "attributes": attributes} if attributes else {"retain": len(piece["insert"])}
        )
    both = compose(bare, painted)
    return invert(invert(both, present), compose(present, both))


def _common(left: str, right: str) -> int:
    """Return how long the common beginning is, by halving: comparing slices is far quicker than characters."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _by_words(before: list[str], after: list[str], most: int) -> Delta | None:
    """Return the middle of a difference word by word, None when more than `most` words differ."""
    furthest: dict[int, int] = {1: 0}
    trail: list[dict[int, int]] = []
    for differing in range(most + 1):
        trail.append(dict(furthest))
        for diagonal in range(-differing, differing + 1, 2):
            down = diagonal == -differing or (diagonal != differing and furthest[diagonal - 1] < furthest[diagonal + 1])
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            while x < len(before) and x - diagonal < len(after) and before[x] == after[x - diagonal]:
                x += 1
            furthest[diagonal] = x
            if x >= len(before) and x - diagonal >= len(after):
                return _walked_back(before, after, trail)
    return None


def _walked_back(before: list[str], after: list[str], trail: list[dict[int, int]]) -> Delta:
    """Follow the way of the search from its end to its beginning."""
    steps: Delta = []
    x, y = len(before), len(after)
    for differing in range(len(trail) - 1, -1, -1):
        furthest, diagonal = trail[differing], x - y
        down = diagonal == -differing or (diagonal != differing and furthest[diagonal - 1] < furthest[diagonal + 1])
        came = diagonal + 1 if down else diagonal - 1
        came_x = furthest[came]
        same = min(x - came_x, y - (came_x - came)) if differing else x
        if same > 0:
            kept = before[x - same : x]
            steps.append({"retain": sum(map(len, kept))})
            x, y = x - same, y - same
        if differing == 0:
            break
        if down:
            steps.append({"insert": after[y - 1]})
        else:
            steps.append({"delete": len(before[x - 1])})
        x, y = came_x, came_x - came
    return steps[::-1]
