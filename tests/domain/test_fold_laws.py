"""Laws of the fold over random logs: replay, cuts, digests, clients that follow events, sequences without holes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.contract.changes import ChannelItems, apply_changes
from actors.contract.channels import channel_of, may_read
from actors.contract.decisions import Answer, Decision
from actors.contract.digest import channel_digest, item_hash
from actors.contract.events import Event, encode_event
from actors.contract.ops import LogEntry
from actors.domain import members, snapshot_form, views
from actors.domain.decide import decide, decide_safely
from actors.domain.evolve import evolve
from actors.domain.order_index import OrderIndex
from actors.domain.state import ActorState, new_state
from tests.support.folding import MEMBERS, Fold, wedding_with_members
from tests.support.random_ops import random_folds

laws = settings(max_examples=30)
_msgpack = msgspec.msgpack.Encoder()
_read_decision = msgspec.msgpack.Decoder(Decision)
_read_event = msgspec.json.Decoder(Event)


def through_store(decision: Decision) -> Decision:
    """The decision as it comes back from the stored changes."""
    return _read_decision.decode(_msgpack.encode(decision))


@laws
@given(random_folds, st.data())
def test_inv2_any_snapshot_cut_gives_the_same_state(fold: Fold, data: st.DataObject) -> None:
    """A snapshot at any rev and the stored decisions after it give the state of the full fold, and it decides on alike."""
    cut = data.draw(st.integers(0, len(fold.decisions)))
    state = new_state(fold.state.id)
    for decision in fold.decisions[:cut]:
        evolve(state, decision)
    state = snapshot_form.decode(snapshot_form.encode(state))
    for decision in fold.decisions[cut:]:
        evolve(state, through_store(decision))
    assert snapshot_form.encode(state) == snapshot_form.encode(fold.state)
    entry, meta = fold.log[-1]
    assert decide(state, entry, meta) == decide(fold.state, entry, meta)


@laws
@given(random_folds)
def test_inv2_the_same_log_gives_the_same_decisions_bytes_and_state(fold: Fold) -> None:
    """Deciding a log again, each op as read from the log, gives the same decisions and events, byte by byte."""
    state, decisions = new_state(fold.state.id), []
    for entry, meta in fold.log:
        outcome, _ = decide_safely(state, msgspec.json.decode(msgspec.json.encode(entry), type=LogEntry), meta)
        if isinstance(outcome, Decision):
            evolve(state, outcome)
            decisions.append(outcome)
    assert _msgpack.encode(decisions) == _msgpack.encode(fold.decisions)
    assert snapshot_form.encode(state) == snapshot_form.encode(fold.state)


@laws
@given(random_folds)
def test_d1_decide_changes_nothing(fold: Fold) -> None:
    """decide only reads: the state is the same before and after, whatever the op."""
    state = new_state(fold.state.id)
    for entry, meta in fold.log:
        before = snapshot_form.encode(state)
        outcome = decide(state, entry, meta)
        assert snapshot_form.encode(state) == before
        if isinstance(outcome, Decision):
            evolve(state, outcome)


@laws
@given(random_folds)
def test_digests_channels_and_order_keys_are_kept_exactly(fold: Fold) -> None:
    """What evolve keeps as it goes equals what is computed from scratch."""
    state = fold.state
    by_channel = views.items_by_channel(state)
    for name, (_, digest) in views.channel_heads(state).items():
        assert digest == channel_digest(by_channel[name])
        assert views.channel_items(state, name) == by_channel[name]
        for collection, greatest in state.channels[name].greatest_order.items():
            assert greatest == max(str(fields["order"]) for fields in by_channel[name][collection].values())
    fresh = OrderIndex(state.items)
    for collection, items in state.items.items():
        assert state.orders.of(collection) == fresh.of(collection)
        for identifier, item in items.items():
            assert item.channel == channel_of(collection, item.fields)
            assert item.hash == item_hash(collection, identifier, item.fields)
            assert None not in item.fields.values()


@laws
@given(random_folds)
def test_inv4_revs_and_sequences_have_no_holes(fold: Fold) -> None:
    """Every decision has the next rev, every part the next sequence of its channel, and no op has two parts in one channel."""
    sequences: dict[str, int] = {}
    for rev, decision in enumerate(fold.decisions, start=1):
        assert decision.rev == rev
        for part in decision.parts:
            assert part.sequence == sequences.get(part.channel, 0) + 1
            sequences[part.channel] = part.sequence
        assert len({part.channel for part in decision.parts}) == len(decision.parts)
    assert sequences == {name: sequence for name, (sequence, _) in views.channel_heads(fold.state).items()}


@laws
@given(random_folds)
def test_inv1_every_op_in_its_turn_is_decided_once(fold: Fold) -> None:
    """No op has two decisions, and whatever is not decided is answered."""
    decided = [(decision.principal, decision.op) for decision in fold.decisions if decision.number]
    assert len(decided) == len(set(decided))
    assert all(decision.refusal is None or not decision.parts for decision in fold.decisions)


@laws
@given(random_folds, st.sampled_from(sorted(MEMBERS)))
def test_inv3_a_client_that_follows_its_channels_converges(fold: Fold, person: str) -> None:
    """Who applies the events of the channels that they may read ends with the same items and digests as the state."""
    members = views.members(fold.state)
    rights = members[person].rights if person in members else ()
    copy: dict[str, ChannelItems] = {}
    for decision in fold.decisions:
        for part in decision.parts:
            if may_read(rights, part.channel):
                event = _read_event.decode(encode_event(decision, part, fold.state.id))
                apply_changes(copy.setdefault(event.channel, {}), event.data.changes)
    expected = {name: items for name, items in views.items_by_channel(fold.state).items() if may_read(rights, name)}
    assert copy == expected
    heads = views.channel_heads(fold.state)
    assert {name: channel_digest(items) for name, items in copy.items()} == {name: heads[name][1] for name in copy}


def test_inv6_a_poison_op_becomes_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a rule is an outcome: state unchanged but for the consumed number, and the exception is handed out."""
    fold = wedding_with_members()
    items = {name: dict(content) for name, content in views.items_by_channel(fold.state).items()}

    def poison(*_: object) -> Any:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(members, "verb_of", poison)
    decision = fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    entry, meta = fold.log[-1]
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.parts, decision.number) == (
        "internal_error",
        (),
        fold.state.clients[decision.client].last,
    )
    assert views.items_by_channel(fold.state) == items
    repeat, error = decide_safely(fold.state, entry, meta)
    assert (repeat.refusal, error) == (decision.refusal, None)
    assert isinstance(repeat, Answer)


def test_inv6_the_exception_of_a_poison_op_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime gets the exception beside the decision, to report it and to keep a copy of the op."""
    fold = wedding_with_members()
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    entry, meta = fold.log[-1]
    monkeypatch.setattr(members, "check_op", lambda *_: 1 // 0)
    state: ActorState = new_state(fold.state.id)
    for decision in fold.decisions[:-1]:
        evolve(state, decision)
    outcome, error = decide_safely(state, entry, meta)
    assert isinstance(outcome, Decision)
    assert isinstance(error, ZeroDivisionError)
