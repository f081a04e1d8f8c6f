"""The faults of a soak are a function of its seed, and their number is what was asked for."""

from collections import Counter

from bench.soak.nemeses import EVERYTHING, FREEZE, KILL, LINK_FAULTS, LINKED_ROLES, ROLES, SERVERS, schedule
from bench.soak.run import skews


def test_a_seed_gives_the_same_faults_again() -> None:
    """A run that found something can be repeated, with its faults and with its wrong clocks."""
    assert schedule(7, 60.0) == schedule(7, 60.0)
    assert schedule(7, 60.0) != schedule(8, 60.0)
    assert skews(7, ["host-1", "host-2"]) == skews(7, ["host-1", "host-2"])


def test_there_are_as_many_kills_as_were_asked_for() -> None:
    """The form of the issue has 200 kills in 30 minutes, spread over all roles."""
    kills = Counter(blow.role for blow in schedule(1, 1800.0, 200) if blow.kind == KILL)
    assert kills == dict.fromkeys(ROLES, 50)


def test_every_role_and_link_is_hurt_in_every_way() -> None:
    """A long run leaves nobody and nothing out, and every fault begins within it."""
    blows = schedule(1, 1800.0)
    processes = {(blow.kind, blow.role) for blow in blows if blow.kind in (KILL, FREEZE)}
    links = {(blow.kind, blow.role, blow.server) for blow in blows if blow.kind in LINK_FAULTS}
    assert processes == {(kind, role) for kind in (KILL, FREEZE) for role in ROLES}
    assert links == {(kind, role, server) for kind in LINK_FAULTS for role in LINKED_ROLES for server in SERVERS}
    assert any(blow.kind == EVERYTHING for blow in blows)
    assert all(0 < blow.at_seconds < 1800.0 for blow in blows)


def test_a_short_run_kills_everything_once() -> None:
    """The form of CI measures a start of everything too."""
    assert sum(blow.kind == EVERYTHING for blow in schedule(1, 175.0)) == 1
