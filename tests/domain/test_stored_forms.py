"""Every stored form of the past opens and goes on: snapshots and blocks as they stand in PostgreSQL (design D7).

`fixtures/stored-<n>/` holds one wedding as version n of the forms stored it; `write_stored_forms` says how the next one is made.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from actors.contract.decisions import Answer, Decision
from actors.contract.ops import LogEntry
from actors.domain import snapshot_form, views
from actors.domain.decide import Meta, decide_safely
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import ActorState, new_state
from store import blocks, snapshots
from tests.domain.write_stored_forms import FIXTURES, write
from tests.support.folding import op_of
from tests.support.requirements import ROOT

FOLDERS = sorted(FIXTURES.glob("stored-*"))


class Stored(NamedTuple):
    """One wedding as it was found in PostgreSQL."""

    #: As it came out of the snapshot, and what the blocks after it made of that.
    at_snapshot: ActorState
    from_snapshot: ActorState
    #: Built from the blocks alone.
    from_blocks: ActorState
    decisions: list[Decision]
    expected: dict[str, Any]


def open_folder(folder: Path) -> Stored:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    snapshot = snapshots.unpack((folder / "snapshot.bin").read_bytes())
    decisions = [each for path in sorted(folder.glob("block-*.bin")) for each in blocks.unpack(path.read_bytes())]
    stored = Stored(
        snapshot_form.decode(snapshot), snapshot_form.decode(snapshot), new_state(expected["wedding"]), decisions, expected
    )
    for decision in decisions:
        evolve(stored.from_blocks, decision)
        if decision.rev > stored.at_snapshot.rev:
            evolve(stored.from_snapshot, decision)
    return stored


@pytest.fixture(params=FOLDERS, ids=[folder.name for folder in FOLDERS])
def stored(request: pytest.FixtureRequest) -> Stored:
    """One wedding as an earlier version stored it."""
    return open_folder(request.param)


def require_as_expected(state: ActorState, expected: dict[str, Any]) -> None:
    assert state.rev == expected["rev"]
    assert {name: list(head) for name, head in views.channel_heads(state).items()} == expected["heads"]
    counters = {client: list(msgspec.to_builtins(counter)) for client, counter in views.counters(state).items()}
    assert counters == expected["counters"]


def test_d7_a_snapshot_of_the_past_gives_its_state(stored: Stored) -> None:
    """Digest and sequence of every channel and the numbers of every client are those of the day it was written."""
    require_as_expected(stored.at_snapshot, stored.expected["snapshot"])


def test_d7_blocks_of_the_past_lead_from_snapshot_and_from_nothing_to_one_state(stored: Stored) -> None:
    """evolve follows every decision that was ever stored, whatever the rules say today, and the way does not matter."""
    require_as_expected(stored.from_blocks, stored.expected["end"])
    require_as_expected(stored.from_snapshot, stored.expected["end"])
    assert snapshot_form.encode(stored.from_snapshot) == snapshot_form.encode(stored.from_blocks)


def test_inv1_a_wedding_of_the_past_knows_what_it_has_decided(stored: Stored) -> None:
    """Every op of the past comes again as a repeat with its old outcome, or is looked up in the blocks."""
    refusals = {(each.principal, each.op): each.refusal for each in stored.decisions}
    state = stored.from_snapshot
    for principal, _, entry in stored.expected["log"]:
        meta = Meta(state.id, principal, state.position + 1, state.now_ms, NEWEST)
        again, fault = decide_safely(state, msgspec.convert(entry, LogEntry), meta)
        assert isinstance(again, Answer), entry
        assert fault is None
        assert again.look_up or again.refusal == refusals[principal, entry["op"]["id"]]


def test_inv2_a_wedding_of_the_past_goes_on_deciding(stored: Stored) -> None:
    """New ops are decided alike on the state of the snapshot and on that of the blocks, without a fault."""
    outcomes = []
    for state in (stored.from_snapshot, stored.from_blocks):
        decided = []
        for number, op in enumerate(later_ops(), start=1):
            entry = LogEntry(msgspec.structs.replace(op, id=f"20270619-later00000:{number}"), "websocket")
            decision, fault = decide_safely(state, entry, Meta(state.id, "ines", state.position + number, state.now_ms, NEWEST))
            assert isinstance(decision, Decision)
            assert (decision.refusal, fault) == (None, None)
            evolve(state, decision)
            decided.append(decision)
        outcomes.append((decided, views.channel_heads(state)))
    assert outcomes[0] == outcomes[1]


def later_ops() -> list[Any]:
    return [
        op_of("", "tasks", "update", "rings", {"title": "Rings, at last"}),
        op_of("", "tasks", "insert", "shoes", {"title": "Shoes"}),
        op_of("", "tasks", "move", "shoes", {"after": "rings"}),
        op_of("", "timeline", "update", "hair", {"visibility": "team"}),
        op_of("", "documents", "update", "vows", {"audience": "core"}),
        op_of("", "messages", "delete", "hello"),
    ]


def test_there_are_stored_forms_and_the_next_can_be_written(tmp_path: Path) -> None:
    """The fixtures are where these tests look, and today's code writes a folder that today's code reads."""
    assert [folder.name for folder in FOLDERS][:1] == ["stored-1"]
    write(tmp_path / "stored-next")
    found = open_folder(tmp_path / "stored-next")
    require_as_expected(found.at_snapshot, found.expected["snapshot"])
    require_as_expected(found.from_snapshot, found.expected["end"])


def test_inv2_the_hash_seed_of_a_process_changes_no_stored_byte(tmp_path: Path) -> None:
    """Hosts order sets of words each in its own way, so no byte of snapshots and blocks may follow such an order."""
    script = "import sys; from pathlib import Path; from tests.domain.write_stored_forms import write; write(Path(sys.argv[1]))"
    hosts = [
        subprocess.Popen(
            (sys.executable, "-P", "-c", script, str(tmp_path / seed)), env=os.environ | {"PYTHONHASHSEED": seed}, cwd=ROOT
        )
        for seed in "0123"
    ]
    assert [host.wait() for host in hosts] == [0] * len(hosts)
    first, *others = ({each.name: each.read_bytes() for each in (tmp_path / seed).iterdir()} for seed in "0123")
    assert others == [first] * len(others)
