"""The outbox: numbers, resending, renumbering (design D5)."""

import pytest

from actors.contract.ops import Op, Target
from gateway.client.errors import HistoryMissing, QueueFull
from gateway.client.outbox import CONFIRMED_KEPT, Outbox
from gateway.client.pending import Outcome, Pending

CLIENT = "20270619-abcd"
REFUSED = Outcome("", applied=False, code="bad_value")
AGAIN = Outcome("", applied=False, code="resend_from")
APPLIED = Outcome("", applied=True)


def outbox_with(titles: str, *, window: int = 100) -> Outbox:
    """An outbox with one op per letter, connected under a new client."""
    outbox = Outbox(limit=1000, window=window)
    for title in titles:
        add(outbox, title)
    outbox.start(CLIENT, 0)
    return outbox


def add(outbox: Outbox, title: str) -> Pending:
    """Queue an op that can be told apart by its item."""
    pending = Pending(Op("task_completion", "insert", Target("tasks", title), data={"title": title}))
    outbox.add(pending)
    return pending


def sent(outbox: Outbox) -> str:
    """What goes out now, as `number+item`."""
    return " ".join(f"{pending.number}{pending.op.target.id}" for pending in outbox.to_send())


async def test_d5_ops_are_numbered_in_order_when_first_sent() -> None:
    """Numbers count from 1 in the order of the edits, and nothing is sent twice on one connection."""
    outbox = outbox_with("abc")
    assert sent(outbox) == "1a 2b 3c"
    assert sent(outbox) == ""


async def test_d5_an_op_is_kept_until_its_decision_not_until_saved() -> None:
    """`saved` is cumulative and keeps the op; after a reconnect it goes out again under its own number."""
    outbox = outbox_with("abc")
    outbox.to_send()
    outbox.saved(2)
    assert [pending.is_saved for pending in outbox.unanswered()] == [True, True, False]
    outbox.settle(1, APPLIED)
    outbox.start(CLIENT, 3)
    assert sent(outbox) == "2b 3c"


async def test_d5_a_free_number_goes_to_the_next_op_after_all_answers() -> None:
    """When op 2 is refused without being taken, 3 and 4 are renumbered, but only once their own refusals have come."""
    outbox = outbox_with("abcd")
    outbox.to_send()
    assert outbox.refuse(2, 2, REFUSED, final=True)
    assert not outbox.release()
    assert sent(outbox) == ""
    outbox.refuse(3, 2, AGAIN, final=False)
    assert not outbox.release()
    outbox.refuse(4, 2, REFUSED, final=True)
    assert outbox.release()
    add(outbox, "e")
    assert sent(outbox) == "2c 3e"
    assert [pending.op.target.id for pending in outbox.unanswered()] == ["a", "c", "e"]


async def test_d5_a_late_answer_never_meets_another_op_of_that_number() -> None:
    """While answers are on their way no number is given again, so a second refusal drops the op that it is about."""
    outbox = outbox_with("abc")
    first, second, third = outbox.unanswered()
    outbox.to_send()
    outbox.refuse(1, 1, REFUSED, final=True)
    outbox.refuse(2, 1, REFUSED, final=True)
    outbox.release()
    outbox.refuse(3, 1, AGAIN, final=False)
    outbox.release()
    assert first.done
    assert second.done
    assert not third.done
    assert sent(outbox) == "1c"


async def test_d5_a_reconnect_in_the_middle_of_a_refusal_keeps_the_order() -> None:
    """What was sent behind a refused op was not taken; after a reconnect all is numbered anew, in order."""
    outbox = outbox_with("abcd")
    outbox.to_send()
    outbox.refuse(2, 2, REFUSED, final=True)
    outbox.refuse(4, 2, AGAIN, final=False)
    outbox.start(CLIENT, 1)
    assert sent(outbox) == "1a 2c 3d"


async def test_d12_ops_that_the_log_has_lost_are_sent_again() -> None:
    """A server that knows fewer ops than were confirmed gets the missing ones again under their numbers."""
    outbox = outbox_with("abcd")
    outbox.to_send()
    for number in (1, 2, 3):
        outbox.settle(number, APPLIED)
    outbox.start(CLIENT, 1)
    assert sent(outbox) == "2b 3c 4d"
    assert len(outbox) == 1


async def test_d12_resend_from_below_everything_unanswered_recalls_confirmed_ops() -> None:
    """`resend_from` with a number that was confirmed brings the confirmed ops back, in order."""
    outbox = outbox_with("abc")
    outbox.to_send()
    outbox.settle(1, APPLIED)
    outbox.settle(2, APPLIED)
    outbox.refuse(3, 2, AGAIN, final=False)
    assert outbox.release()
    assert sent(outbox) == "2b 3c"


async def test_d12_more_than_the_kept_ops_asks_for_a_new_client() -> None:
    """A client that cannot send again what is asked raises HistoryMissing, and renumbers from 1 under its new id."""
    outbox = outbox_with("a" * (CONFIRMED_KEPT + 5), window=1000)
    last = add(outbox, "z")
    outbox.to_send()
    for number in range(1, CONFIRMED_KEPT + 6):
        outbox.settle(number, APPLIED)
    with pytest.raises(HistoryMissing):
        outbox.start(CLIENT, 2)
    outbox.start("20270620-wxyz", 0)
    assert [(pending.number, pending) for pending in outbox.to_send()] == [(1, last)]


async def test_d5_another_number_space_begins_with_another_client() -> None:
    """Under a new client id every op without an answer gets a new number from 1."""
    outbox = outbox_with("abc")
    outbox.to_send()
    outbox.settle(1, APPLIED)
    outbox.start("20270620-wxyz", 0)
    assert sent(outbox) == "1b 2c"


async def test_the_queue_is_bounded() -> None:
    """Ops beyond the limit are refused to the caller, not buffered without end."""
    outbox = Outbox(limit=2, window=10)
    add(outbox, "a")
    add(outbox, "b")
    with pytest.raises(QueueFull):
        add(outbox, "c")


async def test_no_more_than_the_window_is_in_flight() -> None:
    """The window bounds what is sent without an answer; an answer lets the next one go."""
    outbox = outbox_with("abc", window=2)
    assert sent(outbox) == "1a 2b"
    outbox.settle(1, APPLIED)
    assert sent(outbox) == "3c"
