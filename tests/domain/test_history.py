"""Everything that was ever written can still be read: ops of the log, stored decisions, snapshots.

`fixtures/history-1.json` holds one wedding as the first version of the shapes wrote it, shape by shape, and is never changed.
Later versions stand in `fixtures/stored-<n>/`, as PostgreSQL holds them (test_stored_forms).
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.contract.decisions import Decision
from actors.contract.ops import LogEntry
from actors.domain import snapshot_form, views
from actors.domain.evolve import evolve
from actors.domain.state import new_state

HISTORIES = sorted((Path(__file__).parent / "fixtures").glob("history-*.json"))


@pytest.fixture(params=HISTORIES, ids=[path.stem for path in HISTORIES])
def history(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One wedding as an earlier version wrote it."""
    content: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return content


def test_d1_every_op_of_the_past_still_decodes(history: dict[str, Any]) -> None:
    """What stands in a log is read whole: no member of it is passed over."""
    for entry in history["log"]:
        assert json.loads(msgspec.json.encode(msgspec.convert(entry, LogEntry))) == entry


def test_inv2_stored_decisions_of_the_past_still_give_their_state(history: dict[str, Any]) -> None:
    """evolve follows every decision that was ever stored, whatever the rules say today."""
    state = new_state(history["wedding"])
    for block in history["decisions"]:
        evolve(state, msgspec.msgpack.decode(bytes.fromhex(block), type=Decision))
    assert {name: list(head) for name, head in views.channel_heads(state).items()} == history["heads"]


def test_d7_snapshots_of_the_past_still_give_their_state(history: dict[str, Any]) -> None:
    """A snapshot is read to the same channels, members and client numbers."""
    state = snapshot_form.decode(bytes.fromhex(history["snapshot"]))
    assert {name: list(head) for name, head in views.channel_heads(state).items()} == history["heads"]
    assert {client: list(msgspec.to_builtins(counter)) for client, counter in views.counters(state).items()} == history[
        "counters"
    ]


def test_there_is_a_history() -> None:
    """The fixtures are where this test looks."""
    assert [path.stem for path in HISTORIES][:1] == ["history-1"]
