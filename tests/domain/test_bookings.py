"""Weddings book hours with a supplier's actor (rule V1), and how actors write to each other (design D6)."""

from typing import Any

import msgspec
import pytest

from actors.contract.decisions import Answer, Decision, SendMessage
from actors.contract.ops import LogEntry, Source
from actors.contract.subjects import VENDOR
from actors.domain import snapshot_form
from actors.domain.correspondence import missing_before
from actors.domain.state import VendorState
from actors.domain.vendor.bookings import MAX_OF_WEDDING
from config.cli.vendor import lines_of
from tests.support.correspondence import HOURS, Town
from tests.support.disputes import seen_by_all
from tests.support.folding import op_of

LATER = {"contractStart": "2027-06-19T19:30:00Z", "contractEnd": "2027-06-19T23:00:00.5Z"}
EVENING = {"contractStart": "2027-06-19T20:00:00.000Z", "contractEnd": "2027-06-19T23:00:00Z"}


@pytest.fixture
def town() -> Town:
    return Town()


def test_v1_hours_that_are_free_are_confirmed(town: Town) -> None:
    """The question is a state of the item from its op on, and the supplier's answer the next one."""
    town.book("w1")
    assert town.booking("w1") == "asked"
    town.deliver()
    assert town.booking("w1") == "confirmed"
    assert town.vendor("bloom").bookings() == {"w1.flora": "confirmed"}


def test_v1_a_double_booking_is_told_to_the_supplier_alone(town: Town) -> None:
    """The second wedding hears `clash` and not a byte about the first, which hears nothing at all; the supplier sees both."""
    town.book("w1")
    town.deliver()
    told = len(town.wedding("w1").decisions)
    town.book("w2", **LATER)
    town.deliver()
    assert (town.booking("w1"), town.booking("w2")) == ("confirmed", "clash")
    assert len(town.wedding("w1").decisions) == told
    assert b"w1" not in msgspec.json.encode(town.wedding("w2").log)
    calendar = {key: item.fields for key, item in town.vendor("bloom").state.items["bookings"].items()}
    assert lines_of(calendar) == [
        "2027-06-19T12:00:00.000Z 2027-06-19T20:00:00.000Z confirmed w1.flora overlaps w2.flora",
        "2027-06-19T19:30:00.000Z 2027-06-19T23:00:00.500Z clash     w2.flora overlaps w1.flora",
    ]


def test_v1_hours_that_only_touch_do_not_clash(town: Town) -> None:
    """A booking ends before its last instant, however that is written."""
    town.book("w1")
    town.book("w2", **EVENING)
    town.deliver()
    assert town.vendor("bloom").bookings() == {"w1.flora": "confirmed", "w2.flora": "confirmed"}


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("delete", None),
        ("update", {"account": None}),
        ("update", {"account": "petals"}),
        ("update", {"contractEnd": None}),
        ("update", {"contractStart": "2027-06-20T12:00:00Z", "contractEnd": "2027-06-20T20:00:00Z"}),
    ],
)
def test_v1_hours_given_back_go_to_who_waits(town: Town, action: str, data: dict[str, Any] | None) -> None:
    """A deletion, another account, no hours or another day release what was booked, and the one who waited longest has it."""
    for wedding in ("w1", "w2", "w3"):
        town.book(wedding)
    town.deliver()
    town.act("w1", action, data=data)
    town.deliver()
    assert (town.booking("w2"), town.booking("w3")) == ("confirmed", "clash")
    assert "w1.flora" not in town.vendor("bloom").bookings() or action == "update"


def test_v1_other_changes_leave_a_booking_alone(town: Town) -> None:
    """Only account and hours are a question: a note, or the same hours again, sends nothing."""
    town.book("w1")
    town.deliver()
    assert town.act("w1", "update", data={"notes": "Peonies"} | HOURS).effects == ()
    assert town.booking("w1") == "confirmed"


def test_v1_the_answer_of_a_supplier_is_in_nobody_s_way(town: Town) -> None:
    """Who deletes the row without having seen the calendar's answer disagrees with nobody: no conflict, no notice."""
    town.book("w1")
    base = seen_by_all(town.wedding("w1"))
    town.deliver()
    decision = town.wedding("w1").act("ana", "vendors", "delete", "flora", base=base, client="20270619-anaphone")
    assert [(part.channel, len(part.changes)) for part in decision.parts] == [("vendors.team", 1)]
    assert "conflicts" not in town.wedding("w1").state.items


def test_v1_taking_a_supplier_in_can_be_undone_though_its_calendar_has_answered(town: Town) -> None:
    """The answer is nobody's edit: the row goes and its hours with it; a person's note keeps both."""
    taken_in = [town.book(wedding) for wedding in ("w1", "w2")]
    town.deliver()
    assert (town.booking("w1"), town.booking("w2")) == ("confirmed", "clash")
    undone = town.act("w1", "undo", data={"op": taken_in[0].op, "remove": True})
    assert [change.remove for part in undone.parts for change in part.changes] == [True]
    town.deliver()
    assert (town.vendor("bloom").bookings(), town.booking("w2")) == ({"w2.flora": "confirmed"}, "confirmed")
    town.wedding("w2").act("ana", "people", "insert", "ben", {"name": "Ben", "role": "planner"})
    town.wedding("w2").act("ben", "vendors", "update", "flora", {"notes": "Peonies"})
    assert town.act("w2", "undo", data={"op": taken_in[1].op, "remove": True}).parts == ()
    assert town.booking("w2") == "confirmed"


def test_v1_an_answer_to_an_older_question_changes_nothing(town: Town) -> None:
    """Of two questions in a row, only the answer to the hours that the item has now is taken."""
    town.book("w1")
    town.act("w1", "update", data=EVENING)
    town.book("w0", **EVENING)
    before = town.wedding("w1").item("vendors", "flora")["contractStart"]
    town.deliver()
    assert town.booking("w1") in {"confirmed", "clash"}
    assert town.wedding("w1").item("vendors", "flora")["contractStart"] == before
    answers = [each for each in town.wedding("w1").decisions if each.source == "actor"]
    assert [len(each.parts) for each in answers] == [0, 1]


def test_v1_only_the_account_of_an_item_answers_for_it(town: Town) -> None:
    """A supplier whose account the item does not name says nothing that the wedding takes."""
    town.book("w1")
    town.deliver()
    body = next(effect for effect in town.vendor("bloom").decisions[0].effects if isinstance(effect, SendMessage)).body
    forged = msgspec.json.decode(body.replace(b"_v-bloom", b"_v-petals").replace(b"confirmed", b"clash"), type=LogEntry)
    outcome = town.wedding("w1").take("_v-petals", forged)
    assert isinstance(outcome, Decision)
    assert (outcome.parts, town.booking("w1")) == ((), "confirmed")


@pytest.mark.parametrize("action", ["insert", "update"])
def test_v1_no_member_writes_a_booking(town: Town, action: str) -> None:
    """`booking` is the server's field, whoever asks and whatever the value."""
    if action == "update":
        town.book("w1")
    data: dict[str, Any] = {"booking": "confirmed"} | ({"name": "Bloom"} if action == "insert" else {})
    decision = town.wedding("w1").act("ana", "vendors", action, "flora", data)
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.refusal.message) == ("bad_value", "vendors.booking is set by the server.")


def test_v1_one_wedding_fills_no_calendar(town: Town) -> None:
    """Beyond its share of a calendar a wedding hears `clash`, and nothing more is kept of it."""
    for number in range(MAX_OF_WEDDING + 1):
        day = f"2027-07-{number + 1:02d}T"
        town.book("w1", f"i{number}", contractStart=day + "10:00:00Z", contractEnd=day + "11:00:00Z")
    town.deliver()
    assert len(town.vendor("bloom").bookings()) == MAX_OF_WEDDING
    assert town.booking("w1", f"i{MAX_OF_WEDDING}") == "clash"


def test_d6_a_message_that_comes_again_is_ignored(town: Town) -> None:
    """Every message three times: each is decided once at its receiver, and all ends as it would have."""
    town.book("w1")
    town.book("w2")
    town.deliver(copies=3)
    assert (town.booking("w1"), town.booking("w2")) == ("confirmed", "clash")
    assert len(town.vendor("bloom").decisions) == 2
    assert town.vendor("bloom").state.received == {"_w-w1": 1, "_w-w2": 1}
    assert town.wedding("w1").state.received == {"_v-bloom": 1}


def test_d6_messages_are_numbered_per_receiver(town: Town) -> None:
    """Two suppliers of one wedding each get numbers of their own, without a hole."""
    town.book("w1", "flora", "bloom")
    town.book("w1", "music", "strings")
    town.act("w1", "update", "flora", EVENING)
    town.deliver()
    assert town.wedding("w1").state.sent == {"_v-bloom": 2, "_v-strings": 1}
    assert [entry.op.id for entry, _ in town.vendor("bloom").log] == ["_w-w1:1", "_w-w1:2"]
    assert [entry.hops for entry, _ in town.vendor("bloom").log] == [1, 1]
    assert {entry.hops for entry, meta in town.wedding("w1").log if meta.principal == "_v-bloom"} == {2}


def test_d6_a_message_lost_with_a_log_is_noticed_and_not_waited_for(town: Town) -> None:
    """A hole in the numbers is counted for the runtime to report; what comes after it is taken."""
    town.book("w1")
    town.deliver()
    bloom = town.vendor("bloom")
    entry, meta = bloom.log[0]
    late = msgspec.structs.replace(entry, op=msgspec.structs.replace(entry.op, id="_w-w1:4"))
    assert missing_before(bloom.state, late, meta.principal) == 2
    assert isinstance(bloom.take(meta.principal, late), Decision)
    assert isinstance(bloom.take(meta.principal, late), Answer)


def test_d6_a_loop_of_messages_ends(town: Town) -> None:
    """The fifth message in a row is refused: it changes nothing and sends nothing."""
    town.book("w1")
    town.deliver()
    bloom = town.vendor("bloom")
    entry, meta = bloom.log[0]
    again = msgspec.structs.replace(entry, op=msgspec.structs.replace(entry.op, id="_w-w1:2"), hops=5)
    outcome = bloom.take(meta.principal, again)
    assert isinstance(outcome, Decision)
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.effects) == ("not_allowed", ())


@pytest.mark.parametrize("principal", ["_v-bloom", "_w-w2", "_x-bloom", "_v-"])
def test_d6_nobody_speaks_as_an_actor_through_another_entrance(town: Town, principal: str) -> None:
    """Even if an entrance let such a name pass: what came by WebSocket, HTTP or NATS under it changes nothing."""
    wedding = town.wedding("w1")
    entrances: list[tuple[Source, str]] = [("websocket", "20270619-forger:1"), ("http", "20270619-forged:1"), ("nats", "n1")]
    for source, op in entrances:
        wedding.send(principal, op_of(op, "tasks", "insert", "t", {"title": "Forged"}), source)
    assert "tasks" not in wedding.state.items


def test_inv2_a_supplier_replays_and_cuts_like_a_wedding(town: Town) -> None:
    """Folding a supplier's stored decisions from any snapshot on gives the same state."""
    for wedding in ("w1", "w2", "w3"):
        town.book(wedding)
    town.act("w1", "delete")
    town.deliver()
    bloom = town.vendor("bloom")
    assert isinstance(bloom.state, VendorState)
    assert bloom.state.kind == VENDOR
    assert snapshot_form.decode(snapshot_form.encode(bloom.state), VENDOR) == bloom.state
