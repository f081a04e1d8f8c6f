"""Rights that change while people are connected: withdrawn, granted, sent away (design D4, INV5)."""

import asyncio

from actors.contract.digest import channel_digest
from actors.contract.ops import Op, Target
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.hosts import LogAuthor


async def set_role(author: LogAuthor, wedding: str, person: str, role: str) -> int:
    op = Op("permission_update", "update", Target("people", person), author.next_id("ana"), {"role": role})
    return await author.write(wedding, "ana", op)


async def test_d4_a_vendor_who_becomes_a_guest_loses_the_team_channels(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """`withdrawn` comes for each lost channel before the event of the change, and nothing of them afterwards."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    op = await ana.insert_task("cake")
    await tom.event_of(op)
    await ana.event_of(op)
    await set_role(author, "w1", "tom", "guest")
    await tom.expect("withdrawn", channel="tasks.team")
    [event] = (await tom.expect("collaboration_event"))["events"]
    assert event["channel"] == "people.everyone"
    await ana.expect("collaboration_event")
    await ana.event_of(await ana.rename_task("cake", "Secret"))
    await tom.send({"type": "ping"})
    await tom.expect("pong")


async def test_d4_a_guest_who_becomes_a_planner_gets_the_channels_as_their_state(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Each gained channel comes as a snapshot with reason `granted`; only then do its events follow, without a hole."""
    await found("w1")
    ana, gia = await stack.join("w1", "ana"), await stack.join("w1", "gia")
    await ana.event_of(await ana.insert_task("cake"))
    await set_role(author, "w1", "gia", "planner")
    renames = [await ana.rename_task("cake", f"title {number}") for number in range(30)]
    [event] = (await gia.expect("collaboration_event"))["events"]
    assert event["channel"] == "people.everyone"
    sync = await gia.expect("data_sync", channel="tasks.team", mode="snapshot", reason="granted")
    assert sync["digest"] == channel_digest(sync["state"])
    sequence = sync["sequence"]
    for op in renames[sequence - 1 :]:
        [event] = (await gia.event_of(op))["events"]
        sequence += 1
        assert event["sequence"] == sequence
    assert sequence == 31


async def test_d4_a_removed_person_is_sent_away_and_not_let_in_again(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Who is no member any more gets not_allowed and 4403, without the event that says so, and at the next hello again."""
    await found("w1")
    tom = await stack.join("w1", "tom")
    await author.write("w1", "ana", Op("permission_update", "delete", Target("people", "tom"), author.next_id("ana")))
    await tom.expect("error", code="not_allowed")
    assert await tom.closed_with() == 4403
    again = await stack.connect()
    await again.hello("w1", "tom")
    await again.expect("error", code="not_allowed")
    assert await again.closed_with() == 4403


async def test_d4_an_envelope_waits_until_the_permissions_that_it_names_are_here(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """While the permissions cannot be fetched, nothing that came after the change is delivered to anybody."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    op = await ana.insert_task("cake")
    await tom.event_of(op)
    room = stack.gateway.hub.rooms["w1"]
    may_answer = asyncio.Event()
    ask = stack.gateway.owner.permissions

    async def slow(wedding: str) -> object:
        await may_answer.wait()
        return await ask(wedding)

    stack.gateway.owner.permissions = slow  # type: ignore[method-assign,assignment]  # a slow owner
    await set_role(author, "w1", "tom", "guest")
    last = await author.rename_task("w1", "cake", "Secret")
    await author.digests("w1", last)
    rev = room.rev
    await tom.send({"type": "ping"})
    await tom.expect("pong")
    assert room.rev == rev
    may_answer.set()
    await tom.expect("withdrawn", channel="tasks.team")
    await tom.expect("collaboration_event")
    await tom.send({"type": "ping"})
    await tom.expect("pong")


async def test_d4_new_members_may_come_at_once(stack: RunningGateway, found: FoundWedding, author: LogAuthor) -> None:
    """A room that is open lets in who was added a moment ago."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    add = ana.next_op("permission_update", "insert", "people", "zoe", name="Zoe", role="friend")
    await ana.event_of(await ana.submit(add))
    zoe = await stack.join("w1", "zoe")
    assert zoe.welcome["role"] == "friend"
