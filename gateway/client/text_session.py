"""One text as one client writes it: what is confirmed, one edit in flight, and what was typed meanwhile. Pure: no IO, no clock.

What others write is moved over what is not confirmed, and that over what they write (docs/protocol.md, Texts). Where the way from
the text that we had to the one that there is now is unknown, as after a snapshot, the difference of the two stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from actors.contract.text_diff import diff_content
from actors.contract.text_form import parts_of
from actors.contract.text_ot import Component, Delta, compose, invert, transform, transform_position

#: How many of our own edits can be taken back.
UNDO_STEPS: Final = 100


class TextSession:
    """`edit` types, `take` gives what is to be sent, the rest follows what the server says."""

    def __init__(self, content: Sequence[Component]) -> None:
        self._confirmed: Delta = list(content)
        #: The confirmed text as it was when we lost sight of it with an edit in flight; None while we follow.
        self._left: Delta | None = None
        self._in_flight: Delta | None = None
        self._typed: Delta = []
        self._undo: list[Delta] = []
        self._redo: list[Delta] = []
        #: Where our cursor begins and ends, in code points.
        self.selection = (0, 0)

    @property
    def content(self) -> Delta:
        """What a person should see now, as inserts with attributes."""
        mine = compose(self._confirmed if self._left is None else self._left, self._in_flight or [])
        return compose(mine, self._typed)

    @property
    def text(self) -> str:
        """The same without attributes."""
        return parts_of(self.content)[0]

    @property
    def is_settled(self) -> bool:
        """Whether everything that was typed is confirmed."""
        return self._in_flight is None and not self._typed

    def edit(self, delta: Sequence[Component]) -> None:
        """Change the text that we see; raises DeltaTooLong."""
        self._undo.append(self._type(delta))
        self._redo.clear()
        del self._undo[:-UNDO_STEPS]

    def undo(self) -> bool:
        """Take our last edit back and leave those of others; False when there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Do again what was taken back last; False when there is none."""
        return self._step(self._redo, self._undo)

    def take(self) -> Delta | None:
        """Return the next edit to send, made on the confirmed text; None while one is in flight or nothing was typed."""
        if self._in_flight is not None or not self._typed:
            return None
        self._in_flight, self._typed = self._typed, []
        return self._in_flight

    def follow(self, delta: Sequence[Component]) -> None:
        """Follow an edit of somebody else."""
        self._confirmed = compose(self._confirmed, delta)
        if self._left is not None:
            return
        theirs = list(delta)
        if self._in_flight is not None:
            theirs, self._in_flight = _past(theirs, self._in_flight)
        self._move_typed(theirs)

    def confirm(self, delta: Sequence[Component]) -> None:
        """Follow our own edit as the server applied it."""
        before, self._confirmed = self._confirmed, compose(self._confirmed, delta)
        if self._left is None and list(delta) == self._in_flight:
            self._in_flight = None
            return
        self._left = before if self._left is None else self._left
        self.answered(keep=False)

    def answered(self, *, keep: bool) -> None:
        """Note that the edit in flight has its answer and no event follows; `keep` says that it is to be sent again."""
        if self._in_flight is None:
            return
        before = self._confirmed if self._left is None else self._left
        if keep:
            self._typed = compose(self._in_flight, self._typed)
        else:
            # Applied or not: what is confirmed now says it.
            before = compose(before, self._in_flight)
        self._in_flight = self._left = None
        self._move_typed(diff_content(before, self._confirmed))

    def reset(self, content: Sequence[Component]) -> None:
        """Go on from another confirmed text: a snapshot, or a field that was set whole."""
        before, self._confirmed = self._confirmed, list(content)
        if self._in_flight is None:
            self._move_typed(diff_content(before, self._confirmed))
        elif self._left is None:
            # Whether the new text holds our edit is known once that has its answer.
            self._left = before

    def _type(self, delta: Sequence[Component]) -> Delta:
        inverse = invert(delta, self.content)
        self._typed = compose(self._typed, delta)
        self._move_selection(delta, stays=False)
        return inverse

    def _step(self, source: list[Delta], target: list[Delta]) -> bool:
        if not source:
            return False
        target.append(self._type(source.pop()))
        return True

    def _move_typed(self, theirs: Sequence[Component]) -> None:
        """Move what was typed over what others did, and all that follows from it: cursor, and what could be taken back."""
        seen, self._typed = _past(theirs, self._typed)
        for steps in (self._undo, self._redo):
            moving = seen
            for index in range(len(steps) - 1, -1, -1):
                moving, steps[index] = _past(moving, steps[index])
        self._move_selection(seen, stays=True)

    def _move_selection(self, delta: Sequence[Component], *, stays: bool) -> None:
        start, end = self.selection
        self.selection = transform_position(start, delta, stays=stays), transform_position(end, delta, stays=stays)


def _past(theirs: Sequence[Component], mine: Sequence[Component]) -> tuple[Delta, Delta]:
    """Return both as they follow on each other; theirs was decided first."""
    return transform(theirs, mine, first=True), transform(mine, theirs, first=False)
