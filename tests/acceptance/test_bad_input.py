"""What is malformed, forged, too large or unknown gets its code (docs/protocol.md), and nothing of it is stored."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from actors.contract.subjects import log_stream
from bench.installation import Site
from gateway.client import Connection, ConnectionClosed
from tests.acceptance.conftest import Wedding
from tests.support.agreement import log_position

TASK = {"type": "task_completion", "action": "insert", "target": {"collection": "tasks", "id": "t1"}, "data": {"title": "Task"}}


def changed(**members: Any) -> dict[str, Any]:
    """A good op with some members replaced."""
    return TASK | members


async def submit(connection: Connection, number: int, op: Mapping[str, Any], client: str) -> dict[str, Any]:
    """Send an op and wait for what answers it: its event, `applied` or `rejected`; others' events may come first."""
    op_id = f"{client}:{number}"
    await connection.send({"type": "collaboration_event", "op": {"id": op_id, **op}})
    while True:
        frame = await connection.receive_until_any("collaboration_event", "applied", "rejected", "error")
        if frame["type"] == "error" or op_id in (frame.get("op"), *(event["id"] for event in frame.get("events", ()))):
            return frame


@pytest.fixture
async def nothing_is_stored(site: Site) -> AsyncIterator[None]:
    """Fails the test that leaves anything in the log."""
    before = await log_position(site, log_stream(0))
    yield
    assert await log_position(site, log_stream(0)) == before


HELLOS = {
    "not JSON": ("{", "bad_frame", 4400),
    "not an object": ("[1]", "bad_frame", 4400),
    "no type": ('{"version":1}', "bad_frame", 4400),
    "an op before hello": ('{"type":"ping"}', "bad_frame", 4400),
    "a wildcard as wedding": ('{"type":"hello","version":1,"wedding":"*","token":"t"}', "bad_frame", 4400),
    "a dot in the wedding": ('{"type":"hello","version":1,"wedding":"a.b","token":"t"}', "bad_frame", 4400),
    "no token": ('{"type":"hello","version":1,"wedding":"WEDDING"}', "bad_frame", 4400),
    "a forged token": ('{"type":"hello","version":1,"wedding":"WEDDING","token":"a.b.c"}', "bad_token", 4401),
    "somebody who is no member": ('{"type":"hello","version":1,"wedding":"WEDDING","token":"STRANGER"}', "not_allowed", 4403),
    "a token for another wedding": ('{"type":"hello","version":1,"wedding":"elsewhere","token":"MEMBER"}', "bad_token", 4401),
    "an unknown wedding": ('{"type":"hello","version":1,"wedding":"elsewhere","token":"ELSEWHERE"}', "wedding_unknown", 4404),
    "another version": ('{"type":"hello","version":2,"wedding":"WEDDING","token":"MEMBER"}', "version_unsupported", 4406),
    "a wildcard as client": ('{"type":"hello","version":1,"wedding":"WEDDING","token":"MEMBER","client":">"}', "bad_id", 4400),
}


@pytest.mark.parametrize("case", HELLOS)
async def test_a_bad_hello_gets_its_error_and_its_close_code(wedding: Wedding, nothing_is_stored: None, case: str) -> None:
    """Before `welcome` an error is followed by the close whose code tells the client whether to come back."""
    text, code, close_code = HELLOS[case]
    text = text.replace("WEDDING", wedding.name).replace("MEMBER", wedding.token("ana"))
    text = text.replace("STRANGER", wedding.token("mallory")).replace("ELSEWHERE", wedding.site.token("ana", "elsewhere"))
    connection = await wedding.connect()
    await connection.send_text(text)
    frame = await connection.receive()
    assert (frame["type"], frame["code"]) == ("error", code)
    assert frame["remedy"]
    with pytest.raises(ConnectionClosed) as closed:
        await connection.receive()
    assert closed.value.close_code == close_code


async def test_silence_instead_of_hello_is_closed(wedding: Wedding, nothing_is_stored: None) -> None:
    """Who says no hello within the time is closed with 4401."""
    connection = await wedding.connect()
    assert (await connection.receive())["code"] == "bad_token"
    with pytest.raises(ConnectionClosed) as closed:
        await connection.receive()
    assert closed.value.close_code == 4401


OPS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown type": (changed(type="guest_list"), "unknown_type"),
    "a type of another collection": (changed(type="budget_change"), "type_mismatch"),
    "an unknown collection": (changed(target={"collection": "gifts", "id": "x"}), "type_mismatch"),
    "an unknown action": (changed(action="upsert"), "bad_value"),
    "a dot in the id": (changed(target={"collection": "tasks", "id": "a.b"}), "bad_id"),
    "a star as id": (changed(target={"collection": "tasks", "id": "*"}), "bad_id"),
    "a wildcard as id": (changed(target={"collection": "tasks", "id": "a.>"}), "bad_id"),
    "capitals in the id": (changed(target={"collection": "tasks", "id": "Task"}), "bad_id"),
    "a space in the id": (changed(target={"collection": "tasks", "id": "a b"}), "bad_id"),
    "an id that is too long": (changed(target={"collection": "tasks", "id": "x" * 65}), "bad_id"),
    "an empty id": (changed(target={"collection": "tasks", "id": ""}), "bad_id"),
    "another wedding as target": (
        {"type": "timeline_update", "action": "update", "target": {"collection": "wedding", "id": "w2"}, "data": {"title": "x"}},
        "bad_id",
    ),
    "an unknown field": (changed(data={"title": "x", "colour": "red"}), "bad_value"),
    "a missing field": (changed(data={}), "bad_value"),
    "a value of another kind": (changed(data={"title": 7}), "bad_value"),
    "a number that is none": (changed(data={"title": "x", "done": 1.5}), "bad_value"),
    "a base below zero": (changed(base={"tasks.team": -1}), "bad_frame"),
    "an op that is too large": (changed(data={"title": "x" * 70_000}), "too_large"),
}


@pytest.mark.parametrize("case", OPS)
async def test_a_bad_op_is_rejected_and_its_number_stays_free(wedding: Wedding, case: str) -> None:
    """The gateway refuses what it can judge alone: the code, a remedy, `next` at the op's number, nothing stored, no close."""
    connection = await wedding.join(client="20270619-abcd")
    before = await log_position(wedding.site, log_stream(0))
    op, code = OPS[case]
    frame = await submit(connection, 1, op, "20270619-abcd")
    assert (frame["type"], frame["op"], frame["code"], frame.get("next")) == ("rejected", "20270619-abcd:1", code, 1)
    assert frame["remedy"]
    assert await log_position(wedding.site, log_stream(0)) == before
    assert (await submit(connection, 1, TASK, "20270619-abcd"))["type"] == "collaboration_event"
    await connection.close()


async def test_a_hole_in_the_numbers_asks_for_the_missing_op(wedding: Wedding, nothing_is_stored: None) -> None:
    """Op 2 before op 1 is `resend_from` with `next` 1."""
    connection = await wedding.join(client="20270619-hole")
    frame = await submit(connection, 2, TASK, "20270619-hole")
    assert (frame["code"], frame["next"]) == ("resend_from", 1)
    await connection.close()


@pytest.mark.parametrize("op_id", ["20270619-evil", "20270619-evil:0", "20270619-evil:x", "20270619-*:1", "20271399-evil:1", ">"])
async def test_a_bad_op_id_is_refused(wedding: Wedding, nothing_is_stored: None, op_id: str) -> None:
    """An op id that is none, or not under a client id, is `bad_id`."""
    connection = await wedding.join(client="20270619-evil")
    await connection.send({"type": "collaboration_event", "op": {"id": op_id, **TASK}})
    assert (await connection.receive_until_any("rejected", "error"))["code"] == "bad_id"
    await connection.close()


async def test_d5_another_persons_client_id_is_refused(wedding: Wedding) -> None:
    """A client id belongs to whoever used it first; an op of somebody else under it is `bad_id` and nothing is stored."""
    ana = await wedding.join("ana", client="20270619-owned")
    assert (await submit(ana, 1, TASK, "20270619-owned"))["type"] == "collaboration_event"
    person = {"type": "permission_update", "action": "insert", "target": {"collection": "people", "id": "bo"}}
    added = await submit(ana, 2, person | {"data": {"name": "Bo", "role": "vendor"}}, "20270619-owned")
    assert added["type"] == "collaboration_event"
    bo = await wedding.join("bo")
    before = await log_position(wedding.site, log_stream(0))
    frame = await submit(bo, 3, changed(target={"collection": "tasks", "id": "t2"}), "20270619-owned")
    assert frame.get("code") == "bad_id", frame
    assert await log_position(wedding.site, log_stream(0)) == before
    await ana.close()
    await bo.close()


@pytest.mark.parametrize(
    "text", ["{", "null", "[]", '{"type":"shout"}', '{"type":"data_sync","ops":7}', '{"type":"collaboration_event"}']
)
async def test_a_malformed_frame_does_not_close(wedding: Wedding, nothing_is_stored: None, text: str) -> None:
    """After `welcome` one frame that cannot be read is an error, and the conversation goes on."""
    connection = await wedding.join()
    await connection.send_text(text)
    assert (await connection.receive_until_any("error"))["code"] == "bad_frame"
    await connection.send({"type": "ping"})
    assert await connection.receive_until_any("pong") == {"type": "pong"}
    await connection.close()


async def test_a_frame_that_is_too_large_closes(wedding: Wedding, nothing_is_stored: None) -> None:
    """More than a mebibyte in one frame is closed with 1009; other members notice nothing."""
    rude, polite = await wedding.join(), await wedding.join()
    await rude.send_text('{"type":"ping","padding":"' + "x" * 1_100_000 + '"}')
    with pytest.raises(ConnectionClosed) as closed:
        await rude.receive_until("pong")
    assert closed.value.close_code == 1009
    await polite.send({"type": "ping"})
    assert await polite.receive_until_any("pong") == {"type": "pong"}
    await polite.close()


async def test_too_many_ops_in_one_frame_are_refused(wedding: Wedding, nothing_is_stored: None) -> None:
    """A batch beyond the limit of `welcome` is refused as a whole."""
    connection = await wedding.join(client="20270619-many")
    ops = [
        {"id": f"20270619-many:{number}", **changed(target={"collection": "tasks", "id": f"t{number}"})}
        for number in range(1, 502)
    ]
    await connection.send({"type": "data_sync", "ops": ops})
    assert (await connection.receive_until_any("error", "rejected"))["code"] == "too_large"
    await connection.close()


async def test_decided_refusals_consume_their_number(wedding: Wedding) -> None:
    """What only the fold can judge is decided: `next` is above the op's number, the state is unchanged."""
    connection = await wedding.join(client="20270619-fold")
    gone = {
        "type": "task_completion",
        "action": "update",
        "target": {"collection": "tasks", "id": "none"},
        "data": {"done": True},
    }
    frame = await submit(connection, 1, gone, "20270619-fold")
    assert (frame["type"], frame["code"], frame["next"]) == ("rejected", "not_found", 2)
    assert (await submit(connection, 2, TASK, "20270619-fold"))["type"] == "collaboration_event"
    assert (await submit(connection, 3, TASK, "20270619-fold"))["code"] == "exists"
    ahead = changed(target={"collection": "tasks", "id": "t3"}, base={"tasks.team": 99})
    assert (await submit(connection, 4, ahead, "20270619-fold"))["code"] == "bad_frame"
    await connection.close()
