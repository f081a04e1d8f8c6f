"""Proof (b): deciding the ops of the log again gives what is stored; each kind of difference is named with its op."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.contract.decisions import Decision, refusal
from actors.contract.markers import ActivateRules
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import new_state
from actors.runtime.directives import Directives
from actors.runtime.log_messages import LogMessage, Marker
from config.cli.verification.replay import Replay
from tests.support.folding import Fold, op_of, wedding_with_members
from tests.support.random_ops import managers_left, random_folds, random_folds_with_marker


def messages(fold: Fold) -> list[LogMessage]:
    """The log as it is read."""
    kind = fold.state.kind
    return [
        LogMessage(meta.position, meta.timestamp_ms, 0, kind, meta.wedding, meta.principal, entry, 0) for entry, meta in fold.log
    ]


def proof(fold: Fold, log: list[LogMessage], first: int = 1, directives: Directives | None = None) -> Replay:
    """Pass over the stored decisions as `verify` does."""
    replay, state = Replay(first, log, directives or Directives()), new_state(fold.state.id)
    for decision in fold.decisions:
        replay.before(state, decision)
        evolve(state, decision)
    return replay


def told() -> Fold:
    """A wedding with an applied op, a repeat, a refused op and another applied one."""
    fold = wedding_with_members()
    client = "20270619-phone"
    for number, name in ((1, "rings"), (1, "rings"), (2, "rings"), (3, "vows")):
        fold.send("amara", op_of(f"{client}:{number}", "tasks", "insert", name, {"title": name}))
    return fold


@settings(max_examples=30)
@given(random_folds)
def test_inv2_an_honest_log_has_no_differences(fold: Fold) -> None:
    """Every decision is decided again, every repeat up to the last decision is answered again."""
    replay = proof(fold, messages(fold))
    assert replay.differences == []
    assert replay.decided_again == len(fold.decisions)


@settings(max_examples=30)
@given(random_folds_with_marker(), st.integers(0, 60))
def test_inv2_any_restart_point_around_a_marker_decides_alike(folded: tuple[Fold, int], checkpoint: int) -> None:
    """Whoever begins at a checkpoint, before or after a marker, with what is stored there, decides the rest as it was decided."""
    fold, marker = folded
    stored = [] if marker > checkpoint else [(marker, NEWEST)]
    directives = Directives([(0, 1), *stored])
    if not stored:
        directives.obey(Marker(marker, 0, ActivateRules(NEWEST)))
    first = min(checkpoint, len(fold.log)) + 1
    replay = proof(fold, messages(fold)[first - 1 :], first, directives)
    assert replay.differences == []
    assert replay.decided_again == sum(decision.position >= first for decision in fold.decisions)


def test_d11_only_what_the_log_still_holds_is_decided_again() -> None:
    """Decisions below the first position of a trimmed log are followed and not compared."""
    fold = told()
    replay = proof(fold, messages(fold)[6:], first=7)
    assert (replay.differences, replay.decided_again, replay.answered_again) == ([], 3, 1)


def test_inv1_a_stored_op_that_is_not_in_the_log_is_named() -> None:
    """Nothing can be stored that was not saved."""
    fold = told()
    log = messages(fold)
    del log[8]
    assert proof(fold, log).differences == ["log: the op 20270619-phone:2 at position 9 is stored, but not in the log"]


def test_inv1_an_op_without_its_decision_is_named() -> None:
    """Nothing can be saved and not decided."""
    fold = wedding_with_members()
    log = messages(fold)
    forged = op_of("20270619-other:1", "tasks", "insert", "t", {"title": "t"})
    log[3:3] = [log[3]._replace(entry=msgspec.structs.replace(log[3].entry, op=forged))]
    log[4:] = [message._replace(position=message.position + 1) for message in log[4:]]
    fold.decisions[3:] = [msgspec.structs.replace(decision, position=decision.position + 1) for decision in fold.decisions[3:]]
    assert proof(fold, log).differences == [
        "log: the op 20270619-other:1 at position 4 has no stored decision, but is decided now"
    ]


def test_inv2_another_decision_is_named_with_what_differs() -> None:
    """The difference is told once, since what follows is decided on the stored state."""
    fold = told()
    fold.decisions[7] = msgspec.structs.replace(fold.decisions[7], refusal=refusal("not_allowed"))
    assert proof(fold, messages(fold)).differences == [
        "log: the op 20270619-phone:2 at position 9 (rev 8) is decided otherwise now: refusal",
    ]


def test_a_fault_of_ours_is_no_difference() -> None:
    """An op that met a bug which is mended since is followed as stored, and counted."""
    fold = told()
    decision: Decision = fold.decisions[7]
    fold.decisions[7] = msgspec.structs.replace(decision, refusal=refusal("internal_error"))
    replay = proof(fold, messages(fold))
    assert (replay.differences, replay.faults) == ([], 1)


def leaving(rules_after: int) -> Fold:
    """The last managers leave under version 1 of the rules and come back; then they would leave under `rules_after`."""
    fold = managers_left(wedding_with_members(rules=1))
    fold.act("amara", "people", "delete", "petra")
    fold.rules = rules_after
    fold.act("amara", "people", "delete", "amara")
    return fold


def test_d1_the_past_is_decided_with_the_rules_of_its_time() -> None:
    """With a marker between two ops `verify` decides the first by the old version and the second by the new one."""
    fold = leaving(rules_after=2)
    before_the_last = len(fold.log) - 1
    honest = proof(fold, messages(fold), directives=Directives([(0, 1), (before_the_last, 2)]))
    assert (honest.differences, honest.decided_again) == ([], len(fold.decisions))
    by_old_rules_alone = proof(fold, messages(fold), directives=Directives([(0, 1)]))
    assert [each.rpartition(": ")[2] for each in by_old_rules_alone.differences] == ["refusal, parts, permissions_changed"]
