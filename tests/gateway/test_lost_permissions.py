"""Permission events that are lost or late: nobody gets by the old rights what was decided after them (design D4, acl)."""

import asyncio
from typing import Any

import pytest

from actors.contract.envelopes import Envelope
from actors.contract.ops import Op, Target
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.hosts import LogAuthor
from tests.support.http_api import BASE, HttpApi, is_problem
from tests.support.waiting import eventually


async def set_role(author: LogAuthor, wedding: str, person: str, role: str) -> int:
    op = Op("permission_update", "update", Target("people", person), author.next_id("ana"), {"role": role})
    return await author.write(wedding, "ana", op)


def lose_permission_events(stack: RunningGateway, wedding: str) -> list[Envelope]:
    """From now on the envelopes of permission changes do not reach the room; returns those that were lost."""
    room = stack.gateway.hub.rooms[wedding]
    receive, lost = room.receive, list[Envelope]()

    def deaf(envelope: Envelope) -> None:
        if any(part.channel == "people.everyone" for part in envelope.parts):
            lost.append(envelope)
        else:
            receive(envelope)

    room.receive = deaf  # type: ignore[method-assign]  # a bus that loses messages
    return lost


async def test_d4_a_lost_permission_event_holds_back_what_comes_after_it(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """With a later op on its way, every socket of the person loses the channel first and never sees that op."""
    await found("w1")
    toms = [await stack.join("w1", "tom"), await stack.join("w1", "tom")]
    ana = await stack.join("w1", "ana")
    op = await ana.insert_task("cake")
    for tom in toms:
        await tom.event_of(op)
    lost = lose_permission_events(stack, "w1")
    await set_role(author, "w1", "tom", "guest")
    await author.rename_task("w1", "cake", "Secret")
    for tom in toms:
        await tom.expect("withdrawn", channel="tasks.team")
        [event] = (await tom.expect("collaboration_event"))["events"]
        assert event["channel"] == "people.everyone"
        await tom.send({"type": "ping"})
        await tom.expect("pong")
    assert len(lost) == 1


async def test_d4_a_lost_last_permission_event_is_found_by_the_beacon(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Nothing else happens in the wedding: what is withdrawn and what is granted come all the same."""
    await found("w1")
    ana, tom, gia = [await stack.join("w1", person) for person in ("ana", "tom", "gia")]
    op = await ana.insert_task("cake")
    await tom.event_of(op)
    lose_permission_events(stack, "w1")
    await set_role(author, "w1", "tom", "guest")
    await tom.expect("withdrawn", channel="tasks.team")
    await set_role(author, "w1", "gia", "vendor")
    while (frame := await gia.receive())["type"] != "data_sync":
        assert frame["type"] in {"collaboration_event", "presence_update"}
    assert (frame["channel"], frame["reason"]) == ("tasks.team", "granted")


async def test_d4_a_role_that_changed_while_away_is_met_at_the_resume(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Resumed channels that may no longer be read are withdrawn without a word of theirs; new ones come whole."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    await ana.event_of(await ana.insert_task("cake"))
    await tom.expect("collaboration_event")
    stands = dict(tom.welcome["channels"]) | {"tasks.team": 1}
    await tom.close()
    await set_role(author, "w1", "tom", "family")
    guest = ana.next_op("guest_update", "insert", "guests", "uncle", firstName="Uncle")
    await ana.expect("collaboration_event")
    await ana.event_of(await ana.submit(guest))
    await ana.event_of(await ana.rename_task("cake", "Secret"))
    back = await stack.join("w1", "tom", resume={"generation": tom.welcome["generation"], "channels": stands})
    assert [each["channel"] for each in back.before_synced if each["type"] == "withdrawn"] == ["tasks.team"]
    assert back.syncs["guests.family"][0]["mode"] == "snapshot"
    assert "tasks.team" not in {*back.syncs, *back.welcome["channels"]}
    assert "Secret" not in str(back.before_synced)


async def test_d4_a_removed_person_who_is_added_again_begins_anew(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """An op that was on its way at the removal is refused; after the return the person works on under the new role."""
    await found("w1")
    tom = await stack.join("w1", "tom")
    await author.write("w1", "ana", Op("permission_update", "delete", Target("people", "tom"), author.next_id("ana")))
    late = await author.write(
        "w1", "tom", Op("task_completion", "insert", Target("tasks", "late"), author.next_id("tom"), {"title": "x"})
    )
    digests = await author.digests("w1", late)
    assert "tasks.team" not in digests
    assert await tom.closed_with() == 4403
    data: dict[str, object] = {"name": "Tom", "role": "guest"}
    await author.write("w1", "ana", Op("permission_update", "insert", Target("people", "tom"), author.next_id("ana"), data))
    room = stack.gateway.hub.rooms["w1"]
    await eventually(lambda: room.role("tom") == "guest", "the gateway knows")
    assert (await stack.join("w1", "tom")).welcome["role"] == "guest"


async def test_d4_an_answer_that_was_cut_by_rights_of_before_is_not_given(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Whose rights change while a history is read is asked to ask again, and then reads by the new rights."""
    await found("w1")
    await author.insert_task("w1", "cake", "Secret")
    asked, may_answer, ask = asyncio.Event(), asyncio.Event(), stack.gateway.owner.history

    async def slow(wedding: str, question: Any) -> Any:
        answer = await ask(wedding, question)
        asked.set()
        await may_answer.wait()
        return answer

    stack.gateway.owner.history = slow  # type: ignore[method-assign]  # an owner that takes its time
    tom = HttpApi(stack, "w1", "tom")
    request = asyncio.create_task(tom.get("history"))
    await asked.wait()
    await set_role(author, "w1", "tom", "guest")
    room = stack.gateway.hub.rooms["w1"]
    await eventually(lambda: room.role("tom") == "guest", "the gateway knows")
    may_answer.set()
    answer = await request
    assert is_problem(answer, 503, "waking")
    assert "Secret" not in answer.text
    again = await tom.get("history")
    assert again.status == 200
    assert "Secret" not in again.text


WHAT_THE_OWNER_CUTS = [
    ("history", "GET", "history/w1", None),
    ("past", "GET", "state/w1?at=2100-01-01", None),
    ("field_writes", "GET", "why/w1/tasks/cake/title", None),
    ("undo_plan", "POST", "undo/w1", {"op": "{op}"}),
    ("audit", "POST", "consistency/w1", None),
]


@pytest.mark.parametrize(("question", "method", "path", "body"), WHAT_THE_OWNER_CUTS)
async def test_d4_an_answer_is_not_cut_by_rights_that_are_older_than_it(
    stack: RunningGateway,
    found: FoundWedding,
    author: LogAuthor,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    """The gateway has heard of nothing when the owner answers; before the caller does, it learns that the rights are fewer."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    op = Op("task_completion", "insert", Target("tasks", "cake"), author.next_id("ben"), {"title": "Cake", "done": False})
    await author.write("w1", "ben", op)
    await ana.event_of(op.id)
    room, owner, has_answered = stack.gateway.hub.rooms["w1"], stack.gateway.owner, asyncio.Event()
    ask, catch_up = getattr(owner, question), owner.since

    async def answered(*arguments: Any, **named: Any) -> Any:
        answer = await ask(*arguments, **named)
        has_answered.set()
        return answer

    async def late(*arguments: Any, **named: Any) -> Any:
        await has_answered.wait()
        return await catch_up(*arguments, **named)

    monkeypatch.setattr(room, "receive", lambda _: None)  # a bus that loses everything
    monkeypatch.setattr(owner, "since", late)
    monkeypatch.setattr(owner, question, answered)
    await set_role(author, "w1", "ben", "guest")
    await author.digests("w1", await author.rename_task("w1", "cake", "Secret"))
    assert room.role("ben") == "planner"
    ben, body = HttpApi(stack, "w1", "ben"), body and {name: value.replace("{op}", op.id) for name, value in body.items()}
    answer = await ben.call(method, f"{BASE}/{path}", body)
    assert is_problem(answer, 503, "waking")
    again = await ben.call(method, f"{BASE}/{path}", body)
    assert again.body.get("code") != "waking"
    assert "Secret" not in again.text
    assert "tasks.team" not in again.text
