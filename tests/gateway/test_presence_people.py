"""Who is here, merged from the connections of all gateways (design D9)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.contract.presence import PresenceDiff, PresenceRecord
from gateway.presence.people import People, Source

ONE, TWO = Source("gateway-1", "a"), Source("gateway-2", "b")


def record(user: str, updated_ms: int, **presence: Any) -> PresenceRecord:
    return PresenceRecord(user, updated_ms, presence)


def diff(source: Source, version: int, *, whole: bool = False, **connections: PresenceRecord | None) -> PresenceDiff:
    return PresenceDiff(*source, version, whole, connections)


def test_d9_several_connections_are_one_person() -> None:
    """Of a person's connections the one that was active last is shown, and when it closes the one before it."""
    people = People()
    people.put(ONE, "laptop", record("ada", 1000, section="timeline"))
    people.follow(diff(TWO, 1, whole=True, phone=record("ada", 2000, section="budget")))
    seen = people.seen("ada")
    assert seen is not None
    assert (seen["section"], seen["lastActivity"]) == ("budget", "1970-01-01T00:00:02.000Z")
    people.follow(diff(TWO, 2, phone=None))
    seen = people.seen("ada")
    assert seen is not None
    assert seen["section"] == "timeline"


def test_d9_a_gap_is_noticed_and_the_whole_closes_it() -> None:
    """A change that does not follow the last one is refused until the whole comes; what is old is ignored."""
    people = People()
    assert people.follow(diff(TWO, 3, whole=True, a=record("ada", 1))) == {"ada"}
    assert people.follow(diff(TWO, 5, a=None)) is None
    assert people.seen("ada") is not None
    assert people.follow(diff(TWO, 6, whole=True, b=record("bob", 1))) == {"ada", "bob"}
    assert people.follow(diff(TWO, 5, b=None)) == set()
    assert people.seen("bob") is not None


def test_d9_a_lost_gateway_takes_all_its_people_along() -> None:
    """When a gateway is gone, its connections are gone together, and only they."""
    people = People()
    people.put(ONE, "x", record("ada", 1))
    people.follow(diff(TWO, 1, whole=True, a=record("ada", 2), b=record("bob", 2)))
    assert people.drop_source(TWO) == {"ada", "bob"}
    assert set(people.users()) == {"ada"}
    assert people.version(TWO) == 0


def test_d9_a_whole_that_changes_nothing_concerns_nobody() -> None:
    """Asking again for the whole does not send frames to anybody."""
    people = People()
    people.follow(diff(TWO, 1, whole=True, a=record("ada", 2)))
    assert people.follow(diff(TWO, 2, whole=True, a=record("ada", 2))) == set()


_STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["ada", "bob"]), st.integers(1, 9), st.booleans(), st.booleans()),
    max_size=30,
)


@given(_STEPS)
def test_d9_a_receiver_that_asks_after_gaps_ends_where_the_sender_is(steps: list[tuple[str, str, int, bool, bool]]) -> None:
    """Whatever is lost on the way, after the next whole the receiver knows exactly what the sender knows."""
    sender, receiver = People(), People()
    version = 0
    for connection, user, updated_ms, leaves, arrives in steps:
        version += 1
        changed = None if leaves else record(user, updated_ms)
        if changed is None:
            sender.drop(TWO, connection)
        else:
            sender.put(TWO, connection, changed)
        if arrives and receiver.follow(PresenceDiff(*TWO, version, whole=False, connections={connection: changed})) is None:
            version += 1
            receiver.follow(PresenceDiff(*TWO, version, whole=True, connections=dict(sender.connections_of(TWO))))
    receiver.follow(PresenceDiff(*TWO, version + 1, whole=True, connections=dict(sender.connections_of(TWO))))
    assert {user: receiver.seen(user) for user in receiver.users()} == {user: sender.seen(user) for user in sender.users()}
