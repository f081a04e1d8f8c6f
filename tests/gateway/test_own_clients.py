"""The numbers that the gateway gives to ops without an id."""

from datetime import UTC, datetime, timedelta

from gateway.ops.own_clients import OwnClients

NOON = datetime(2027, 6, 19, 12, tzinfo=UTC)


def test_d5_a_number_that_is_on_its_way_is_not_given_again() -> None:
    """The last number of a client outlives the room that it was given out in."""
    own = OwnClients()
    client = own.client_of(("w1", 1, "ana"), NOON)
    assert own.last(client) == 0
    own.took(client, 7)
    assert own.client_of(("w1", 1, "ana"), NOON + timedelta(hours=11)) == client
    assert own.last(client) == 7


def test_d5_weddings_logs_and_principals_count_apart() -> None:
    """Another wedding, another incarnation of its log, or another author has a client of its own."""
    own = OwnClients()
    keys = [("w1", 1, "ana"), ("w2", 1, "ana"), ("w1", 2, "ana"), ("w1", 1, "ben")]
    assert len({own.client_of(key, NOON) for key in keys}) == len(keys)


def test_inv7_a_new_day_forgets_the_clients_of_the_day_before() -> None:
    """Clients are made anew each day, and clients of others are never remembered."""
    own = OwnClients()
    client = own.client_of(("w1", 1, "ana"), NOON)
    own.took(client, 7)
    own.took("20270619-somebody", 3)
    assert own.last("20270619-somebody") == 0
    assert own.client_of(("w1", 1, "ana"), NOON + timedelta(days=1)) != client
    assert own.last(client) == 0
