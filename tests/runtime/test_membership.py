"""Who is alive, and who owns what: the pure cores of membership and placement (design D2, D3)."""

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.membership import Heartbeat, Members
from actors.runtime.placement import owner_of, partitions_of

HOSTS = st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=8).map(frozenset)


def members(*heard: tuple[str, float], own: str = "a") -> Members:
    known = Members(own, timeout_seconds=2.0)
    for host, at in heard:
        known.hear(Heartbeat(host, f"{host}-boot"), at)
    return known


def test_d3_a_host_is_alive_until_it_was_not_heard_for_the_timeout() -> None:
    """A host counts as alive for the timeout after its last beat, and no longer."""
    known = members(("a", 10.0), ("b", 9.0))
    assert known.alive(10.9) == {"a", "b"}
    assert known.alive(11.0) == {"a"}


def test_d3_a_leaving_host_is_gone_at_once() -> None:
    """Nobody waits for the silence of a host that said it goes."""
    known = members(("a", 10.0), ("b", 10.0))
    known.hear(Heartbeat("b", "b-boot", leaving=True), 10.1)
    assert known.alive(10.1) == {"a"}


def test_d3_a_late_farewell_of_an_earlier_life_is_ignored() -> None:
    """A host that was started again stays, whatever its earlier process still says."""
    known = members(("a", 10.0))
    known.hear(Heartbeat("b", "second"), 10.0)
    known.hear(Heartbeat("b", "first", leaving=True), 10.1)
    assert known.alive(10.1) == {"a", "b"}


def test_d2_a_host_knows_that_it_was_stopped_even_when_it_hears_itself_again() -> None:
    """After a pause longer than the timeout a host has lost itself for good, though its next beat arrives at once."""
    known = members(("a", 10.0))
    assert not known.lost_itself(11.9)
    assert known.lost_itself(12.0)
    known.hear(Heartbeat("a", "a-boot"), 13.0)
    assert known.lost_itself(13.0)


def test_d2_a_host_that_beats_in_time_has_not_lost_itself() -> None:
    """Beats within the timeout keep a host current."""
    known = members(("a", 10.0), ("a", 11.5), ("a", 13.0))
    assert not known.lost_itself(14.9)


@given(HOSTS)
def test_d3_every_partition_has_one_owner(hosts: frozenset[str]) -> None:
    """The shares of all hosts cover all partitions and do not overlap."""
    shares = [partitions_of(host, hosts, 64) for host in hosts]
    assert sum(map(len, shares)) == 64
    assert frozenset().union(*shares) == frozenset(range(64))


@given(HOSTS, st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_d3_a_newcomer_takes_partitions_and_moves_no_other(hosts: frozenset[str], newcomer: str) -> None:
    """A partition has the same owner before and after a host joins, unless the newcomer has it."""
    for partition in range(64):
        after = owner_of(partition, hosts | {newcomer})
        assert after in {owner_of(partition, hosts), newcomer}


def test_d3_placement_stays_as_it_is() -> None:
    """The shares of two named hosts are pinned: a changed hash would make old and new hosts disagree during an upgrade."""
    share = partitions_of("host-1", frozenset({"host-1", "host-2"}), 64)
    assert (len(share), sorted(share)[:8]) == (30, [0, 1, 2, 3, 4, 6, 8, 11])
