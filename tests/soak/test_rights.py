"""What somebody of small rights got is held against their rights at that point of the log: a made-up history per offence."""

import random
from itertools import product
from typing import Any

import pytest

from actors.contract.channels import may_read, rights_of
from bench.soak.history import Entry, Stored
from bench.soak.rights import Roles, unreadable

WEDDING = "w1"


def decided(position: int, channels: dict[str, int], *, mark: str = "", roles: dict[str, str | None] | None = None) -> Stored:
    marks = {mark: tuple(channels)} if mark else {}
    return Stored(WEDDING, position, f"c:{position}", "amara", True, channels, marks, roles or {})


#: Bo is a planner from 101, family from 103, and a planner again from 105, which was asked at 0.5 s.
STORED = [
    decided(101, {"people.everyone": 1}, roles={"bo": "planner"}),
    decided(102, {"tasks.team": 1}, mark="s1-1"),
    decided(103, {"people.everyone": 2}, roles={"bo": "family"}),
    decided(104, {"tasks.team": 2}, mark="s1-2"),
    decided(105, {"people.everyone": 3}, mark="s1-3", roles={"bo": "planner"}),
    decided(106, {"tasks.team": 3}, mark="s1-4"),
    decided(107, {"budget.core": 1}, mark="s1-5"),
    decided(108, {"people.everyone": 4}, roles={"guest-1": "guest"}),
]
ASKED = Entry(0.5, WEDDING, "amara", "invoke", "s1-3")


def got(kind: Any, sequence: int, time: float = 1.0, **more: Any) -> Entry:
    return Entry(time, WEDDING, "watcher bo", kind, channel="tasks.team", sequence=sequence, person="bo", **more)


def found(*entries: Entry, stored: list[Stored] = STORED) -> int:
    """How many offences there are."""
    return len(unreadable([ASKED, *entries], stored))


def test_inv5_what_one_may_read_is_no_offence() -> None:
    """Events and states within one's rights are not reported."""
    assert found(got("event", 1), got("sync", 1), got("event", 3), got("sync", 3)) == 0


def test_inv5_an_event_without_the_right_is_reported() -> None:
    """Who had lost the channel before an op, and had not been given it back, must not get its event."""
    assert found(got("event", 2, time=0.4)) == 1
    assert found(got("sync", 2, time=0.4)) == 1


def test_inv5_a_right_that_was_given_back_counts_for_what_comes_after() -> None:
    """A gateway that knows newer rights delivers by them."""
    assert found(got("event", 2, time=0.6)) == 0


def test_inv5_missed_events_count_with_the_rights_where_their_sync_ends() -> None:
    """A sync that ends when one may read brings what happened while one might not, and not the other way round."""
    assert found(got("event", 2, time=0.4, sync_end=3)) == 0
    assert found(got("event", 1, time=0.4, sync_end=2)) == 1


def test_inv5_somebody_who_was_never_a_member_gets_nothing() -> None:
    """No role is no right."""
    assert found(Entry(1.0, WEDDING, "watcher eve", "event", channel="people.everyone", sequence=1, person="eve")) == 1


def test_inv5_a_text_of_an_unreadable_channel_is_found_in_any_frame() -> None:
    """Whatever a frame says of itself, its bytes are searched; a text that moved to a readable channel may be there."""
    seen = Entry(1.0, WEDDING, "watcher guest", "seen", person="guest-1", marks=("s1-5",))
    assert found(seen) == 1
    assert found(seen, stored=[*STORED, decided(109, {"timeline.everyone": 1}, mark="s1-5")]) == 0


def test_inv5_rights_are_what_the_roles_say_one_by_one() -> None:
    """For any roles, positions and instants the answer is that of going through every role from there on."""
    draw = random.Random(7)  # a case must be the same again
    for _ in range(300):
        positions = sorted(draw.sample(range(1, 30), draw.randint(0, 8)))
        given = [decided(at, {}, mark=f"s1-{at}", roles={"bo": draw.choice(("planner", "family", None))}) for at in positions]
        asked = {at: draw.uniform(0, 10) for at in positions}
        history = [Entry(when, WEDDING, "amara", "invoke", f"s1-{at}") for at, when in asked.items()]
        roles = Roles(history, given)
        for channel, position, instant in product(("tasks.team", "guests.family"), range(0, 31, 3), (0.0, 5.0, 10.0)):
            reading = {at for at, each in zip(positions, given, strict=True) if reads(each.roles["bo"], channel)}
            then = max((at for at in positions if at <= position), default=0)
            expected = any(at == then or (at > then and asked[at] <= instant) for at in reading)
            assert roles.could_read(WEDDING, "bo", channel, position, instant) == expected


def reads(role: str | None, channel: str) -> bool:
    return role is not None and may_read(rights_of(role, "bo"), channel)


def test_inv5_a_long_history_asks_no_more_about_rights_than_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a role reads is reckoned once for each channel, however many events there are: the check stays linear."""
    asked = 0

    def counted(rights: Any, channel: str) -> bool:
        nonlocal asked
        asked += 1
        return may_read(rights, channel)

    monkeypatch.setattr("bench.soak.rights.may_read", counted)
    assert found(*[got("event", 1)] * 1000, *[got("sync", 3)] * 1000) == 0
    assert asked <= len(STORED)
