"""Proof (a): stored changes and snapshot against the live heads; what is damaged is found and named."""

import msgspec

from actors.contract.changes import Change
from actors.contract.decisions import Decision
from actors.domain import snapshot_form, views
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, new_state
from config.cli.verification.folding import StoredFold
from tests.support.folding import WEDDING, Fold, wedding_with_members


def told() -> Fold:
    """A wedding with a few items."""
    fold = wedding_with_members()
    for number in range(4):
        fold.act("amara", "tasks", "insert", f"t{number}", {"title": f"Task {number}"})
    fold.act("petra", "tasks", "update", "t1", {"done": True})
    return fold


def state_at(fold: Fold, rev: int) -> ActorState:
    """The state after the first `rev` decisions."""
    state = new_state(WEDDING)
    for decision in fold.decisions[:rev]:
        evolve(state, decision)
    return state


def proof(decisions: list[Decision], snapshot: ActorState | None) -> StoredFold:
    stored = StoredFold(WEDDING, snapshot)
    for decision in decisions:
        stored.follow(decision)
    return stored


def test_d7_what_is_stored_gives_the_live_digests() -> None:
    """With or without a snapshot, wherever it was taken."""
    fold = told()
    live = views.channel_heads(fold.state)
    assert proof(fold.decisions, None).compare(live) == []
    for rev in range(1, len(fold.decisions) + 1):
        stored = proof(fold.decisions, state_at(fold, rev))
        assert (stored.compare(live), stored.snapshot_rev) == ([], rev)


def test_d7_a_hole_is_named_once() -> None:
    """After a missing change nothing more is followed."""
    fold = told()
    stored = proof(fold.decisions[:7] + fold.decisions[9:], None)
    found = stored.compare(views.channel_heads(fold.state))
    assert found[0] == "stored changes: after rev 7 comes rev 10"
    assert any("tasks.team" in line for line in found[1:])
    assert stored.state.rev == 7


def test_d7_a_changed_change_is_found() -> None:
    """Another value in one stored change gives another digest of its channel, and of no other."""
    fold = told()
    part = fold.decisions[8].parts[0]
    changed = msgspec.structs.replace(part, changes=(Change("tasks", "t2", insert={"title": "Forged", "order": "a2"}),))
    fold.decisions[8] = msgspec.structs.replace(fold.decisions[8], parts=(changed,))
    [difference] = proof(fold.decisions, None).compare(views.channel_heads(fold.state))
    assert difference.startswith("stored changes: tasks.team is ")


def test_d7_a_changed_snapshot_is_found() -> None:
    """Even when the snapshot's own digest was forged with it: digests are computed from the items."""
    fold = told()
    snapshot = snapshot_form.decode(snapshot_form.encode(fold.state))
    snapshot.items["tasks"]["t0"].fields["title"] = "Forged"
    [difference] = proof(fold.decisions, snapshot).compare(views.channel_heads(fold.state))
    assert difference.startswith(f"snapshot at rev {fold.state.rev} with the changes after it: tasks.team is ")
