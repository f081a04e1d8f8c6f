"""Decisions as they are stored, events and envelopes as they are sent."""

import json

import msgspec
import pytest

from actors.contract.changes import Change, ChannelItems, apply_changes
from actors.contract.codes import CODES
from actors.contract.decisions import Answer, CancelTimer, Decision, Part, SendMessage, StartTimer, refusal
from actors.contract.envelopes import Envelope, answer_envelope, client_of, envelope_of, without_events
from actors.contract.events import encode_event, instant_of

OP = "20270619-k3v9q2:7"
PART = Part(
    "timeline.team",
    42,
    (
        Change("timeline", "first-look", set={"title": "First look", "notes": None}),
        Change("timeline", "arch", insert={"title": "Arch", "vendors": ["bloom"]}),
        Change("timeline", "bus", remove=True),
        Change("permissions", "booking", insert={}),
    ),
    {"petra/20270101-aaaa": 3, "amara/20270619-k3v9q2": 7},
    "concurrent",
    ("20270101-aaaa:3",),
)
_BODY = b'{"op":{"type":"message_sent"}}'
DECISION = Decision(
    rev=9,
    position=1234,
    op=OP,
    principal="amara",
    client="20270619-k3v9q2",
    number=7,
    now_ms=1_813_392_000_123,
    type="timeline_update",
    action="update",
    source="websocket",
    client_version="web/1",
    refusal=None,
    parts=(PART,),
    permissions_changed=True,
    effects=(StartTimer("t1", 5, _BODY, 3, "skip_missed"), CancelTimer("t0"), SendMessage("v", "bloom", 1, _BODY, 2)),
)
REFUSED = msgspec.structs.replace(DECISION, refusal=refusal("exists"), parts=(), effects=(), permissions_changed=False)


@pytest.mark.parametrize("decision", [DECISION, REFUSED])
def test_d7_a_decision_comes_back_from_the_store(decision: Decision) -> None:
    """Stored as msgpack arrays, a decision is read back as it was, the JSON bodies of its effects included."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(decision), type=Decision) == decision


def test_an_event_is_what_the_design_shows() -> None:
    """Names in camelCase, changes with exactly one of set, insert and remove, time with milliseconds."""
    assert json.loads(encode_event(DECISION, PART, "w77")) == {
        "id": OP,
        "type": "timeline_update",
        "weddingId": "w77",
        "userId": "amara",
        "timestamp": "2027-06-19T08:00:00.123Z",
        "channel": "timeline.team",
        "sequence": 42,
        "data": {
            "changes": [
                {"collection": "timeline", "id": "first-look", "set": {"title": "First look", "notes": None}},
                {"collection": "timeline", "id": "arch", "insert": {"title": "Arch", "vendors": ["bloom"]}},
                {"collection": "timeline", "id": "bus", "remove": True},
                {"collection": "permissions", "id": "booking", "insert": {}},
            ]
        },
        "vectorClock": {"petra/20270101-aaaa": 3, "amara/20270619-k3v9q2": 7},
        "causality": {"relation": "concurrent", "with": ["20270101-aaaa:3"]},
        "metadata": {"source": "websocket", "clientVersion": "web/1"},
    }


def test_instants_before_and_after_1970() -> None:
    """Milliseconds are kept, on both sides of the epoch."""
    assert instant_of(0) == "1970-01-01T00:00:00.000Z"
    assert instant_of(-1) == "1969-12-31T23:59:59.999Z"
    assert instant_of(951_782_400_000) == "2000-02-29T00:00:00.000Z"


def test_changes_are_followed_in_place() -> None:
    """Set merges, null clears, insert replaces, remove takes away, and an empty collection is none."""
    items: ChannelItems = {"timeline": {"first-look": {"title": "Look", "notes": "x", "anchored": True}, "bus": {"title": "Bus"}}}
    apply_changes(items, PART.changes)
    assert items == {
        "timeline": {"first-look": {"title": "First look", "anchored": True}, "arch": {"title": "Arch", "vendors": ["bloom"]}},
        "permissions": {"booking": {}},
    }
    apply_changes(items, [Change("permissions", "booking", remove=True), Change("timeline", "gone", set={"title": "x"})])
    assert sorted(items) == ["timeline"]
    assert sorted(items["timeline"]) == ["arch", "first-look"]


def test_an_applied_insert_does_not_alias_the_change() -> None:
    """A copy that follows an insert and changes further leaves the event as it was."""
    change = Change("tasks", "rings", insert={"title": "Rings"})
    items: ChannelItems = {}
    apply_changes(items, [change, Change("tasks", "rings", set={"title": "x"})])
    assert change.insert == {"title": "Rings"}


def test_an_envelope_carries_the_next_number() -> None:
    """A decision of a client's op names the number after it, one of an op over NATS names none."""
    envelope = envelope_of(DECISION, "w77", 1, 8)
    assert (envelope.rev, envelope.acl, envelope.next, envelope.decided) == (9, 8, 8, True)
    assert client_of(envelope) == "20270619-k3v9q2"
    assert bytes(envelope.parts[0].event) == encode_event(DECISION, PART, "w77")
    over_nats = envelope_of(msgspec.structs.replace(DECISION, number=0, client="intake", op="booking.17"), "w77", 1, 8)
    assert (over_nats.next, client_of(over_nats)) == (0, None)


def test_an_envelope_travels_as_json() -> None:
    """Encoded events inside an envelope come out of it byte by byte."""
    envelope = envelope_of(DECISION, "w77", 1, 8)
    assert msgspec.json.decode(msgspec.json.encode(envelope), type=Envelope) == envelope
    slim = without_events(envelope)
    assert (slim.parts, slim.fetch, slim.rev) == ((), True, 9)


def test_an_answer_is_for_its_author_alone() -> None:
    """An answer's envelope decides nothing and names what the author must send next."""
    envelope = answer_envelope(Answer(OP, "amara", 12, refusal("resend_from"), 5), 1, 9, 8)
    assert (envelope.decided, envelope.parts, envelope.next) == (False, (), 5)


def test_every_code_has_a_message_and_a_remedy() -> None:
    """A refusal without texts of its own takes those of its code."""
    for code, text in CODES.items():
        assert (text.message, text.remedy) == (refusal(code).message, refusal(code).remedy)
        assert text.message.endswith(".")
        assert text.remedy.endswith(".")
