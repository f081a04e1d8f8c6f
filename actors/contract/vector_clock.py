"""Vector clocks: `{"<principal>/<client>": n}`, compared and merged entry by entry, pruned of clients that send nothing more.

Source: Fidge 1988, Mattern 1989. A missing entry counts as zero; of a client in `finals` as its last number (see `prune`).
"""

from collections.abc import Mapping
from typing import Final, Literal

Clock = dict[str, int]
Order = Literal["equal", "before", "after", "concurrent"]
_NOBODY: Final[Mapping[str, int]] = {}


def merge(left: Mapping[str, int], right: Mapping[str, int], finals: Mapping[str, int] = _NOBODY) -> Clock:
    """Return the least clock that includes both; pruned clocks need their `finals`."""
    merged = dict(left)
    for entry, number in right.items():
        if number > merged.get(entry, finals.get(entry, 0)):
            merged[entry] = number
    for entry in finals:
        if entry in merged and entry not in right:
            # The right one has seen this client to its end.
            del merged[entry]
    return merged


def includes(left: Mapping[str, int], right: Mapping[str, int], finals: Mapping[str, int] = _NOBODY) -> bool:
    """Tell whether everything in `right` had happened for `left`."""
    if not finals:
        return all(left.get(entry, 0) >= number for entry, number in right.items())
    ends = finals.get
    return all(left.get(entry, ends(entry, 0)) >= right.get(entry, ends(entry, 0)) for entry in {**finals, **right})


def compare(left: Mapping[str, int], right: Mapping[str, int], finals: Mapping[str, int] = _NOBODY) -> Order:
    """Say how `left` stands to `right`: `before` means that `right` includes it and more. Pruned clocks need their `finals`."""
    forward, backward = includes(right, left, finals), includes(left, right, finals)
    if forward and backward:
        return "equal"
    if forward:
        return "before"
    return "after" if backward else "concurrent"


def prune(clock: Mapping[str, int], finals: Mapping[str, int]) -> Clock:
    """Return the clock without the clients that send nothing more and of which it had seen everything.

    `finals` maps each such client to its last number, above 0. What was not seen to its end stays, as 0 where nothing was seen,
    so that clocks pruned by the same `finals` compare, and merge, as they did before.
    """
    kept = {entry: number for entry, number in clock.items() if entry not in finals or number < finals[entry]}
    return kept | {entry: 0 for entry in finals if entry not in clock}
