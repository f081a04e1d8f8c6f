"""How a wedding is told who is here: by name, or a crowd in numbers, back and forth without loss (design D9, INV5)."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.channels import Rights, rights_of
from actors.contract.presence import PresenceRecord
from gateway.presence.crowd import InNumbers
from gateway.presence.gathering import Gathering
from gateway.presence.people import People, Source
from gateway.presence.telling import ByName, Telling

HERE = Source("g1", "boot")
ROLES = {"ana": "couple", "ben": "planner", "tom": "vendor", "tim": "vendor"}


def role_of(user: str) -> str:
    return ROLES.get(user, "guest")


class Ear:
    """A socket that follows what it is told, as a client does."""

    def __init__(self, user: str) -> None:
        self.connection = self.principal = user
        self.rights: Rights = rights_of(role_of(user), user)
        self.is_slow = False
        self.heard: list[dict[str, Any]] = []
        self.presence: dict[str, Any] = {}
        self.summary: dict[str, Any] | None = None

    def send_presence(self, frame: bytes, *, is_echo: bool = False) -> bool:
        assert not is_echo, "in a crowd everybody waits alike"
        if self.is_slow:
            return False
        told = json.loads(frame[frame.index(b'{"type"') :])
        self.heard.append(told)
        if told["whole"]:
            self.presence, self.summary = {}, None
        self.presence |= told["presence"]
        self.presence = {user: each for user, each in self.presence.items() if each is not None}
        self.summary = told.get("summary", self.summary)
        return True


class Hall:
    """One wedding whose flushes a test makes by hand."""

    def __init__(self, *users: str, most_shown: int = 50) -> None:
        self.people = People()
        self.channels = {"timeline.team": 1}
        self.gathering = Gathering(self.people, lambda: SimpleNamespace(channels=self.channels, role=role_of))
        self.ears = {user: Ear(user) for user in users}
        self.in_numbers = InNumbers(self.gathering, most_shown)
        self.by_name = ByName(self.gathering)
        self.moments = 0
        for user in users:
            self.says(user)

    def says(self, user: str, **presence: Any) -> None:
        self.moments += 1
        self.people.put(HERE, user, PresenceRecord(user, self.moments, presence, self.moments, self.moments))

    def flush(self, *changed: str, telling: Telling | None = None) -> None:
        self.moments += 1
        (telling or self.in_numbers).tell(self.moments, self.ears.values(), set(changed))


def test_d9_a_crowd_is_told_in_numbers_and_by_name_only_who_matters() -> None:
    """Own person, couple and planner, and who is at the same document or in the same section; everybody else is counted."""
    hall = Hall("ana", "ben", "tom", "tim", "gia", "gus")
    hall.says("tom", section="timeline.team", document={"id": "menu", "channel": "documents.team"})
    hall.says("tim", section="timeline.team", status="busy")
    hall.says("gia", section="photos.everyone")
    hall.flush()
    assert hall.ears["tom"].presence.keys() == {"ana", "ben", "tom", "tim"}
    assert hall.ears["gia"].presence.keys() == {"ana", "ben", "gia"}
    assert hall.ears["tom"].summary == {
        "people": 6,
        "statuses": {"online": 5, "busy": 1},
        "sections": {"timeline": 2, "photos": 1},
        "roles": {"couple": 1, "planner": 1, "vendor": 2, "guest": 2},
    }
    assert hall.ears["gus"].summary is not None
    assert hall.ears["gus"].summary["sections"] == {"photos": 1}


def test_d9_a_crowd_is_told_changes_and_who_no_longer_matters() -> None:
    """After the first whole come changes: somebody who goes elsewhere is null, and a quiet moment says nothing."""
    hall = Hall("ana", "tom", "tim")
    for user in ("tom", "tim"):
        hall.says(user, section="timeline.team")
    hall.flush()
    tom = hall.ears["tom"]
    assert [frame["whole"] for frame in tom.heard] == [True]
    hall.flush()
    assert len(tom.heard) == 1
    hall.says("tim", section="tasks.team")
    hall.flush("tim")
    assert (tom.heard[-1]["whole"], tom.heard[-1]["presence"]) == (False, {"tim": None})
    assert tom.summary is not None
    assert tom.summary["sections"] == {"timeline": 1, "tasks": 1}
    hall.says("tom", section="tasks.team", cursor=1)
    hall.flush("tom")
    assert tom.heard[-1]["whole"] is True
    assert tom.presence.keys() == {"ana", "tom", "tim"}


def test_d9_who_shows_too_many_is_still_shown_itself() -> None:
    """The people by name are bounded; a socket's own person is always among them, and follows its own changes."""
    names = [f"g{number}" for number in range(9)]
    hall = Hall(*names, most_shown=3)
    for name in names:
        hall.says(name, section="photos.everyone")
    hall.flush()
    assert hall.ears["g8"].presence.keys() == {"g0", "g1", "g2", "g8"}
    assert hall.ears["g1"].presence.keys() == {"g0", "g1", "g2"}
    hall.says("g8", section="photos.everyone", cursor=7)
    hall.flush("g8")
    assert hall.ears["g8"].presence["g8"]["cursor"] == 7
    assert len(hall.ears["g1"].heard) == 1


def test_d9_to_a_crowd_and_back_without_loss() -> None:
    """The way of telling changes by a whole: without a summary everybody is named again."""
    hall = Hall("ana", "tom", "gia")
    hall.flush(telling=hall.by_name)
    assert (set(hall.ears["gia"].presence), hall.ears["gia"].summary) == ({"ana", "tom", "gia"}, None)
    hall.flush()
    assert hall.ears["gia"].presence.keys() == {"ana", "gia"}
    again = ByName(hall.gathering)
    hall.flush(telling=again)
    assert (set(hall.ears["gia"].presence), hall.ears["gia"].summary) == ({"ana", "tom", "gia"}, None)


def test_inv5_a_crowd_shows_nobody_in_a_place_that_the_reader_may_not_read() -> None:
    """Neither names nor numbers tell of it, nor does naming such a place oneself, nor do personal channels of others."""
    hall = Hall("ana", "ben", "gia")
    hall.says("ana", section="inbox.ana", item="secret-note")
    hall.says("ben", section="budget.core", document="secret-contract")
    hall.says("gia", section="budget.core")
    hall.flush()
    told = json.dumps(hall.ears["gia"].heard)
    assert "secret" not in told
    assert "inbox" not in told
    assert "budget" not in told
    assert "inbox" not in json.dumps(hall.ears["ben"].heard)
    assert "secret-contract" in json.dumps(hall.ears["ana"].heard)


@pytest.mark.parametrize("way", ["in_numbers", "by_name"])
def test_d9_a_slow_socket_gets_the_whole_later(way: str) -> None:
    """What was dropped for a slow socket is made good by a whole."""
    hall = Hall("ana", "tom")
    telling: Telling = getattr(hall, way)
    hall.flush(telling=telling)
    ana = hall.ears["ana"]
    ana.is_slow = True
    hall.says("ana", section="timeline.team")
    hall.flush("ana", telling=telling)
    ana.is_slow = False
    hall.flush(telling=telling)
    assert ana.heard[-1]["whole"] is True
    assert ana.presence["ana"]["section"] == "timeline.team"


_PLACES = st.sampled_from(
    [None, "timeline.team", "timeline.core", "budget", "photos", "documents.everyone", "inbox.ana", "tables"]
)
_STEPS = st.lists(
    st.tuples(st.sampled_from(["ana", "ben", "tom", "gia", "gus", "tim", "eve"]), _PLACES, st.booleans(), st.booleans()),
    max_size=25,
)


@given(_STEPS)
def test_inv5_changes_add_up_to_what_a_whole_would_say(steps: list[tuple[str, str | None, bool, bool]]) -> None:
    """Who followed the changes of either way knows what somebody who comes now is told; no frame tells of hidden places."""
    hall = Hall("ana", "ben", "tom", "gia", "gus", most_shown=3)
    for telling in (hall.by_name, hall.in_numbers):
        hall.flush(telling=telling)
        for user, place, is_there, flushes in steps:
            if is_there or user in hall.ears:
                hall.says(user, **({} if place is None else {"section": place, "document": f"d-{place}", "cursor": hall.moments}))
            else:
                hall.people.drop(HERE, user)
            hall.flush(user, telling=telling)
            if flushes:
                hall.flush(telling=telling)
        followed = {user: (ear.presence, ear.summary) for user, ear in hall.ears.items()}
        telling.told.clear()
        hall.flush(telling=telling)
        assert followed == {user: (ear.presence, ear.summary) for user, ear in hall.ears.items()}
    for user, hidden in {"gia": ("timeline.", "budget", "inbox", "tables"), "tom": ("timeline.core", "budget", "inbox")}.items():
        assert not any(place in json.dumps(hall.ears[user].heard) for place in hidden)
