"""Vector clocks: `{"<principal>/<client>": n}`, compared and merged entry by entry.

Source: Fidge 1988, Mattern 1989. A missing entry counts as zero.
"""

from collections.abc import Mapping
from typing import Literal

Clock = dict[str, int]
Order = Literal["equal", "before", "after", "concurrent"]


def merge(left: Mapping[str, int], right: Mapping[str, int]) -> Clock:
    """Return the least clock that includes both."""
    merged = dict(left)
    for entry, number in right.items():
        if number > merged.get(entry, 0):
            merged[entry] = number
    return merged


def includes(left: Mapping[str, int], right: Mapping[str, int]) -> bool:
    """Tell whether everything in `right` had happened for `left`."""
    return all(left.get(entry, 0) >= number for entry, number in right.items())


def compare(left: Mapping[str, int], right: Mapping[str, int]) -> Order:
    """Say how `left` stands to `right`: `before` means that `right` includes it and more."""
    forward, backward = includes(right, left), includes(left, right)
    if forward and backward:
        return "equal"
    if forward:
        return "before"
    return "after" if backward else "concurrent"
