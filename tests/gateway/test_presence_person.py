"""One person from several devices: status, place, idleness, invisibility (design D9)."""

from typing import Any

import pytest

from actors.contract.presence import PresenceRecord
from config.settings import Settings
from gateway.presence.person import merged
from gateway.presence.seats import Now, Seats

IDLE_SECONDS = 300.0


def at(seconds: float) -> Now:
    """A moment by both clocks."""
    return Now(1000.0 + seconds, int(1_000_000_000 + seconds * 1000))


class Devices:
    """A person's connections at one gateway, and what the person shows."""

    def __init__(self, *names: str) -> None:
        self.seats = Seats(Settings(presence_idle_seconds=IDLE_SECONDS))
        for name in names:
            self.seats.take(name, "ada", at(0))

    def says(self, name: str, seconds: float, *, is_active: bool = True, **presence: Any) -> None:
        seat = self.seats.get(name)
        assert seat is not None
        seat.says(presence, at(seconds), is_active=is_active)

    def looks(self, seconds: float) -> None:
        self.seats.look(at(seconds))

    def acts(self, name: str, seconds: float) -> PresenceRecord | None:
        seat = self.seats.get(name)
        assert seat is not None
        return seat.is_used(at(seconds))

    def shown(self, *names: str) -> dict[str, Any]:
        seats = {(name,): self.seats.get(name) for name in names}
        return merged({name: seat.record for name, seat in seats.items() if seat is not None})


def test_d9_who_does_nothing_is_away_until_the_next_activity() -> None:
    """After the threshold the server says away; any op or presence brings the person back; until then nothing is told."""
    ada = Devices("laptop")
    ada.says("laptop", 10, section="timeline", typing=True)
    ada.looks(10 + IDLE_SECONDS - 1)
    assert ada.shown("laptop")["status"] == "online"
    ada.looks(10 + IDLE_SECONDS)
    shown = ada.shown("laptop")
    assert (shown["status"], shown["section"], shown.get("typing")) == ("away", "timeline", None)
    assert shown["lastActivity"] == "1970-01-12T13:46:50.000Z"
    assert ada.acts("laptop", 400) is not None
    assert ada.shown("laptop")["status"] == "online"
    assert ada.acts("laptop", 401) is None


@pytest.mark.parametrize("status", ["busy", "offline", "away"])
def test_d9_a_chosen_status_is_respected(status: str) -> None:
    """Neither idleness nor activity changes what the person chose."""
    ada = Devices("laptop")
    ada.says("laptop", 1, status=status)
    assert ada.shown("laptop")["status"] == status
    ada.looks(1 + IDLE_SECONDS)
    assert ada.shown("laptop")["status"] == status
    ada.acts("laptop", 400)
    assert ada.shown("laptop")["status"] == status
    ada.says("laptop", 401, status="online")
    assert ada.shown("laptop")["status"] == "online"


def test_d9_the_most_active_device_decides_the_status_and_the_latest_the_place() -> None:
    """One idle device does not send a person away; a device that has just come does not hide where the person is."""
    ada = Devices("laptop", "phone")
    ada.says("laptop", 1, section="budget")
    assert ada.shown("laptop", "phone")["section"] == "budget"
    ada.says("phone", 200, section="timeline")
    ada.looks(1 + IDLE_SECONDS)
    shown = ada.shown("laptop", "phone")
    assert (shown["status"], shown["section"], shown["devices"]) == ("online", "timeline", 2)
    ada.looks(200 + IDLE_SECONDS)
    assert ada.shown("laptop", "phone")["status"] == "away"
    assert ada.shown("laptop")["section"] == "budget"


def test_d9_a_choice_holds_on_every_device_until_another_is_made() -> None:
    """Busy on the phone is busy, though the laptop goes on saying the online that it said before."""
    ada = Devices("laptop", "phone")
    ada.says("laptop", 1, status="online", cursor=1)
    ada.says("phone", 2, status="busy")
    ada.says("laptop", 3, status="online", cursor=2)
    assert ada.shown("laptop", "phone")["status"] == "busy"
    ada.says("laptop", 4, status="busy")
    ada.says("laptop", 5, status="online")
    assert ada.shown("laptop", "phone")["status"] == "online"


def test_d9_who_is_invisible_looks_like_somebody_who_has_left() -> None:
    """Neither place nor words nor later activity are told of who chose offline."""
    ada = Devices("laptop")
    ada.says("laptop", 1, status="offline", section="timeline", mood="tired")
    chosen = ada.shown("laptop")
    ada.says("laptop", 50, status="offline", section="budget")
    ada.acts("laptop", 60)
    assert ada.shown("laptop") == chosen == {"status": "offline", "lastActivity": "1970-01-12T13:46:41.000Z"}


def test_d9_a_client_may_say_that_nobody_is_at_it() -> None:
    """What a client says by itself is no activity of its person."""
    ada = Devices("laptop")
    seat = ada.seats.get("laptop")
    assert seat is not None
    assert seat.is_left_alone() is not None
    assert seat.is_left_alone() is None
    ada.says("laptop", 5, is_active=False, section="timeline")
    assert ada.shown("laptop")["status"] == "away"
    ada.acts("laptop", 6)
    assert ada.shown("laptop")["status"] == "online"


def test_d9_the_last_activity_is_told_now_and_then() -> None:
    """Who works without saying where is told again when what was told is half a minute old, and not before."""
    ada = Devices("laptop")
    ada.acts("laptop", 29)
    assert not ada.seats.look(at(29))
    ada.acts("laptop", 31)
    assert ada.seats.look(at(32)).keys() == {"laptop"}
    assert ada.shown("laptop")["lastActivity"] == "1970-01-12T13:47:11.000Z"
    assert not ada.seats.look(at(33))
