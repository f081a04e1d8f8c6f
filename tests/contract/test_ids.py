"""Ids, client ids, op ids, and the partition of a wedding."""

import pytest

from actors.contract import ids
from actors.contract.errors import ContractError
from tests.support.memory import kept_bytes_of


@pytest.mark.parametrize("good", ["a", "0", "w77", "lakeside-2027", "a_b", "x" * 64])
def test_an_id_is_one_lower_case_token(good: str) -> None:
    """Letters, digits, underscore and hyphen, 64 at most."""
    assert ids.is_token(good)


@pytest.mark.parametrize(
    "bad", ["", "-a", "_a", "A", "a.b", "a*", "a>", "a b", "x" * 65, "a\n", "é", "anna@example.org", None, 7]
)
def test_an_id_is_nothing_that_a_subject_could_misread(bad: object) -> None:
    """No dots, wildcards, spaces, capitals or line ends, and nothing but text."""
    assert not ids.is_token(bad)


@pytest.mark.parametrize(
    ("text", "good"),
    [("20270619-k3v9q2", True), ("20270619-abc", False), ("20270631-k3v9q2", False), ("k3v9q2", False), ("20270619-K3V9", False)],
)
def test_d5_a_client_id_begins_with_a_real_day(text: str, good: bool) -> None:
    """`<yyyymmdd>-<random>`, and the day is one of the calendar."""
    assert ids.is_client(text) is good


def test_d5_what_is_too_long_for_a_client_id_is_not_kept() -> None:
    """Whoever says hello or sends an op chooses the text, so what is remembered of it would be memory without bound."""

    def ask_for_long_ones() -> None:
        for number in range(20):
            assert not ids.is_client(f"20270619-{number}{'x' * 100_000}")

    assert kept_bytes_of(ask_for_long_ones) < 100_000


def test_d5_an_op_id_is_a_client_and_a_number() -> None:
    """The number follows the last colon."""
    assert ids.parse_op_id("20270619-k3v9q2:17") == ids.OpId("20270619-k3v9q2", 17)
    assert ids.client_day("20270619-k3v9q2").isoformat() == "2027-06-19"


@pytest.mark.parametrize("number", ["0", "01", "-1", "+1", "1.0", "", "x", "٣", "1" * 16])
def test_d5_an_op_number_is_written_in_one_way(number: str) -> None:
    """From 1 on, in ASCII digits without leading zeros."""
    with pytest.raises(ContractError) as caught:
        ids.parse_op_id(f"20270619-k3v9q2:{number}")
    assert caught.value.code == "bad_id"


@pytest.mark.parametrize(("identifier", "partition"), [("w77", 44), ("w1", 5), ("w2", 12), ("w3", 31)])
def test_d3_the_partition_is_that_of_nats(identifier: str, partition: int) -> None:
    """FNV-1a 32 bit modulo 64, as the server's own mapping gives it."""
    assert ids.partition_of(identifier) == partition


def test_d3_partitions_are_used_evenly() -> None:
    """Over many weddings no partition has more than twice its share."""
    counts = [0] * 64
    for number in range(6400):
        counts[ids.partition_of(f"wedding-{number}")] += 1
    assert min(counts) > 0
    assert max(counts) < 200
