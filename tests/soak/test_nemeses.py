"""The faults of a soak are a function of its seed."""

from bench.soak.nemeses import ROLES, schedule


def test_a_seed_gives_the_same_faults_again() -> None:
    """A run that found something can be repeated."""
    assert schedule(7, 60.0) == schedule(7, 60.0)
    assert schedule(7, 60.0) != schedule(8, 60.0)


def test_every_role_is_killed_and_frozen() -> None:
    """A long run leaves nobody out, and every fault begins within it."""
    blows = schedule(1, 600.0)
    assert {(blow.kind, blow.role) for blow in blows} == {(kind, role) for kind in ("kill", "freeze") for role in ROLES}
    assert all(0 < blow.at_seconds < 600.0 for blow in blows)
