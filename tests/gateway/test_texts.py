"""Texts through real gateways: people who type at once (rule DOC1), versions and differences over HTTP, the calculation alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.contract.ops import Op, Target
from actors.contract.text_ot import Delta, transform
from gateway.client import Client, TextEditor
from gateway.http import texts
from gateway.ops.submit import without_unreadable_base
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, token_of
from tests.support.http_api import BASE, HttpApi, is_problem

pytestmark = pytest.mark.servers


@asynccontextmanager
async def writer(stack: RunningGateway, person: str) -> AsyncIterator[Client]:
    async with Client(f"{stack.url}/ws", "w1", token_of(person, "w1")) as client:
        yield client


async def test_doc1_a_claim_about_a_channel_that_is_not_read_is_none_to_have_seen_anything(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """Not no claim, which would say that the edit was made on the present text: the right may come before the decision."""
    await found("w1")
    await stack.join("w1", "tom")
    room = stack.gateway.hub.rooms["w1"]
    delta: dict[str, Any] = {"delta": [{"retain": 3}, {"insert": "x"}]}
    base = {"documents.core": 7, "tasks.team": 2}
    op = Op("document_edit", "edit", Target("documents", "vows", "text"), "20270619-abcd1234:1", delta, base)
    assert without_unreadable_base(room, "tom", op).base == {"documents.core": 0, "tasks.team": 2}
    assert without_unreadable_base(room, "ana", op).base == base


async def test_doc1_two_people_edit_the_vows_at_once(stack: RunningGateway, found: FoundWedding) -> None:
    """Both type on, letter by letter, while their edits are in flight and a socket breaks: all have one text, nothing is lost."""
    await found("w1")
    async with writer(stack, "ana") as ana, writer(stack, "ben") as ben:
        await ana.insert("documents", "vows", {"title": "Vows", "text": "I take you"}).outcome()
        await ben.until(lambda: "vows" in ben.confirmed().get("documents", {}), within_seconds=30)
        hers, his = TextEditor(ana, "documents", "vows"), TextEditor(ben, "documents", "vows")
        for index, letter in enumerate(", Ben \U0001f48d"):
            hers.insert(hers.text.index("I take you") + 10 + index, letter)
            his.insert(index, "Today "[index % 6])
            await asyncio.sleep(0)
            if index == 4:
                await ben.disconnect()
        for editor in (hers, his):
            await editor.until_saved(within_seconds=30)
        await ana.until(lambda: hers.text == his.text and ana.sequences() == ben.sequences(), within_seconds=30)
        assert hers.text == "Today TI take you, Ben \U0001f48d"
        assert ana.confirmed()["documents"]["vows"]["text"] == hers.text
        assert ana.digests() == ben.digests()
        assert hers.undo()
        await hers.until_saved(within_seconds=30)
        await ben.until(lambda: his.text == "Today TI take you, Ben ", within_seconds=30)


async def test_a_text_that_somebody_clears_stays_open_for_whoever_writes_it(stack: RunningGateway, found: FoundWedding) -> None:
    """Notes that are cleared under somebody's hands are an empty text to write on, and no end of the connection."""
    await found("w1")
    async with writer(stack, "ana") as ana, writer(stack, "ben") as ben:
        await ana.insert("timeline", "arch", {"title": "Arch", "notes": "Ivy"}).outcome()
        await ben.until(lambda: "arch" in ben.confirmed().get("timeline", {}), within_seconds=30)
        his = TextEditor(ben, "timeline", "arch", "notes")
        await ana.update("timeline", "arch", {"notes": None}).outcome()
        await ben.until(lambda: his.text == "", within_seconds=30)
        his.insert(0, "Roses")
        await his.until_saved(within_seconds=30)
        await ana.until(lambda: ana.digests() == ben.digests(), within_seconds=30)
        assert (ana.confirmed()["timeline"]["arch"]["notes"], his.text) == ("Roses", "Roses")


async def test_doc1_what_was_typed_right_before_an_editor_was_closed_stands_where_it_was_typed(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """Behind the edit that was in flight then, though only the editor knew where that had led."""
    await found("w1")
    async with writer(stack, "ana") as ana:
        await ana.insert("documents", "vows", {"title": "Vows", "text": "I do"}).outcome()
        editor = TextEditor(ana, "documents", "vows")
        editor.insert(4, ", Ben")
        editor.insert(9, " my love")
        editor.close()
        await ana.until(lambda: editor.is_saved and ana.unanswered == 0, within_seconds=30)
        assert ana.confirmed()["documents"]["vows"]["text"] == "I do, Ben my love"


async def test_versions_are_listed_read_and_compared(stack: RunningGateway, found: FoundWedding) -> None:
    """Who reads the document reads its versions, the difference of two, and of one and the present; nobody else."""
    await found("w1")
    ana, gia = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "gia")
    await ana.submit("document_edit", "insert", "documents", "vows", {"title": "Vows", "text": "I take you"})
    await ana.submit("document_edit", "name_version", "documents", "vows", {"name": "First", "version": "first"})
    target = {"collection": "documents", "id": "vows", "field": "text"}
    op = {"type": "document_edit", "action": "edit", "target": target, "data": {"delta": [{"insert": "Now "}]}}
    assert (await ana.post("events", op)).status == 200
    listed = (await ana.call("GET", f"{BASE}/documents/w1/vows/versions")).body["versions"]
    assert [(each["id"], each["name"], each["author"], each["length"]) for each in listed] == [("first", "First", "ana", 10)]
    assert (await ana.call("GET", f"{BASE}/documents/w1/vows/versions/first")).body["text"] == "I take you"
    difference = (await ana.call("GET", f"{BASE}/documents/w1/vows/diff?from=first")).body
    assert difference == {"from": "first", "to": "current", "delta": [{"insert": "Now "}], "inserted": 4, "deleted": 0}
    assert is_problem(await ana.call("GET", f"{BASE}/documents/w1/vows/diff?from=second"), 404, "not_found")
    assert is_problem(await gia.call("GET", f"{BASE}/documents/w1/vows/versions"), 404, "not_found")
    edited = (await ana.post("events", op)).body["op"]
    undone = (await ana.post("undo", {"op": edited})).body
    assert (len(undone["undone"]), undone["kept"]) == (1, [])
    difference = (await ana.call("GET", f"{BASE}/documents/w1/vows/diff?from=first")).body
    assert difference["delta"] == [{"insert": "Now "}]
    stale = op | {"base": {"documents.team": 0}}
    assert is_problem(await ana.post("events", stale), 409, "base_too_old")


async def test_operational_transform_is_a_calculation(stack: RunningGateway, found: FoundWedding) -> None:
    """Text, what was applied to it, and an edit: the text with all of it; a delta that does not fit is told."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    body = {"text": "ab", "applied": [[{"insert": "\U0001f48d"}], [{"delete": 1}]], "delta": [{"retain": 2}, {"insert": "c"}]}
    answer = await ana.post("operational-transform", body | {"cursor": 2})
    assert answer.body == {"text": "abc", "delta": [{"retain": 2}, {"insert": "c"}], "cursor": 3}
    assert is_problem(await ana.post("operational-transform", body | {"delta": [{"delete": 3}]}), 422, "bad_value")


async def test_operational_transform_is_for_members(stack: RunningGateway, found: FoundWedding) -> None:
    """As its neighbours: a token whose holder is no member, or is none any more, opens nothing."""
    await found("w1")
    body = {"text": "ab", "delta": [{"insert": "c"}]}
    assert is_problem(await HttpApi(stack, "w1", "eve").post("operational-transform", body), 403, "not_allowed")


async def test_operational_transform_ends_before_it_costs_too_much(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit that every delta cuts into more pieces is refused by a named limit; a thousand plain deltas are not."""
    await found("w1")
    ana, most = HttpApi(stack, "w1", "ana"), stack.gateway.settings.limits.transform_steps
    moved: list[int] = []

    def counted(delta: Delta, other: Delta, *, first: bool) -> Delta:
        moved.append(len(delta) + len(other))
        return transform(delta, other, first=first)

    monkeypatch.setattr(texts, "transform", counted)
    cuts: Delta = [{"retain": 3}, {"insert": "x"}]
    body: dict[str, Any] = {"text": "a" * 10_000, "delta": [{"delete": 10_000}], "applied": [cuts * 20] * 50}
    refused = await ana.post("operational-transform", body)
    assert is_problem(refused, 413, "too_large")
    assert (refused.body["limit"], refused.body["value"]) == ("transformSteps", most)
    assert 0 < sum(moved) <= 2 * most
    moved.clear()
    assert is_problem(await ana.post("operational-transform", body | {"applied": [cuts * 250] * 11}), 413, "too_large")
    assert moved == []
    long = body | {"text": "a" * 200_000, "delta": [{"insert": "x"}], "applied": [[{"insert": "x"}]] * 500}
    assert is_problem(await ana.post("operational-transform", long), 413, "too_large")
    typed: dict[str, Any] = {"text": "Dear all", "delta": [{"retain": 8}, {"insert": "!"}], "applied": [cuts] * 1_000}
    assert (await ana.post("operational-transform", typed)).body["text"] == f"Dea{'x' * 1_000}r all!"
