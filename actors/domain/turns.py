"""Whose turn it is: the numbers of clients and the ids of NATS ops (design D5, D10).

`take_turn` says whether an op is met in its turn; if not, it is answered without being decided: a repeat with its old outcome, a
hole with `resend_from`. Reads the state only; `record_turn` is the counterpart that `evolve` runs. Called by decide and evolve.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from actors.contract.correspondence import correspondent_of, message_number
from actors.contract.decisions import Answer, Decision, Refusal, refusal
from actors.contract.errors import ContractError
from actors.contract.ids import INTAKE_OP, TIMER_PRINCIPAL, client_day, parse_op_id, parse_timer_op_id
from actors.contract.ops import LogEntry
from actors.domain.state import CLIENT_OUTCOMES, INTAKE_CLIENT, INTAKE_OUTCOMES, ActorState, ClientState, IntakeState, waiting_key

DAY_MS: Final = 24 * 60 * 60 * 1000
#: The client name under which the messages of another actor are counted.
ACTOR_CLIENT: Final = "actor"
#: The client name under which the firings of a wedding's timers are counted.
TIMER_CLIENT: Final = "timer"
#: A client that was idle for so long is forgotten, and one whose id is older is not taken in.
CLIENT_LIFETIME_MS: Final = 30 * DAY_MS


class Turn(NamedTuple):
    """An op met in its turn: its client, the number it consumes (0 over NATS), and its number in vector clocks.

    `has_waited`: it was taken before and has waited for others since.
    """

    client: str
    number: int
    clock_number: int
    has_waited: bool = False


def take_turn(state: ActorState, entry: LogEntry, principal: str, position: int, now_ms: int) -> Turn | Answer:
    """Say whether the op is met in its turn, or what to answer instead."""
    if principal == TIMER_PRINCIPAL:
        return _take_firing(state, entry.op.id, principal, position)
    if entry.source == "actor":
        return _take_message_turn(state, entry.op.id, principal, position)
    if entry.source == "nats":
        return _take_intake_turn(state, entry.op.id, principal, position)
    op = entry.op.id
    client, _, digits = op.rpartition(":")
    known = state.clients.get(client)
    if known is not None and known.principal == principal and digits == str(known.last + 1):
        # Nearly every op comes this way, and a known client's id needs no second look at its form.
        return Turn(client, known.last + 1, known.last + 1)

    def answer(outcome: Refusal | None, following: int, *, look_up: bool = False) -> Answer:
        return Answer(op, principal, position, outcome, following, look_up)

    try:
        client, number = parse_op_id(op)
    except ContractError as error:
        return answer(refusal(error.code, error.message), 0)
    if known is None:
        if now_ms - _day_ms(client) > CLIENT_LIFETIME_MS:
            return answer(refusal("client_expired"), 1)
        return Turn(client, 1, 1) if number == 1 else answer(_resend_from(1), 1)
    if known.principal != principal:
        return answer(refusal("bad_id", f"The client {client} belongs to somebody else."), 1)
    following = known.last + 1
    if number > following:
        return answer(_resend_from(following), following)
    if state.waiting and waiting_key(principal, op) in state.waiting:
        return Turn(client, number, number, has_waited=True)
    age = known.last - number
    if age < len(known.outcomes):
        return answer(known.outcomes[-1 - age], following)
    return answer(None, following, look_up=True)


def _take_intake_turn(state: ActorState, op: str, principal: str, position: int) -> Turn | Answer:
    if INTAKE_OP.match(op) is None:
        return Answer(op, principal, position, refusal("bad_id", f"{op[:80]!r} is not an op id."))
    known = state.intake.get(principal)
    if known is None:
        return Turn(INTAKE_CLIENT, 0, 1)
    if state.waiting and waiting_key(principal, op) in state.waiting:
        return Turn(INTAKE_CLIENT, 0, known.count, has_waited=True)
    if op in known.outcomes:
        return Answer(op, principal, position, known.outcomes[op])
    return Turn(INTAKE_CLIENT, 0, known.count + 1)


def _take_message_turn(state: ActorState, op: str, principal: str, position: int) -> Turn | Answer:
    """Take a message of another actor once; its number says whether it came before (design D6).

    A number left out is not waited for: the outbox keeps the order, so what is missing was lost with a log and never comes.
    """
    number = message_number(op, principal)
    if number is None or correspondent_of(principal) is None:
        return Answer(op, principal, position, refusal("bad_id", f"{op[:80]!r} is not the id of a message of {principal}."))
    if number <= state.received.get(principal, 0):
        return Answer(op, principal, position, None)
    return Turn(ACTOR_CLIENT, 0, number)


def _take_firing(state: ActorState, op: str, principal: str, position: int) -> Turn | Answer:
    """Take the firing of an armed timer; any other is ignored: it was cancelled, armed anew, or has fired (design D6)."""
    try:
        timer, number = parse_timer_op_id(op)
    except ContractError as error:
        return Answer(op, principal, position, refusal(error.code, error.message))
    armed = state.timers.armed.get(timer)
    if armed is None or armed.number != number:
        return Answer(op, principal, position, None)
    return Turn(TIMER_CLIENT, 0, state.timers.firings + 1)


def _resend_from(number: int) -> Refusal:
    return refusal("resend_from", "", f"Send again from number {number}, in order.")


def _day_ms(client: str) -> int:
    day = client_day(client)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def record_turn(state: ActorState, decision: Decision) -> None:
    """Follow a decision in the counters: the number is consumed whatever the op's fate."""
    if decision.source == "actor":
        state.received[decision.principal] = message_number(decision.op, decision.principal) or 0
    elif decision.number == 0 and decision.principal != TIMER_PRINCIPAL:
        _record_intake(state, decision)
    elif decision.number > 0:
        client = state.clients.pop(decision.client, None)
        if client is None:
            client = ClientState(decision.principal, 0, 0, [])
        client.seen_ms = decision.now_ms
        age = client.last - decision.number
        if age < 0:
            client.last = decision.number
            client.outcomes.append(decision.refusal)
        elif age < len(client.outcomes):
            # It was taken before and has waited.
            client.outcomes[-1 - age] = decision.refusal
        if len(client.outcomes) > CLIENT_OUTCOMES:
            del client.outcomes[0]
        state.clients[decision.client] = client
    _forget_idle_clients(state, decision.now_ms)


def _record_intake(state: ActorState, decision: Decision) -> None:
    intake = state.intake.get(decision.principal)
    if intake is None:
        intake = state.intake[decision.principal] = IntakeState(0, {})
    intake.count += decision.op not in intake.outcomes
    intake.outcomes[decision.op] = decision.refusal
    if len(intake.outcomes) > INTAKE_OUTCOMES:
        del intake.outcomes[next(iter(intake.outcomes))]


def _forget_idle_clients(state: ActorState, now_ms: int) -> None:
    """Drop clients idle for too long.

    One whose id would be taken in again counts as seen now instead, lest its old ops be decided twice.
    """
    limit = now_ms - CLIENT_LIFETIME_MS
    while state.clients:
        name = next(iter(state.clients))
        client = state.clients[name]
        if client.seen_ms >= limit:
            return
        del state.clients[name]
        if _day_ms(name) >= limit:
            client.seen_ms = now_ms
            state.clients[name] = client
