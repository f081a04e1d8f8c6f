"""INV5, checked over a history: nobody was given bytes of a channel that they had no right to.

Rights follow from the roles that the stored decisions gave. A gateway may know newer rights than those at an event (design D4),
so what counts are the rights right after the op or after any later change that had been asked for by then. Pure.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf
from typing import Final, NamedTuple

from actors.contract.channels import may_read, rights_of
from bench.soak.history import Entry, Stored

#: Behind every position of a log.
_END: Final = 1 << 62


class _Change(NamedTuple):
    position: int
    role: str | None
    asked: float


class _Reading(NamedTuple):
    """One person and one channel: whether each role of the person reads it, and the earliest instant by which one from there on
    that does was asked, so that a question needs no walk over the roles.
    """

    may: list[bool]
    asked: list[float]


class Roles:
    """Who was what, when: the roles of each person of each wedding in the order of the log."""

    def __init__(self, history: Iterable[Entry], stored: Iterable[Stored]) -> None:
        asked = {(each.wedding, each.mark): each.time for each in history if each.kind == "invoke"}
        self._changes: dict[tuple[str, str], list[_Change]] = defaultdict(list)
        self._readings: dict[tuple[str, str, str], _Reading] = {}
        for each in sorted(stored, key=lambda one: one.position):
            since = max((asked.get((each.wedding, mark), 0.0) for mark in each.marks), default=0.0)
            for person, role in each.roles.items() if each.applied else ():
                self._changes[each.wedding, person].append(_Change(each.position, role, since))

    def could_read(self, wedding: str, person: str, channel: str, position: int, instant: float) -> bool:
        """Whether the person might read the channel at the position, or after a later change that was asked by the instant."""
        changes = self._changes.get((wedding, person))
        if not changes:
            return False
        reading = self._readings.get((wedding, person, channel)) or self._read(wedding, person, channel)
        at_position = bisect_right(changes, position, key=lambda change: change.position) - 1
        return (at_position >= 0 and reading.may[at_position]) or reading.asked[max(0, at_position)] <= instant

    def _read(self, wedding: str, person: str, channel: str) -> _Reading:
        changes = self._changes[wedding, person]
        may = [change.role is not None and may_read(rights_of(change.role, person), channel) for change in changes]
        backwards = zip(reversed(changes), reversed(may), strict=True)
        asked = list(accumulate((change.asked if is_read else inf for change, is_read in backwards), min))[::-1]
        reading = self._readings[wedding, person, channel] = _Reading(may, asked)
        return reading


def unreadable(history: Sequence[Entry], stored: Sequence[Stored]) -> list[str]:
    """Name every event, state and text that somebody got and might not read."""
    roles = Roles(history, stored)
    positions = _positions(stored)
    channels_of_mark = _channels_of_marks(stored)
    offences = []
    for entry in history:
        if not entry.person:
            continue
        who = f"{entry.wedding} {entry.person} at {entry.time:.3f}"
        if entry.kind in ("event", "sync") and entry.sequence:
            known = positions.get((entry.wedding, entry.channel), [])
            sequence = entry.sync_end or entry.sequence
            # What is not stored is another offence.
            position = known[sequence - 1] if sequence <= len(known) else _END
            if position < _END and not roles.could_read(entry.wedding, entry.person, entry.channel, position, entry.time):
                offences.append(f"unreadable: {who} got {entry.kind} {entry.sequence} of {entry.channel}")
        for mark in entry.marks:
            channels = channels_of_mark.get((entry.wedding, mark), set())
            if channels and not any(roles.could_read(entry.wedding, entry.person, name, 0, entry.time) for name in channels):
                offences.append(f"unreadable: {who} got the text {mark} of {', '.join(sorted(channels))}")
    return offences


def _positions(stored: Iterable[Stored]) -> dict[tuple[str, str], list[int]]:
    """The log position of each sequence of each channel; holes are another offence."""
    positions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in sorted(stored, key=lambda one: (one.wedding, one.position)):
        for channel in each.sequences:
            positions[each.wedding, channel].append(each.position)
    return positions


def _channels_of_marks(stored: Iterable[Stored]) -> dict[tuple[str, str], set[str]]:
    """Every channel in which a text ever stood."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in stored:
        for mark, channels in (*each.marks.items(), *each.quoted.items()):
            found[each.wedding, mark].update(channels)
    return found
