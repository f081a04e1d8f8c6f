"""Snapshots: an exact round trip, and a clear refusal of what cannot be read."""

from typing import Any

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


def test_d7_a_snapshot_of_an_older_format_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version reads today's snapshots through its upgrades, one format after the other."""
    state = wedding_with_members().state
    today = snapshot_form.encode(state)

    def named_anew(old: list[Any]) -> list[Any]:
        return ["renamed", *old[1:]]

    def one_rev_on(old: list[Any]) -> list[Any]:
        return [old[0], old[1] + 1, *old[2:]]

    monkeypatch.setattr(snapshot_form, "FORMAT", 3)
    monkeypatch.setattr(snapshot_form, "_UPGRADES", {1: named_anew, 2: one_rev_on})
    found = snapshot_form.decode(today)
    assert (found.id, found.rev) == ("renamed", state.rev + 1)
    assert (found.items, found.clients) == (state.items, state.clients)


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([1, "no state"]), msgspec.msgpack.encode({"format": 1})])
def test_d7_a_damaged_snapshot_is_refused(data: bytes) -> None:
    """Bytes that are no snapshot raise the one error that callers expect."""
    with pytest.raises(SnapshotUnreadable, match="damaged"):
        snapshot_form.decode(data)


def test_inv2_a_snapshot_of_version_2_gives_the_timers_that_its_log_gives() -> None:
    """Builds of then wrote no arming person down, so the fold of such a decision knows none either."""
    fold = wedding_with_members(rules=2)
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings", "remindAt": "2027-06-19T09:00:00Z"})
    old = msgspec.msgpack.decode(snapshot_form.encode(fold.state))
    armed = old[1][fold.state.__struct_fields__.index("timers")][0]
    assert armed
    for timer in armed.values():
        timer.pop()
    assert snapshot_form.decode(msgspec.msgpack.encode(old)) == fold.state
