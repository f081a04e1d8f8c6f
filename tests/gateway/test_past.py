"""The past over HTTP: undo that respects later edits, states as they were, who wrote a field; each as its reader may see it."""

from typing import Any

import pytest

from gateway.client import Client, NotUndone
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, token_of
from tests.support.http_api import HttpApi, is_problem, op_of


async def arch(api: HttpApi, action: str, **data: Any) -> str:
    """Do something with the one item of the timeline; returns the op."""
    answer = await api.submit("timeline_update", action, "timeline", "arch", data)
    assert answer.status == 200, answer
    op: str = answer.body["op"]
    return op


async def fields(api: HttpApi, query: str) -> Any:
    """The item as it was then, as far as it matters here; None where it was not there."""
    answer = await api.get("state", query)
    assert answer.status == 200, answer
    items = [channel["state"].get("timeline", {}).get("arch") for channel in answer.body["channels"].values()]
    return next(({name: each[name] for name in each.keys() - {"order"}} for each in items if each is not None), None)


async def test_undo_restores_what_nobody_wrote_since_and_names_the_rest(stack: RunningGateway, found: FoundWedding) -> None:
    """One field comes back, the other was written by somebody else; a repeat does nothing, an undo of the undo does it again."""
    await found("w1")
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")
    await arch(ana, "insert", title="Arch", durationMin=10)
    op = await arch(ben, "update", title="Gate", durationMin=20)
    later = await arch(ana, "update", durationMin=30)
    kept = [{"collection": "timeline", "id": "arch", "user": "ana", "op": later, "field": "durationMin"}]
    first = (await ben.post("undo", {"op": op})).body
    assert (first["kept"], [set(each["sequences"]) for each in first["undone"]]) == (kept, [{"timeline.team"}])
    assert await fields(ana, "?channel=timeline.team&sequence=4") == {"title": "Arch", "durationMin": 30}
    again = (await ben.post("undo", {"op": op})).body
    assert again["undone"] == []
    assert [each["field"] for each in again["kept"]] == ["durationMin", "title"]
    await ben.post("undo", {"op": first["undone"][0]["op"]})
    assert await fields(ana, "?at=2100-01-01") == {"title": "Gate", "durationMin": 30}
    assert is_problem(await ana.post("undo", {"op": op}), 404, "not_found")
    assert is_problem(await ana.post("undo", {"op": "20270619-nobody:1"}), 404, "not_found")


async def test_undo_of_an_op_that_met_a_conflict_takes_its_change_back(stack: RunningGateway, found: FoundWedding) -> None:
    """The field comes back; the record and what both sides were told are the wedding's own, and stay."""
    await found("w1")
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")
    await arch(ana, "insert", title="Arch")
    await arch(ana, "update", title="Gate")
    met = (await ben.submit("timeline_update", "update", "timeline", "arch", {"title": "Door"}, base={"timeline.team": 1})).body
    assert met["conflicts"]
    told = (await ben.post("undo", {"op": met["op"]})).body
    assert ([set(each["sequences"]) for each in told["undone"]], told["kept"]) == ([{"timeline.team"}], [])
    assert await fields(ana, "?at=2100-01-01") == {"title": "Gate"}
    assert len((await ana.get("conflicts")).body["conflicts"]) == 1


async def test_undo_of_an_op_that_waited_for_another_takes_its_change_back(stack: RunningGateway, found: FoundWedding) -> None:
    """It stands in the store twice, taken and decided, and what it did is what was decided."""
    await found("w1")
    ben = HttpApi(stack, "w1", "ben")
    await arch(ben, "insert", title="Arch")
    client = (await ben.post("join")).body["client"]
    waiting, named = f"{client}:1", f"{client}:2"
    ops = [
        op_of("timeline_update", "update", "timeline", "arch", {"title": "Gate"}, id=waiting, dependencies=[named]),
        op_of("timeline_update", "update", "timeline", "arch", {"notes": "Ivy"}, id=named),
    ]
    assert [each["op"] for each in (await ben.post("sync", {"ops": ops})).body["results"]] == [waiting, named]
    assert len((await ben.post("undo", {"op": waiting})).body["undone"]) == 1
    assert await fields(ben, "?at=2100-01-01") == {"title": "Arch", "notes": "Ivy"}


async def test_the_founding_is_not_taken_back_and_its_founder_stays(stack: RunningGateway) -> None:
    """Undo leaves alone whom the wedding added by itself: who founded it is told whom to ask, and is still a member."""
    ana = HttpApi(stack, "w1", "ana")
    founding = (await ana.found_wedding()).body["op"]
    answers = (await ana.post("undo", {"op": founding})).body["undone"]
    assert [each.get("code") for each in answers] == ["not_allowed"]
    people = (await ana.get("state", "?at=2100-01-01")).body["channels"]["people.everyone"]["state"]["people"]
    assert people["ana"]["role"] == "couple"


async def test_undo_of_a_delete_brings_back_the_whole_item(stack: RunningGateway, found: FoundWedding) -> None:
    """The item stands again where it stood, with all its fields; a later hand makes the undo do nothing."""
    await found("w1")
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")
    inserted = await arch(ana, "insert", title="Arch", notes="Ivy")
    deleted = await arch(ana, "delete")
    assert await fields(ana, "?at=2100-01-01") is None
    assert (await ana.post("undo", {"op": deleted})).body["kept"] == []
    assert await fields(ana, "?at=2100-01-01") == {"title": "Arch", "notes": "Ivy"}
    await arch(ben, "update", title="Gate")
    assert (await ana.post("undo", {"op": inserted})).body["undone"] == []
    await arch(ben, "delete")
    gone = {"undone": [], "kept": [{"collection": "timeline", "id": "arch"}]}
    assert (await ana.post("undo", {"op": deleted})).body == gone


async def test_undo_of_an_op_that_met_a_conflict_restores_the_field_and_keeps_the_record(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """Who prevailed takes the value back, who lost has nothing to take back; the record and what both were told stay."""
    await found("w1")
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")
    await arch(ana, "insert", title="Arch", start="2027-06-19T10:00:00Z")
    ops = {}
    for person, hour in ((ben, 11), (ana, 12), (ben, 13)):
        data = {"start": f"2027-06-19T{hour}:00:00Z"}
        answer = await person.submit("timeline_update", "update", "timeline", "arch", data, base={"timeline.team": 1})
        ops[hour] = answer.body["op"]
    assert (await ben.post("undo", {"op": ops[13]})).body == {"undone": [], "kept": []}
    undone = (await ana.post("undo", {"op": ops[12]})).body
    assert ([set(each["sequences"]) for each in undone["undone"]], undone["kept"]) == ([{"timeline.team"}], [])
    assert await fields(ana, "?at=2100-01-01") == {"title": "Arch", "start": "2027-06-19T11:00:00Z"}
    assert len((await ana.get("conflicts")).body["conflicts"]) == 2


async def test_a_past_state_shows_what_its_reader_may_see_today(stack: RunningGateway, found: FoundWedding) -> None:
    """By sequence and by time, equal to what the history gives; channels that one may not read are not there."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    await arch(ana, "insert", title="Arch")
    await ana.submit("budget_change", "insert", "budget", "ring", {"item": "Ring"})
    await arch(ana, "update", title="Gate")
    events = (await ana.get("history", "?channel=timeline.team")).body["events"]
    for sequence, title in ((1, "Arch"), (2, "Gate")):
        assert await fields(tom, f"?channel=timeline.team&sequence={sequence}") == {"title": title}
        assert await fields(tom, f"?at={events[sequence - 1]['timestamp']}") == {"title": title}
    assert await fields(tom, "?channel=timeline.team&sequence=0") is None
    assert "budget.core" in (await ana.get("state", "?at=2100-01-01")).body["channels"]
    assert "budget.core" not in (await tom.get("state", "?at=2100-01-01")).body["channels"]
    assert is_problem(await tom.get("state", "?channel=budget.core&sequence=1"), 404, "not_found")
    for bad in ("", "?at=never", "?channel=timeline.team", "?channel=timeline.team&sequence=9", "?at=2027-01-01&channel=x"):
        assert is_problem(await tom.get("state", bad), 422, "bad_value"), bad


async def test_why_names_who_wrote_a_field_and_what_it_was(stack: RunningGateway, found: FoundWedding) -> None:
    """The newest write first, each with its author, its values and what it undid; what was written out of sight is not told."""
    await found("w1")
    ana, ben, tom = (HttpApi(stack, "w1", person) for person in ("ana", "ben", "tom"))

    async def why(api: HttpApi, query: str = "", field: str = "title") -> Any:
        return (await api.call("GET", f"/api/collaboration/why/w1/timeline/arch/{field}{query}")).body

    await arch(ana, "insert", title="Arch", visibility="core")
    op = await arch(ben, "update", title="Gate")
    await arch(ana, "update", visibility="team")
    await ben.post("undo", {"op": op})
    await arch(tom, "update", title="Door")
    told = [(each["user"], each["action"], each["old"], each["new"]) for each in (await why(ana))["writes"]]
    assert told == [
        ("tom", "update", "Gate", "Door"),
        ("ana", "update", "Gate", "Gate"),
        ("ben", "update", "Arch", "Gate"),
        ("ana", "insert", None, "Arch"),
    ]
    seen = (await why(tom))["writes"]
    assert [(each["user"], each["old"], each["new"]) for each in seen] == [("tom", "Gate", "Door"), ("ana", None, "Gate")]
    page = await why(ana, "?limit=1")
    assert [each["old"] for each in page["writes"]] == ["Gate"]
    following = await why(ana, f"?limit=3&cursor={page['cursor']}")
    assert [each["new"] for each in following["writes"]] == ["Gate", "Gate", "Arch"]
    assert not following["more"]
    assert (await why(HttpApi(stack, "w1", "gia")))["writes"] == []
    assert (await why(ana, field="cake"))["code"] == "bad_value"


async def test_why_tells_edits_of_a_text_as_deltas_and_names_the_rule_that_settled(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """An edit of one text is no write of another field, and who asks why a disputed value stands reads the reason."""
    await found("w1")
    ana, ben = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "ben")

    async def why(field: str) -> Any:
        return (await ana.call("GET", f"/api/collaboration/why/w1/timeline/arch/{field}")).body["writes"]

    await arch(ana, "insert", title="Arch", notes="Ivy", start="2027-06-19T10:00:00Z")
    edit = op_of("timeline_update", "edit", "timeline", "arch", {"delta": [{"retain": 3}, {"insert": " and roses"}]})
    edit["target"]["field"] = "notes"
    assert (await ben.post("events", edit)).status == 200
    seen = {"timeline.team": 2}
    for person, hour in ((ben, 11), (ana, 12)):
        data = {"start": f"2027-06-19T{hour}:00:00Z"}
        assert (await person.submit("timeline_update", "update", "timeline", "arch", data, base=seen)).status == 200
    notes = [(each["user"], each.get("edit"), each.get("new")) for each in await why("notes")]
    assert notes == [("ben", [{"retain": 3}, {"insert": " and roses"}], None), ("ana", None, "Ivy")]
    start = await why("start")
    assert [(each["user"], each["old"]) for each in start[1:]] == [("ben", "2027-06-19T10:00:00Z"), ("ana", None)]
    assert (start[0]["conflict"]["strategy"], start[0]["conflict"]["outcome"]) == ("wedding_hierarchy", "second")
    await ana.call("POST", f"/api/collaboration/conflicts/w1/{start[0]['conflict']['id']}", {"action": "reverse"})
    assert (await why("start"))[0]["conflict"]["reason"] == "ana has reversed it"


@pytest.mark.parametrize("path", ["", "/", "/ws"])
async def test_the_python_client_takes_its_own_op_back(stack: RunningGateway, found: FoundWedding, path: str) -> None:
    """`Client.undo` restores what stood there before, and says why it cannot undo others' ops; at any form of the address."""
    await found("w1")
    async with Client(stack.url + path, "w1", token_of("ana", "w1")) as client:
        await client.insert("tasks", "t0", {"title": "Rings"}).outcome()
        outcome = await client.update("tasks", "t0", {"title": "Gold"}).outcome()
        told = await client.undo(outcome.op)
        assert ([set(each["sequences"]) for each in told.undone], told.kept) == ([{"tasks.team"}], [])
        await client.until(lambda: client.confirmed()["tasks"]["t0"]["title"] == "Rings")
        with pytest.raises(NotUndone, match="not_found"):
            await client.undo("20270619-nobody:1")


async def test_undo_of_a_delete_brings_back_a_text_that_is_longer_than_an_op(stack: RunningGateway, found: FoundWedding) -> None:
    """A long document that was deleted by a slip is there again, whole and with its versions."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")

    async def vows(action: str, data: Any = None, **target: str) -> str:
        op = op_of("document_edit", action, "documents", "vows", data or {})
        op["target"] |= target
        answer = await ana.post("events", op)
        assert answer.status == 200, answer
        return str(answer.body["op"])

    await vows("insert", {"title": "Vows"})
    for _ in range(2):
        await vows("edit", {"delta": [{"insert": "I do. " * 9000}]}, field="text")
    await vows("name_version", {"name": "Draft"})
    deleted = await vows("delete")
    answer = (await ana.post("undo", {"op": deleted})).body
    assert ([each["sequences"] for each in answer["undone"]], answer["kept"]) == ([{"documents.team": 6}], [])
    [version] = (await ana.call("GET", "/api/collaboration/documents/w1/vows/versions")).body["versions"]
    assert version["length"] == 2 * 6 * 9000
