"""The pure parts of the gateway: frames, order, recent envelopes, rate, lifecycle, tokens."""

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.decisions import refusal
from actors.contract.envelopes import Envelope, EnvelopePart
from actors.contract.server_frames import ChannelSync, LiveEvents, Rejected, Saved, ServerFrame
from gateway.access.rate import TokenBucket
from gateway.access.tokens import make_token, read_token
from gateway.errors import TokenError
from gateway.rooms.order import MOST_HELD, EnvelopeOrder
from gateway.rooms.recent import RecentEnvelopes
from gateway.sessions.lifecycle import TRANSITIONS, IllegalTransition, Phase, stepped
from gateway.wire import formats, frames

SECRET = "a secret of thirty-two bytes or more"


def payload_of(frame: bytes) -> bytes:
    """The payload of one unmasked text frame, read by the letter of RFC 6455."""
    assert frame[0] == 0x81
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10], "big"), 10
    assert len(frame) == start + size
    return frame[start:]


def envelope(rev: int, *channels: str, size: int = 10, **members: Any) -> Envelope:
    """A decided envelope whose parts have the rev as sequence."""
    parts = tuple(EnvelopePart(channel, rev, msgspec.Raw(b'"' + b"x" * size + b'"')) for channel in channels)
    return msgspec.structs.replace(Envelope(1, rev, rev, 0, True, f"20270619-aaaa:{rev}", "ana", rev + 1, None, parts), **members)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_a_frame_has_the_header_of_its_size(size: int) -> None:
    """Each of the three forms of a length is used where it must be."""
    assert payload_of(formats.text_frame(b"x" * size)) == b"x" * size


def test_frames_built_by_hand_are_what_their_shapes_say() -> None:
    """Decoding the bytes by the contract gives the frame that was meant, in one way only."""
    event = msgspec.Raw(b'{"id":"20270619-aaaa:1"}')
    parts = [EnvelopePart("tasks.team", 1, event)] * 2
    decode = msgspec.json.Decoder(ServerFrame).decode
    assert decode(payload_of(frames.events_frame(parts))) == LiveEvents([event, event])
    assert decode(payload_of(frames.saved_frame("20270619-aaaa:7"))) == Saved("20270619-aaaa:7")
    assert decode(payload_of(frames.rejected_frame("x", "exists", 'a "quote"', "r", 3))) == Rejected(
        "x", "exists", 'a "quote"', "r", 3
    )
    snapshot = frames.sync_frame("tasks.team", "join", 3, "0" * 16, state=b'{"tasks":{"cake":{"title":"x"}}}', more=True)
    state: dict[str, dict[str, dict[str, object]]] = {"tasks": {"cake": {"title": "x"}}}
    assert decode(payload_of(snapshot)) == ChannelSync("tasks.team", "snapshot", "join", 3, "0" * 16, more=True, state=state)
    events = frames.sync_frame("tasks.team", "resume", 3, "0" * 16, events=[bytes(event)])
    assert decode(payload_of(events)) == ChannelSync("tasks.team", "events", "resume", 3, "0" * 16, events=[event])


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8), max_size=8))
def test_inv4_any_order_and_repetition_comes_out_once_and_in_order(arrival: list[int], repeated: list[int]) -> None:
    """Whatever the bus does to the order, envelopes leave as 1, 2, 3...; nothing is missing once all have come."""
    order, delivered = EnvelopeOrder(0), []
    for rev in [*arrival, *repeated]:
        order.hold(envelope(rev))
        while (due := order.following()) is not None:
            order.delivered(due)
            delivered.append(due.rev)
    assert delivered == list(range(1, 9))
    assert not order.is_missing()
    assert order.is_empty


def test_inv4_a_hole_and_an_envelope_without_events_are_missing() -> None:
    """A known head, a hole and an envelope whose events must be fetched all call for the owner."""
    order = EnvelopeOrder(5)
    assert not order.is_missing()
    assert order.learn(6)
    assert not order.learn(6)
    assert order.is_missing()
    order.hold(envelope(6, fetch=True))
    assert order.is_missing()
    assert order.following() is None
    order.hold(envelope(6))
    assert not order.is_missing()
    order.hold(envelope(8))
    assert order.is_missing()


def test_inv7_what_waits_behind_a_hole_is_bounded() -> None:
    """Beyond the bound envelopes are dropped, known about and fetched later; the one that closes the hole is kept."""
    order = EnvelopeOrder(0)
    for rev in range(2, MOST_HELD + 100):
        order.hold(envelope(rev))
    order.hold(envelope(1))
    count = 0
    while (due := order.following()) is not None:
        order.delivered(due)
        count += 1
    assert count == MOST_HELD + 1
    assert order.is_missing()


def test_an_answer_waits_for_the_rev_at_which_it_was_given() -> None:
    """An author hears of a repeat only after everything that was decided before."""
    order = EnvelopeOrder(1)
    order.hold(envelope(2, decided=False, refusal=refusal("exists")))
    assert order.take_due_answers() == []
    order.hold(envelope(2))
    due = order.following()
    assert due is not None
    order.delivered(due)
    assert len(order.take_due_answers()) == 1
    assert order.is_empty


def test_inv7_recent_envelopes_are_bounded_in_count_and_bytes() -> None:
    """The oldest go first; what is gone, or has not come yet, is told as None, never as a part."""
    recent = RecentEnvelopes(0, most=5, most_bytes=10_000)
    for rev in range(1, 9):
        recent.append(envelope(rev, "a.team"))
    assert (recent.floor, recent.head) == (3, 8)
    assert recent.after(2) is None
    after = recent.after(6)
    assert after is not None
    assert [each.rev for each in after] == [7, 8]
    assert recent.events({"a.team": (2, 8)}) == {"a.team": None}
    assert recent.events({"a.team": (6, 9)}) == {"a.team": None}
    found = recent.events({"a.team": (3, 7)})["a.team"]
    assert found is not None
    assert len(found) == 4
    assert recent.events({"a.team": (8, 8), "b.team": (0, 0)}) == {"a.team": [], "b.team": []}
    recent.append(envelope(9, "a.team", size=20_000))
    assert (recent.floor, recent.size_bytes) == (9, 0)


def test_recent_envelopes_grow_backwards_only_without_a_hole() -> None:
    """Older envelopes that reach up to the floor are added, others are not."""
    recent = RecentEnvelopes(10, most=5, most_bytes=100_000)
    recent.append(envelope(11, "a.team"))
    recent.prepend([envelope(rev) for rev in (5, 6)])
    assert recent.floor == 10
    recent.prepend([envelope(rev) for rev in (8, 9, 10, 11)])
    assert recent.floor == 7
    recent.prepend([envelope(rev) for rev in range(1, 8)])
    assert (recent.floor, recent.head) == (6, 11)


def test_a_token_bucket_gives_its_burst_and_then_its_rate() -> None:
    """After the burst a permit comes each tenth of a second, and never more than the burst."""
    bucket = TokenBucket(10, 3, now=0)
    for _ in range(3):
        assert bucket.wait_seconds(0) == 0
        bucket.take()
    assert bucket.wait_seconds(0) == pytest.approx(0.1)
    assert bucket.wait_seconds(0.11) == 0
    bucket.take()
    for _ in range(3):
        assert bucket.wait_seconds(100) == 0
        bucket.take()
    assert bucket.wait_seconds(100) > 0


def test_the_lifecycle_allows_what_its_table_names_and_nothing_else() -> None:
    """Every step outside the table raises."""
    for phase in Phase:
        for following in Phase:
            if following in TRANSITIONS[phase]:
                assert stepped(phase, following) is following
            else:
                with pytest.raises(IllegalTransition):
                    stepped(phase, following)


def test_a_token_says_who_and_for_which_wedding() -> None:
    """What was put in comes out, within its life and for its use."""
    now = time.time()
    token = make_token(SECRET, "ana", "w1", use="client", lifetime_seconds=60, now=now)
    claims = read_token(SECRET, token, now=now + 59)
    assert (claims.principal, claims.wedding, claims.use) == ("ana", "w1", "client")


@pytest.mark.parametrize("principal", ["_timer", "_w-w2", "_rules", "", "Ana", "ana.*"])
def test_d10_no_token_names_a_principal_of_the_system(principal: str) -> None:
    """Who cannot be a person cannot come in under that name, even with our own signature."""
    token = make_token(SECRET, principal, "w1", use="client", lifetime_seconds=60, now=1000)
    with pytest.raises(TokenError):
        read_token(SECRET, token, now=1010)


@pytest.mark.parametrize("change", ["late", "other secret", "other use", "cut", "unsigned"])
def test_a_token_that_is_not_right_is_refused(change: str) -> None:
    """Expired, signed by somebody else, for another use, damaged or unsigned: always the same error."""
    token = make_token(SECRET, "ana", "w1", use="nats" if change == "other use" else "client", lifetime_seconds=60, now=1000)
    if change == "cut":
        token = token[:-1]
    if change == "unsigned":
        token = "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."
    secret = SECRET + "x" if change == "other secret" else SECRET
    with pytest.raises(TokenError) as caught:
        read_token(secret, token, now=2000 if change == "late" else 1010)
    assert caught.value.code == "bad_token"
