"""The recent edits of one text, and what each of its writers has not seen of them: how an edit finds its place.

An edit was made on the text as its author had it: everything up to the sequence it names, and the author's own earlier edits.
What others wrote meanwhile is the author's `path`, from that text to the present one; the edit is moved over it and the path over
the edit (Jupiter, Nichols 1995). `decide` asks, `evolve` records; both reckon alike, so a path need not be stored with decisions.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from actors.contract.errors import DeltaTooLong
from actors.contract.text_ot import Component, Delta, apply, growth, length_before, transform
from actors.domain.errors import Refused

#: Constants of the rules: how much is remembered of a text, in edits and in what they hold (code points and 16 per component).
MAX_EDITS: Final = 250
MAX_WEIGHT: Final = 60_000
_COMPONENT_WEIGHT: Final = 16
#: How many components one edit may meet while it is moved, its own at each step among them, which grow by what others wrote
#: within it, and how many are passed over for what was undone: bounds the time of a decision, to some 10 ms.
MAX_MOVES: Final = 4_000

#: What an author has not seen, in order: the sequence of an edit, and the edit as it follows on what the author has.
Path = list[tuple[int, Delta]]


class TextEdit(msgspec.Struct, array_like=True, frozen=True):
    """One edit as it was applied: its sequence in the channel, its op, its author `<principal>/<client>`, and its inverse.

    `undoes` is the author's op that it takes back, if it is an undo.
    """

    sequence: int
    op: str
    author: str
    delta: Delta
    inverse: Delta
    undoes: str = ""


class Unseen(msgspec.Struct, array_like=True, frozen=True):
    """What an author had not seen at its last edit, which has this sequence."""

    sequence: int
    path: Path


class TextWindow(msgspec.Struct, array_like=True):
    """The edits above the sequence `floor`, the oldest first; by author what was unseen at the last edit, where anything was."""

    floor: int
    edits: list[TextEdit] = []
    weight: int = 0
    unseen: dict[str, Unseen] = {}


class Placed(NamedTuple):
    """An edit as it is applied now, and what its author has not seen after it."""

    delta: Delta
    path: Path


def author_of(principal: str, client: str) -> str:
    """Return under which name a client's edits are remembered."""
    return f"{principal}/{client}"


def placed(
    window: TextWindow, length: int, author: str, base: int | None, delta: Sequence[Component], *, most_moves: float = math.inf
) -> Placed:
    """Return where an edit belongs in the present text of `length` code points; `base` None says that it was made on that text.

    Raises Refused (`base_too_old`), and DeltaTooLong where the edit goes beyond the text that its author had. What was decided is
    followed whatever it takes.
    """
    path = [] if base is None else path_of(window, author, base)
    had = length - sum(growth(foreign) for _, foreign in path)
    if length_before(delta) > had:
        raise DeltaTooLong(length_before(delta) - had)
    mine, left, moves = list(delta), Path(), 0
    for sequence, foreign in path:
        moves += len(mine) + len(foreign)
        if moves > most_moves:
            raise Refused("base_too_old", "So large an edit cannot be moved over so many others.")
        left.append((sequence, transform(foreign, mine, first=True)))
        mine = transform(mine, foreign, first=False)
    return Placed(mine, left)


def path_of(window: TextWindow, author: str, base: int) -> Path:
    """Return what an author who had seen everything up to `base`, and its own edits, has not seen; raises Refused."""
    if base < window.floor:
        raise Refused("base_too_old")
    later: Path = []
    for edit in reversed(window.edits):
        if edit.sequence <= base or edit.author == author:
            break
        later.append((edit.sequence, edit.delta))
    unseen = window.unseen.get(author)
    earlier = [entry for entry in unseen.path if entry[0] > base] if unseen is not None and base < unseen.sequence else []
    return earlier + later[::-1]


def record(window: TextWindow, edit: TextEdit, path: Path) -> None:
    """Remember an applied edit and what its author has not seen; the oldest are forgotten beyond the bounds."""
    window.edits.append(edit)
    window.weight += _weight(edit)
    if path:
        window.unseen[edit.author] = Unseen(edit.sequence, path)
    else:
        window.unseen.pop(edit.author, None)
    while window.edits and (len(window.edits) > MAX_EDITS or window.weight > MAX_WEIGHT):
        _forget_oldest(window)
    if sum(_weight_of(entry[1]) for unseen in window.unseen.values() for entry in unseen.path) > MAX_WEIGHT:
        while window.edits:
            _forget_oldest(window)


def text_at(window: TextWindow, text: str, base: int) -> str:
    """Return the present `text` as it was at a sequence that is not below the floor."""
    for edit in reversed(window.edits):
        if edit.sequence <= base:
            break
        text = apply(text, edit.inverse)
    return text


def taken_back(window: TextWindow, op: str, principal: str) -> Delta | None:
    """Return what takes an op's edit back from the present text and leaves all later ones.

    None when it is no longer known, is not this principal's, or was taken back before.
    """
    author = author_of(principal, "")
    known = (index for index, edit in enumerate(window.edits) if edit.op == op and edit.author.startswith(author))
    start = next(known, None)
    if start is None:
        return None
    left = _without_undone(window.edits[start:])
    if not left:
        return None
    inverse = left[0].inverse
    for later in left[1:]:
        inverse = transform(inverse, later.delta, first=False)
    return inverse


def _without_undone(edits: Iterable[TextEdit]) -> list[TextEdit]:
    """Return the edits as if those that were taken back had never been, and so without what took them back.

    Moved over both, what takes an earlier edit back would lose the words that went with the one and came with the other. Both
    stay where they lie across other such pairs, since the edits must end in the present text, and where too much lies between.
    Nothing is left where the first edit was taken back itself.
    """
    left, moves = list[TextEdit](), 0
    for edit in edits:
        at = next((index for index, each in enumerate(left) if _takes_back(edit, each)), None) if edit.undoes else None
        if at == 0:
            return []
        moved = None
        if at is not None:
            undone, between = left[at], left[at + 1 :]
            moves += sum(len(undone.inverse) + len(each.delta) for each in between)
            moved = _as_if_without(undone, between, edit) if moves <= MAX_MOVES else None
        if moved is None:
            left.append(edit)
        else:
            left[at:] = moved
    return left


def _as_if_without(undone: TextEdit, between: Iterable[TextEdit], undo: TextEdit) -> list[TextEdit] | None:
    """Return the edits between one and its undo as if that one had never been; None where the undo did anything else."""
    inverse, moved = undone.inverse, list[TextEdit]()
    for edit in between:
        # Its inverse is not that of its new form, so what takes it back must not find it any more.
        moved.append(msgspec.structs.replace(edit, op="", delta=transform(edit.delta, inverse, first=True)))
        inverse = transform(inverse, edit.delta, first=False)
    return moved if inverse == undo.delta else None


def _takes_back(edit: TextEdit, other: TextEdit) -> bool:
    return edit.undoes == other.op and edit.author.partition("/")[0] == other.author.partition("/")[0]


def _forget_oldest(window: TextWindow) -> None:
    oldest = window.edits.pop(0)
    window.weight -= _weight(oldest)
    window.floor = oldest.sequence
    for author in [name for name, unseen in window.unseen.items() if unseen.sequence <= window.floor]:
        del window.unseen[author]


def _weight(edit: TextEdit) -> int:
    return _weight_of(edit.delta) + _weight_of(edit.inverse)


def _weight_of(delta: Iterable[Component]) -> int:
    return sum(_COMPONENT_WEIGHT + len(component.get("insert", "")) for component in delta)
