"""Everybody in one wedding as a reader sees them: people, the roles that the wedding gives them, and the reader's rights.

The one truth of frames and of `GET presence`. No clock, no IO.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from actors.contract.channels import Rights
from actors.contract.server_frames import PresenceSummary
from gateway.presence.fields import SECTION_OF, Presence
from gateway.presence.masking import CommonSight, Sight, is_common, mask
from gateway.presence.people import People


class Wedding(Protocol):
    """What presence asks of a wedding that is open at this gateway."""

    @property
    def channels(self) -> Mapping[str, int]:
        """The channels that exist."""
        ...

    def role(self, principal: str) -> str | None:
        """A member's role; None for somebody who is no member."""
        ...


class Gathering:
    """See the module. `wedding` returns None where nobody of this gateway is in the wedding, and nobody looks."""

    def __init__(self, people: People, wedding: Callable[[], Wedding | None]) -> None:
        self.people = people
        self._wedding = wedding
        self._roles: dict[str, str | None] = {}
        self.sight = Sight(self._channels)
        self._common_sight = CommonSight(self.sight)

    def seen(self, user: str) -> Presence | None:
        """What a person shows, unmasked, with the role that the wedding gives; None for who is not here, or no member."""
        seen = self.people.seen(user)
        if seen is None:
            self._roles.pop(user, None)
            return None
        wedding = self._wedding()
        if wedding is None:
            return seen
        role = self._roles[user] = wedding.role(user)
        if role is None:
            return None
        seen["role"] = role
        return seen

    def users_with_other_roles(self) -> set[str]:
        """Who got another role since it was last told."""
        wedding = self._wedding()
        known = {} if wedding is None else {user: wedding.role(user) for user in self._roles}
        return {user for user, role in known.items() if role != self._roles[user]}

    def everybody(self) -> dict[str, Presence]:
        """Everybody who is here, unmasked."""
        self.sight.look_around()
        return {user: seen for user in self.people.users() if (seen := self.seen(user)) is not None}

    def masked(self, seen: Presence, rights: Rights) -> Presence:
        """What a reader with these rights sees of what a person shows."""
        return mask(seen, rights, self.sight)

    def masked_for_many(self, seen: Presence, rights: Rights) -> Presence:
        """What every reader of the same class sees (`Sight.class_of`): nobody is shown in a personal place."""
        return mask(seen, rights, self._common_sight)

    def summary(self, crowd: "Crowd", rights: Rights) -> PresenceSummary:
        """Count a crowd for a reader with these rights: who is in a place that it may not read is in no section."""
        statuses: Counter[str] = Counter()
        roles: Counter[str] = Counter()
        sections: Counter[str] = Counter()
        for (status, role, place), count in crowd.items():
            statuses[status] += count
            roles[role] += count
            if place is not None and self.sight.of(place, rights)[0]:
                sections[SECTION_OF.get(place, place.partition(".")[0])] += count
        roles.pop("", None)
        return PresenceSummary(crowd.total(), dict(statuses), dict(sections), dict(roles))

    def _channels(self) -> Mapping[str, int]:
        wedding = self._wedding()
        return {} if wedding is None else wedding.channels


#: How many persons have a status, a role and a place; a personal place counts as none.
Crowd = Counter[tuple[str, str, str | None]]


def crowd_of(everybody: Iterable[Presence]) -> Crowd:
    """Count what persons show."""
    return Counter((each["status"], each.get("role", ""), _common_place(each)) for each in everybody)


def _common_place(seen: Presence) -> str | None:
    place = seen.get("section")
    return place if place is not None and is_common(place) else None
