"""Snapshots: an exact round trip, and a clear refusal of what cannot be read."""

import msgspec
import pytest

from actors.domain import snapshot_form
from actors.domain.errors import SnapshotUnreadable
from tests.support.folding import wedding_with_members


def test_d7_a_snapshot_comes_back_exactly() -> None:
    """What was written is what is read, the order of clients and of clocks included."""
    state = wedding_with_members().state
    assert snapshot_form.decode(snapshot_form.encode(state)) == state


def test_d7_a_snapshot_of_another_format_is_refused() -> None:
    """A newer or older format is named, so that the reader can fold the stored changes instead."""
    with pytest.raises(SnapshotUnreadable, match="format 2"):
        snapshot_form.decode(msgspec.msgpack.encode([2, []]))


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([1, "no state"]), msgspec.msgpack.encode({"format": 1})])
def test_d7_a_damaged_snapshot_is_refused(data: bytes) -> None:
    """Bytes that are no snapshot raise the one error that callers expect."""
    with pytest.raises(SnapshotUnreadable, match="damaged"):
        snapshot_form.decode(data)
