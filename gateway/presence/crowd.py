"""How a crowd is told: numbers for everybody, and by name only who matters to a socket.

Who matters: the socket's own person, couple and planners, who is at the same document, and who is in the same section, in this
order and at most `presence_summary_shown`. Sockets at the same place with the same sight share their frames.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from actors.contract.channels import CORE_ROLES, Rights
from actors.contract.server_frames import PresenceSummary
from gateway.presence.fields import Presence
from gateway.presence.gathering import Crowd, Gathering, crowd_of
from gateway.presence.masking import is_common
from gateway.presence.telling import Listener, presence_frame


class Standpoint(NamedTuple):
    """What decides whom a socket is told of by name: what its rights show, and where it is."""

    eyes: int
    section: str | None
    document: str | None


class _Sheet:
    """What one standpoint is told at one flush; `changes` are those since the flush before, None when there was no such sheet."""

    def __init__(self, people: Mapping[str, Presence], summary: PresenceSummary, before: "_Sheet | None") -> None:
        self.people = people
        self.summary = summary
        self.changes: dict[str, Presence | None] | None = None
        self.is_new = True
        self._frames: dict[bool, bytes] = {}
        if before is not None:
            self.changes = dict.fromkeys(before.people.keys() - people.keys())
            self.changes |= {user: seen for user, seen in people.items() if before.people.get(user) != seen}
            self.is_new = bool(self.changes) or before.summary != summary

    def frame(self, version: int, *, whole: bool) -> bytes:
        """The frame for every socket of the standpoint that needs nothing of its own."""
        found = self._frames.get(whole)
        if found is None:
            people = self.people if whole or self.changes is None else self.changes
            found = self._frames[whole] = presence_frame(version, people, whole=whole, summary=self.summary)
        return found


class _Moment:
    """Everybody at one flush, sorted for quick answers, and the sheets that were asked for."""

    def __init__(self, gathering: Gathering, most_shown: int, before: Mapping[Standpoint, _Sheet]) -> None:
        self.everybody = gathering.everybody()
        self.sheets: dict[Standpoint, _Sheet] = {}
        self._gathering = gathering
        self._most_shown = most_shown
        self._before = before
        self._crowd: Crowd = crowd_of(self.everybody.values())
        self._core: list[str] = []
        self._at: defaultdict[tuple[str, str | None], list[str]] = defaultdict(list)
        for user, seen in sorted(self.everybody.items()):
            if seen.get("role") in CORE_ROLES:
                self._core.append(user)
            for name in ("document", "section"):
                if isinstance(place := seen.get(name), str):
                    self._at[name, place].append(user)

    def own(self, listener: Listener) -> Presence | None:
        """What the socket's person shows to itself."""
        seen = self.everybody.get(listener.principal)
        return seen and self._gathering.masked(seen, listener.rights)

    def sheet(self, standpoint: Standpoint, rights: Rights) -> _Sheet:
        """What is told at the standpoint, to all whose rights show it."""
        found = self.sheets.get(standpoint)
        if found is None:
            masked = self._gathering.masked_for_many
            people = {user: masked(self.everybody[user], rights) for user in self._near(standpoint)}
            summary = self._gathering.summary(self._crowd, rights)
            found = self.sheets[standpoint] = _Sheet(people, summary, self._before.get(standpoint))
        return found

    def _near(self, standpoint: Standpoint) -> list[str]:
        """Who matters there, the most important first."""
        at_document = self._at.get(("document", standpoint.document), [])
        in_section = self._at.get(("section", standpoint.section), [])
        return list(dict.fromkeys((*self._core, *at_document, *in_section)))[: self._most_shown]


class InNumbers:
    """See the module, and `telling.Telling`."""

    def __init__(self, gathering: Gathering, most_shown: int) -> None:
        self._gathering = gathering
        self._most_shown = most_shown
        #: By connection, the standpoint whose sheet it was told.
        self.told: dict[str, Hashable] = {}
        self._sheets: Mapping[Standpoint, _Sheet] = {}

    def is_up_to_date(self, listener: Listener) -> bool:
        """See Telling."""
        told = self.told.get(listener.connection)
        return isinstance(told, Standpoint) and told.eyes == self._gathering.sight.class_of(listener.rights)

    def tell(
        self,
        version: int,
        listeners: Iterable[Listener],
        changed: set[str],
        said_by: str = "",  # noqa: ARG002  # a member of Telling
    ) -> None:
        """See Telling; the ticks of a crowd are so long that an echo has waited already."""
        moment = _Moment(self._gathering, self._most_shown, self._sheets)
        for listener in listeners:
            own = moment.own(listener)
            standpoint = self._standpoint(own or {}, listener.rights)
            frame = self._frame(version, listener, own, moment.sheet(standpoint, listener.rights), standpoint, changed)
            if frame is not None and listener.send_presence(frame):
                self.told[listener.connection] = standpoint
            elif frame is not None:
                self.told.pop(listener.connection, None)
        self._sheets = moment.sheets

    def _frame(
        self,
        version: int,
        listener: Listener,
        own: Presence | None,
        sheet: _Sheet,
        standpoint: Standpoint,
        changed: set[str],
    ) -> bytes | None:
        """What one socket is told now; None for nothing. Its own person is told to it also where others do not see it by name."""
        user = listener.principal
        changes = sheet.changes
        whole = changes is None or self.told.get(listener.connection) != standpoint
        people = sheet.people if whole or changes is None else changes
        if own is not None and user not in sheet.people and (whole or user in changed or user in people):
            return presence_frame(version, {**people, user: own}, whole=whole, summary=sheet.summary)
        if whole or sheet.is_new:
            return sheet.frame(version, whole=whole)
        return None

    def _standpoint(self, own: Presence, rights: Rights) -> Standpoint:
        """Where a socket's person is, as far as its rights show it: nobody is listed for a place that the reader cannot see."""
        section, document = own.get("section"), own.get("document")
        if section is not None and not is_common(section):
            section = None
        return Standpoint(self._gathering.sight.class_of(rights), section, document if isinstance(document, str) else None)
