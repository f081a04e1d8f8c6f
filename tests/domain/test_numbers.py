"""The numbers of clients and the ids of NATS ops: repeats, holes, strangers, clients away too long (design D5, D10)."""

import pytest

from actors.contract.decisions import Answer, Decision
from actors.contract.ops import Op
from actors.domain import snapshot_form
from actors.domain.state import CLIENT_OUTCOMES, INTAKE_OUTCOMES
from actors.domain.turns import DAY_MS
from tests.support.folding import START_MS, Fold, op_of, wedding_with_members

CLIENT = "20270619-k3v9q2"


def task(number: int | str, client: str = CLIENT) -> Op:
    """The op that inserts the task of this number."""
    return op_of(f"{client}:{number}", "tasks", "insert", f"task-{number}", {"title": "Task"})


@pytest.fixture
def fold() -> Fold:
    return wedding_with_members()


def answered(outcome: Decision | Answer) -> Answer:
    """The op was answered and nothing was decided."""
    assert isinstance(outcome, Answer), outcome
    return outcome


def code(answer: Answer) -> str | None:
    return None if answer.refusal is None else answer.refusal.code


def test_d5_a_number_out_of_turn_is_a_hole(fold: Fold) -> None:
    """After number 1 comes 2; anything later is answered with the number to send again from, and decides nothing."""
    fold.send("amara", task(1))
    before = snapshot_form.encode(fold.state)
    answer = answered(fold.send("amara", task(3)))
    assert (code(answer), answer.next) == ("resend_from", 2)
    assert snapshot_form.encode(fold.state) == before


def test_d5_a_new_client_begins_with_one(fold: Fold) -> None:
    """An unknown client's first number is 1."""
    answer = answered(fold.send("amara", task(2)))
    assert (code(answer), answer.next) == ("resend_from", 1)


def test_d5_a_repeat_gets_the_same_answer_and_changes_nothing(fold: Fold) -> None:
    """An op that comes again is answered as it was decided: applied stays applied, refused stays refused."""
    fold.send("amara", task(1))
    fold.send("amara", op_of(f"{CLIENT}:2", "tasks", "insert", "task-1", {"title": "Again"}))
    before = snapshot_form.encode(fold.state)
    applied, refused = answered(fold.send("amara", task(1))), answered(fold.send("amara", task(2)))
    assert (code(applied), applied.next) == (None, 3)
    assert (code(refused), refused.next) == ("exists", 3)
    assert snapshot_form.encode(fold.state) == before


def test_d5_a_refused_op_consumes_its_number(fold: Fold) -> None:
    """Whatever the fate of an op in its turn, the next one has the next number."""
    fold.send("amara", op_of(f"{CLIENT}:1", "tasks", "delete", "nothing"))
    assert isinstance(fold.send("amara", task(2)), Decision)


def test_d5_older_outcomes_are_to_be_looked_up(fold: Fold) -> None:
    """The state remembers the last outcomes of a client; of an older one it says that it stands in the stored changes."""
    for number in range(1, CLIENT_OUTCOMES + 2):
        fold.send("amara", task(number))
    assert answered(fold.send("amara", task(1))).look_up
    assert not answered(fold.send("amara", task(2))).look_up


def test_d5_a_client_belongs_to_one_principal(fold: Fold) -> None:
    """An op under somebody else's client id is bad_id, whatever its number."""
    fold.send("amara", task(1))
    for number in (1, 2, 3):
        assert code(answered(fold.send("petra", task(number)))) == "bad_id"


@pytest.mark.parametrize(
    "op_id", ["", "k3v9q2:1", f"{CLIENT}:0", f"{CLIENT}:01", f"{CLIENT}:-1", f"{CLIENT}", "20271345-k3v9q2:1"]
)
def test_d5_an_op_without_a_number_is_bad_id(fold: Fold, op_id: str) -> None:
    """What is not `<client>:<n>` is answered with bad_id and consumes nothing."""
    op = op_of(op_id, "tasks", "insert", "t1", {"title": "x"})
    assert code(answered(fold.send("amara", op))) == "bad_id"


def test_d5_a_number_with_a_leading_zero_is_no_repeat_of_its_likeness(fold: Fold) -> None:
    """A known client's next number is accepted in one spelling alone."""
    fold.send("amara", task(1))
    assert code(answered(fold.send("amara", task("02")))) == "bad_id"


def test_d5_an_unknown_client_of_long_ago_has_expired(fold: Fold) -> None:
    """A client id of more than 30 days ago that the wedding does not know is refused, a younger one is not."""
    assert code(answered(fold.send("amara", task(1, "20270520-k3v9q2")))) == "client_expired"
    assert isinstance(fold.send("amara", task(1, "20270521-k3v9q2")), Decision)


def test_d5_a_clock_that_goes_back_brings_no_client_back(fold: Fold) -> None:
    """Whether a client has expired is judged by the wedding's now, not by the timestamp of the op at hand."""
    fold.now_ms += 20 * DAY_MS
    fold.act("petra", "tasks", "insert", "later", {"title": "Later"})
    fold.now_ms -= 20 * DAY_MS
    assert code(answered(fold.send("amara", task(1, "20270604-k3v9q2")))) == "client_expired"


def test_d5_an_idle_client_is_forgotten_after_30_days(fold: Fold) -> None:
    """After 30 days of log time without an op a client is dropped, and its ops of then cannot come back."""
    fold.send("amara", task(1))
    fold.now_ms += 30 * DAY_MS + 1
    fold.act("petra", "tasks", "insert", "later", {"title": "Later"})
    assert CLIENT not in fold.state.clients
    assert code(answered(fold.send("amara", task(1)))) == "client_expired"


def test_d5_a_client_that_writes_is_kept(fold: Fold) -> None:
    """Idle means without an op: who writes now and then is never forgotten."""
    for month in range(1, 4):
        fold.send("amara", task(month))
        fold.now_ms += 29 * DAY_MS
    assert fold.state.clients[CLIENT].last == 3


def test_d5_a_client_id_from_the_future_cannot_be_used_twice(fold: Fold) -> None:
    """A client whose id names a later day is kept until that day is 30 days ago, lest its first ops be decided again."""
    future = "20270901-k3v9q2"
    fold.send("amara", task(1, future))
    fold.now_ms += 40 * DAY_MS
    fold.act("petra", "tasks", "insert", "later", {"title": "Later"})
    assert code(answered(fold.send("amara", task(1, future)))) is None
    assert len([decision for decision in fold.decisions if decision.op == f"{future}:1"]) == 1


def test_d1_the_clock_never_goes_back(fold: Fold) -> None:
    """The wedding's now is the greatest log timestamp so far, whatever an op's own timestamp says."""
    fold.act("amara", "tasks", "insert", "one", {"title": "One"})
    fold.now_ms -= 1000
    assert fold.act("amara", "tasks", "insert", "two", {"title": "Two"}).now_ms == START_MS


def test_d10_an_op_over_nats_is_known_by_its_id(fold: Fold) -> None:
    """An integrator's op has no number; the same id again gets the old answer, per principal."""
    op = op_of("booking.17", "tasks", "insert", "t1", {"title": "x"})
    first = fold.send("bloom", op, "nats")
    assert isinstance(first, Decision)
    assert (first.number, first.client, first.refusal) == (0, "intake", None)
    assert first.parts[0].clock["bloom/intake"] == 1
    assert code(answered(fold.send("bloom", op, "nats"))) is None
    other = fold.send("petra", op, "nats")
    assert isinstance(other, Decision)
    assert other.refusal is not None
    assert other.refusal.code == "exists"


def test_d10_the_last_thousand_intake_outcomes_are_remembered(fold: Fold) -> None:
    """Memory is bounded: per principal the oldest id is forgotten when there are too many."""
    for number in range(INTAKE_OUTCOMES + 1):
        fold.send("bloom", op_of(f"n{number}", "tasks", "delete", "nothing"), "nats")
    known = fold.state.intake["bloom"]
    assert (known.count, len(known.outcomes)) == (INTAKE_OUTCOMES + 1, INTAKE_OUTCOMES)
    assert "n0" not in known.outcomes
    assert code(answered(fold.send("bloom", op_of("n1", "tasks", "delete", "nothing"), "nats"))) == "not_found"


def test_d10_an_op_over_nats_without_an_id_is_bad_id(fold: Fold) -> None:
    """The gateway that drains the intake gives every op an id; without one nothing is decided."""
    assert code(answered(fold.send("bloom", op_of("", "tasks", "delete", "nothing"), "nats"))) == "bad_id"
