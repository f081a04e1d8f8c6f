"""Times to recover come from the history: the first op that was asked after a death and applied, the clients that came back."""

from actors.contract.ids import partition_of
from actors.runtime.placement import owner_of
from bench.soak.history import Entry
from bench.soak.nemeses import EVERYTHING, FREEZE, KILL, Blow
from bench.soak.recovery import Recovery, recoveries, told
from bench.soak.strike import Struck

HOSTS = ("host-1", "host-2")
WEDDING = "soak-1"
OWNER = owner_of(partition_of(WEDDING, 64), HOSTS)
OTHER = next(host for host in HOSTS if host != OWNER)

HISTORY = [
    Entry(1.0, WEDDING, "amara", "invoke", "m1"),
    Entry(2.0, WEDDING, "amara", "invoke", "m2"),
    Entry(2.1, WEDDING, "bo", "away"),
    # Asked before the death: says nothing about what came after it.
    Entry(2.2, WEDDING, "amara", "applied", "m1"),
    Entry(2.9, WEDDING, "bo", "back"),
    Entry(3.5, WEDDING, "amara", "applied", "m2"),
]


def death(role: str, whom: str, began: float = 1.9) -> Struck:
    return Struck(Blow(0.0, KILL, role), whom, began, began)


def test_a_hosts_death_lasts_until_its_weddings_apply_what_was_asked_after_it() -> None:
    """The op that was on its way already does not count, and another host's weddings do not either."""
    found = recoveries(HISTORY, [death("host", OWNER)], HOSTS, 64)
    assert {each.what for each in found} == {
        "host death to first applied op",
        "host death to first applied op of each of its weddings",
    }
    assert {round(each.seconds, 3) for each in found} == {1.6}
    assert recoveries(HISTORY, [death("host", OTHER)], HOSTS, 64) == []


def test_a_gateways_death_lasts_until_its_clients_are_back() -> None:
    """Who lost the connection then is the one who is waited for."""
    found = recoveries(HISTORY, [death("gateway", "gateway-1")], HOSTS, 64)
    assert [round(each.seconds, 3) for each in found] == [1.0]


def test_everything_is_back_at_the_first_applied_op() -> None:
    """Ready is what it says of itself, applied is what a client sees."""
    struck = Struck(Blow(0.0, EVERYTHING), "everything", 1.9, 3.0)
    seconds = {each.what: round(each.seconds, 3) for each in recoveries(HISTORY, [struck], HOSTS, 64)}
    assert seconds["everything killed to READY"] == 1.1
    assert seconds["everything killed to first applied op"] == 1.6


def test_a_death_with_another_fault_near_is_not_counted_alone() -> None:
    """What two faults did is not the time of one."""
    near = Struck(Blow(0.0, FREEZE, "nats"), "nats-server", 3.0, 4.0)
    assert [each.alone for each in recoveries(HISTORY, [death("gateway", "gateway-1"), near], HOSTS, 64)] == [True]
    assert not any(each.alone for each in recoveries(HISTORY, [death("host", OWNER), near], HOSTS, 64))


def test_a_missed_goal_is_told() -> None:
    """A figure beyond its goal is named in the report."""
    slow = [Recovery("host death to first applied op", 2.5, alone=True)]
    assert "MISSED" in told(slow)
    assert "MISSED" not in told([slow[0]._replace(seconds=1.5)])
