"""The conversation of docs/protocol.md over a bare WebSocket, with a real log, host and database behind it."""

from typing import Any

from actors.contract.digest import channel_digest
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, Talker


async def test_inv3_hello_brings_every_readable_channel_once_and_then_synced(stack: RunningGateway, found: FoundWedding) -> None:
    """The welcome names channels and limits; exactly one snapshot per channel follows, as it stands now, with its digest."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.event_of(await ana.insert_task("cake"))
    ben = await stack.join("w1", "ben")
    assert ben.welcome["user"] == "ben"
    assert ben.welcome["role"] == "planner"
    assert ben.welcome["lastOp"] == 0
    assert ben.welcome["generation"] == 1
    assert ben.welcome["limits"]["opBytes"] == 65536
    assert ben.welcome["channels"] == {"wedding.everyone": 1, "people.everyone": 4, "tasks.team": 1}
    assert ben.syncs.keys() == ben.welcome["channels"].keys()
    for channel, [frame] in ben.syncs.items():
        assert (frame["mode"], frame["reason"], frame["more"]) == ("snapshot", "join", False)
        assert frame["sequence"] == ben.welcome["channels"][channel]
        assert frame["digest"] == channel_digest(frame["state"])
    assert ben.syncs["tasks.team"][0]["state"]["tasks"]["cake"]["title"] == "a task"


async def test_inv5_a_guest_is_told_nothing_of_the_team(stack: RunningGateway, found: FoundWedding) -> None:
    """Neither the welcome nor the sync nor live frames name a channel that the guest may not read."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.event_of(await ana.insert_task("cake"))
    gia = await stack.join("w1", "gia")
    assert set(gia.welcome["channels"]) == {"wedding.everyone", "people.everyone"}
    assert set(gia.syncs) == set(gia.welcome["channels"])
    await ana.event_of(await ana.rename_task("cake", "Secret"))
    assert await everything_until_pong(gia) == []


async def test_d5_an_edit_is_saved_and_reaches_everybody_who_may_read_it(stack: RunningGateway, found: FoundWedding) -> None:
    """The author gets saved and the event, another reader gets the same event, a guest gets nothing of it."""
    await found("w1")
    ana, tom, gia = [await stack.join("w1", person) for person in ("ana", "tom", "gia")]
    op = await ana.insert_task("cake", "Order the cake")
    [event] = (await tom.event_of(op))["events"]
    assert (event["channel"], event["sequence"], event["userId"], event["weddingId"]) == ("tasks.team", 1, "ana", "w1")
    [change] = event["data"]["changes"]
    assert change["insert"]["title"] == "Order the cake"
    assert event["vectorClock"] == {f"ana/{ana.client}": 1}
    frames = [await ana.receive(), await ana.receive()]
    while not {"saved", "collaboration_event"} <= {frame["type"] for frame in frames}:
        frames.append(await ana.receive())
    assert {"type": "saved", "op": op} in frames
    assert {"type": "collaboration_event", "events": [event]} in frames
    assert await everything_until_pong(gia) == []


async def test_d5_saved_is_cumulative_for_a_batch(stack: RunningGateway, found: FoundWedding) -> None:
    """A batch of ops is saved by few frames whose last one names the last op, and all its events come in order."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    ops = [ana.next_op("task_completion", "insert", "tasks", f"t{number}", title="x", done=False) for number in range(100)]
    await ana.send({"type": "data_sync", "ops": ops})
    saved: list[str] = []
    events: list[dict[str, Any]] = []
    while len(events) < 100 or saved[-1] != ops[-1]["id"]:
        frame = await ana.receive()
        if frame["type"] == "saved":
            saved.append(frame["op"])
        elif frame["type"] == "collaboration_event":
            events += frame["events"]
    assert [event["id"] for event in events] == [op["id"] for op in ops]
    assert [event["sequence"] for event in events] == list(range(1, 101))
    assert len(saved) < 50


async def test_d5_a_hole_in_the_numbers_is_refused_with_the_number_that_is_taken_next(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """An op beyond the next number is not taken; sent again from `next` everything is."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    first = ana.next_op("task_completion", "insert", "tasks", "one", title="x", done=False)
    second = ana.next_op("task_completion", "insert", "tasks", "two", title="x", done=False)
    await ana.submit(second)
    await ana.expect("rejected", op=second["id"], code="resend_from", next=1)
    await ana.event_of(await ana.submit(first))
    await ana.event_of(await ana.submit(second))


async def test_d5_a_bad_op_frees_its_number_and_a_decided_refusal_consumes_it(stack: RunningGateway, found: FoundWedding) -> None:
    """`next` is the op's own number when the gateway refused it, and the one after it when the rules did."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    bad = ana.next_op("task_completion", "update", "tasks", "cake", title=7)
    await ana.submit(bad)
    await ana.expect("rejected", op=bad["id"], code="bad_value", next=1)
    missing = bad | {"data": {"title": "x"}}
    await ana.submit(missing)
    await ana.expect("rejected", op=missing["id"], code="not_found", next=2)
    ana._number = 1
    await ana.event_of(await ana.insert_task("cake"))


async def test_inv1_an_op_sent_again_gets_the_same_answer(stack: RunningGateway, found: FoundWedding) -> None:
    """A repeat of an applied op is `applied`, a repeat of a refused one is refused alike, and nothing happens twice."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    insert = ana.next_op("task_completion", "insert", "tasks", "cake", title="x", done=False)
    again = ana.next_op("task_completion", "insert", "tasks", "cake", title="x", done=False)
    await ana.event_of(await ana.submit(insert))
    await ana.submit(again)
    refused = await ana.expect("rejected", op=again["id"], code="exists", next=3)
    await ana.submit(insert)
    await ana.expect("applied", op=insert["id"])
    await ana.submit(again)
    assert await ana.expect("rejected", op=again["id"]) == refused
    await tom.event_of(insert["id"])
    assert await everything_until_pong(tom) == []


async def test_d4_an_author_who_cannot_read_the_effect_is_told_applied(stack: RunningGateway, found: FoundWedding) -> None:
    """A message into somebody's inbox is an event for that person and `applied` for its author."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    op = await ana.submit(ana.next_op("message_sent", "insert", "inbox", "hint", person="tom", text="Mind the stairs"))
    await ana.expect("applied", op=op)
    [event] = (await tom.event_of(op))["events"]
    assert event["channel"] == "inbox.tom"


async def test_d5_all_sockets_of_a_client_get_its_answers(stack: RunningGateway, found: FoundWedding) -> None:
    """A second socket under the same client sees events and refusals of what the first one sent, and goes on numbering."""
    await found("w1")
    phone = await stack.join("w1", "ana")
    await phone.event_of(await phone.insert_task("cake"))
    tab = await stack.join("w1", "ana", phone.client)
    assert tab.welcome["lastOp"] == 1
    op = await phone.insert_task("cake")
    await phone.expect("rejected", op=op, code="exists")
    await tab.expect("rejected", op=op, code="exists")
    tab._number = 2
    op = await tab.insert_task("flowers")
    await phone.event_of(op)
    await tab.event_of(op)


async def test_d4_all_parts_of_one_op_come_in_one_frame(stack: RunningGateway, found: FoundWedding) -> None:
    """An op that moves an item to another channel is two events in one frame for who reads both, one for who reads one."""
    await found("w1")
    ana, tom, gia = [await stack.join("w1", person) for person in ("ana", "tom", "gia")]
    insert = ana.next_op("message_sent", "insert", "messages", "hello", text="To everybody", audience="everyone")
    op = await ana.submit(insert)
    for talker in (ana, tom, gia):
        await talker.event_of(op)
    op = await ana.submit(ana.next_op("message_sent", "update", "messages", "hello", audience="core"))
    frame = await ana.event_of(op)
    assert [event["channel"] for event in frame["events"]] == ["messages.everyone", "messages.core"]
    for talker in (tom, gia):
        [event] = (await talker.event_of(op))["events"]
        assert event["data"]["changes"] == [{"collection": "messages", "id": "hello", "remove": True}]


async def test_a_base_for_an_unreadable_channel_is_dropped_and_one_above_the_sequence_is_a_bad_frame(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """A claim about a channel that the author may not read tells nothing about it; a false one about its own is refused."""
    await found("w1")
    gia, tom = await stack.join("w1", "gia"), await stack.join("w1", "tom")
    hint = gia.next_op("message_sent", "insert", "messages", "hi", text="x", audience="everyone")
    op = await gia.submit(hint | {"base": {"tasks.team": 10**9, "permissions.core": 1}})
    await gia.event_of(op)
    await tom.event_of(op)
    op = await tom.submit(
        tom.next_op("task_completion", "insert", "tasks", "t", title="x", done=False) | {"base": {"messages.everyone": 99}}
    )
    await tom.expect("rejected", op=op, code="bad_frame")


async def everything_until_pong(talker: Talker) -> list[dict[str, Any]]:
    """What this client has got besides presence, as of a round trip."""
    await talker.send({"type": "ping"})
    frames = []
    while (frame := await talker.receive())["type"] != "pong":
        if frame["type"] != "presence_update":
            frames.append(frame)
    return frames
