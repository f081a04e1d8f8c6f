"""What the log says about how the ops of one partition are decided: versions of the rules, and ops that are skipped (design D1).

Pure. Every fold (live, silent, `verify`, tests) makes the `Meta` of an op here and nowhere else, so that all of them decide with
the rules of the op's position. Filled from what is stored with the checkpoint and then by the markers of the log.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from actors.contract.markers import ActivateRules, SkipOp
from actors.domain.decide import Meta
from actors.domain.rules import NEWEST, RULES
from actors.runtime.errors import RulesUnknown
from actors.runtime.log_messages import LogMessage, Marker

#: Where the version stands that a partition began with.
BEGINNING: Final = 0


class Directives:
    """The markers of one partition as (position, version), ascending, and the positions of the ops that are skipped."""

    __slots__ = ("_newest", "_since", "markers", "skips")

    def __init__(self, markers: Iterable[tuple[int, int]] = ((BEGINNING, NEWEST),), skips: Iterable[int] = ()) -> None:
        """Take what is known up to a position; raises RulesUnknown."""
        self.markers: list[tuple[int, int]] = []
        self.skips = set(skips)
        self._since = self._newest = 0
        for position, version in sorted(markers):
            self._activate(position, version)

    def obey(self, marker: Marker) -> None:
        """Take in the next marker of the log, in order, or one that is known already; raises RulesUnknown."""
        match marker.directive:
            case ActivateRules(version=version):
                self._activate(marker.position, version)
            case SkipOp(position=position):
                self.skips.add(position)

    def _activate(self, position: int, version: int) -> None:
        # A version never goes back: whoever wrote a lower one had not seen this one.
        if version <= self._newest:
            return
        if version not in RULES:
            raise RulesUnknown(version, position)
        self.markers.append((position, version))
        self._since, self._newest = position, version

    def meta_of(self, message: LogMessage) -> Meta:
        """Return what `decide` is to know about an op of this partition."""
        position = message.position
        version = self._newest if position > self._since else self.version_at(position)
        return Meta(message.id, message.principal, position, message.timestamp_ms, version, position in self.skips)

    def version_at(self, position: int) -> int:
        """Return the version in force at a position, which is above the first marker."""
        return self.markers[bisect_left(self.markers, (position, 0)) - 1][1]

    def between(self, old: int, new: int) -> list[tuple[int, int]]:
        """Return the markers above `old` up to `new`: what a flush stores with the checkpoint."""
        return [marker for marker in self.markers if old < marker[0] <= new]
