"""Requests that take long: a flood of them holds nobody else back, at the gateway or at the host (INV6)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.contract.calls import PastQuestion
from actors.contract.channels import SERVICE_RIGHTS
from actors.runtime import past_states
from gateway.access.turns import Turns
from gateway.app import Gateway
from gateway.counts import Counts
from gateway.errors import SlowDown
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import WITHIN_SECONDS, RunningGateway
from tests.support.http_api import Answer, HttpApi, is_problem
from tests.support.waiting import eventually

AT_THE_END = "?at=2100-01-01"
QUESTION = PastQuestion(rights=SERVICE_RIGHTS, at_ms=4_102_444_800_000)


class Held:
    """Lets calls of one kind wait, and tells how many do."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_go_on = asyncio.Event()

    def before(self, work: Callable[..., Any], is_meant: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        """The same work, as soon as it may go on."""

        async def held(*arguments: Any, **named: Any) -> Any:
            if is_meant(*arguments):
                self.asked += 1
                await self.may_go_on.wait()
            return await work(*arguments, **named)

        return held


def hold_questions_about_the_past(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Held:
    """An owner that takes its time for these."""
    held = Held()
    monkeypatch.setattr(gateway.bus, "call", held.before(gateway.bus.call, lambda subject, *_: subject.endswith(".past")))
    return held


async def answers_of(requests: list[asyncio.Task[Answer]]) -> list[Answer]:
    async with asyncio.timeout(WITHIN_SECONDS):
        return await asyncio.gather(*requests)


async def test_inv6_a_flood_of_questions_about_the_past_is_refused_to_its_sender_alone(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are in hand and some wait in line; one more is told which limit it met. The others of the wedding have their own."""
    await found("w1")
    limits = stack.gateway.settings.limits
    room_for = limits.slow_requests_per_person + limits.slow_requests_in_line_per_person
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")
    held = hold_questions_about_the_past(stack.gateway, monkeypatch)
    requests = [asyncio.create_task(ana.get("state", AT_THE_END)) for _ in range(room_for + 5)]
    await eventually(lambda: sum(each.done() for each in requests) == 5, "what is too much is refused at once")
    for refused in (each.result() for each in requests if each.done()):
        assert is_problem(refused, 429, "slow_down")
        told = (refused.body["limit"], refused.body["value"], refused.headers["Retry-After"])
        assert told == ("slowRequestsInLinePerPerson", limits.slow_requests_in_line_per_person, "1")
        assert refused.body["retryAfterMs"] > 0
    assert is_problem(await ana.get("history"), 429, "slow_down")
    assert held.asked == limits.slow_requests_per_person
    assert (await ben.get("history")).status == 200
    held.may_go_on.set()
    answers = await answers_of(requests)
    assert sorted(each.status for each in answers) == [200] * room_for + [429] * 5
    assert (await ana.get("history")).status == 200
    assert len(stack.gateway.limiter.slow_requests) == 0


async def test_what_nobody_waits_for_any_more_is_not_asked(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose slider goes through the past gives up what it asked before: only what it wants now is asked of the owner."""
    await found("w1")
    ana, limits = HttpApi(stack, "w1", "ana"), stack.gateway.settings.limits
    held = hold_questions_about_the_past(stack.gateway, monkeypatch)
    in_hand = [asyncio.create_task(ana.get("state", AT_THE_END)) for _ in range(limits.slow_requests_per_person)]
    await eventually(lambda: held.asked == limits.slow_requests_per_person, "all turns are taken")
    line = stack.gateway.limiter.slow_requests._lines["w1", "ana"]
    given_up = [asyncio.create_task(ana.get("state", AT_THE_END)) for _ in range(5)]
    await eventually(lambda: line.inside == limits.slow_requests_per_person + 5, "five more wait")
    for each in given_up:
        each.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    held.may_go_on.set()
    assert {answer.status for answer in await answers_of(in_hand)} == {200}
    await eventually(lambda: line.inside == 0, "the line is empty")
    assert held.asked == limits.slow_requests_per_person


async def test_inv6_joins_do_not_wait_behind_questions_about_the_past(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many people ask for it in however many weddings, rooms open and catch up meanwhile."""
    await found("w1")
    owner = stack.gateway.owner
    held = hold_questions_about_the_past(stack.gateway, monkeypatch)
    questions = [asyncio.create_task(owner.past("w1", QUESTION)) for _ in range(150)]
    await eventually(lambda: held.asked > 0, "the past is asked for")
    async with asyncio.timeout(WITHIN_SECONDS):
        await stack.join("w1", "ana")
        await owner.permissions("w1")
        await owner.since("w1", rev=0)
    assert held.asked < 20
    held.may_go_on.set()
    async with asyncio.timeout(WITHIN_SECONDS):
        await asyncio.gather(*questions)


async def test_inv6_a_host_that_reads_the_past_fills_holes_meanwhile(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its readers of the store is left to whoever catches up or wakes."""
    await found("w1")
    await stack.join("w1", "ana")
    owner, held = stack.gateway.owner, Held()
    monkeypatch.setattr(past_states, "state_at", held.before(past_states.state_at))
    questions = [asyncio.create_task(owner.past("w1", QUESTION)) for _ in range(10)]
    await eventually(lambda: held.asked > 0, "the past is being read")
    async with asyncio.timeout(WITHIN_SECONDS):
        assert (await owner.since("w1", rev=0)).envelopes
    held.may_go_on.set()
    async with asyncio.timeout(WITHIN_SECONDS):
        await asyncio.gather(*questions)


async def test_a_turn_is_given_back_however_it_ends() -> None:
    """Who fails and who gives up waiting leave the line; of somebody without requests nothing is kept."""
    turns = Turns(1, 1, Counts())
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("ana"):
            raise ZeroDivisionError

    async def wait_in_line() -> None:
        async with turns.turn("ana"):
            pass

    async with turns.turn("ana"), turns.turn("ben"):
        waiting = asyncio.create_task(wait_in_line())
        await asyncio.sleep(0)
        with pytest.raises(SlowDown):
            await wait_in_line()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert len(turns) == 2
    assert len(turns) == 0
