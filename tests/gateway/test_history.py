"""The history over HTTP: its filters, its pages, and whose they are."""

from typing import Any

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.http_api import HttpApi, is_problem


async def test_a_history_is_read_page_by_page(stack: RunningGateway, found: FoundWedding) -> None:
    """Pages follow each other without a hole or a repeat, by every filter; a cursor is its reader's alone."""
    await found("w1")
    ana, tom = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "tom")
    for number in range(6):
        await ana.submit("task_completion", "insert", "tasks", f"t{number}", {"title": "Rings"})
        await tom.submit("document_edit", "insert", "documents", f"d{number}", {"title": "Plan"})
        await ana.submit("budget_change", "insert", "budget", f"b{number}", {"item": "A surprise"})
    everything = (await ana.get("history")).body["events"]
    pages = await pages_of(ana, "limit=4")
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    assert [event for page in pages for event in page] == everything

    async def found_by(api: HttpApi, query: str) -> list[tuple[str, int]]:
        return [(event["channel"], event["sequence"]) for page in await pages_of(api, query) for event in page]

    documents = [("documents.team", number) for number in range(1, 7)]
    assert await found_by(ana, "user=tom") == documents
    assert await found_by(ana, "type=document_edit") == documents
    assert await found_by(ana, "channel=documents.team&after=4") == documents[4:]
    assert await found_by(ana, f"since={everything[-1]['timestamp']}&channel=budget.core") == [("budget.core", 6)]
    assert len(await found_by(ana, f"until={everything[-1]['timestamp']}")) < len(everything)
    assert await found_by(tom, "user=ana&limit=1") == [place for place in await found_by(tom, "") if place not in documents]
    cursor = (await ana.get("history", "?limit=1")).body["cursor"]
    assert is_problem(await tom.get("history", f"?cursor={cursor}"), 422, "bad_value")
    assert is_problem(await tom.get("history", "?channel=budget.core"), 404, "not_found")
    for bad in ("type=cake", "user=a.b", "after=1", "limit=-1", "limit=x", "cursor=x", "until=never"):
        assert is_problem(await ana.get("history", f"?{bad}"), 422, "bad_value"), bad


async def pages_of(api: HttpApi, query: str) -> list[list[dict[str, Any]]]:
    """Follow the cursors to the end."""
    pages, cursor = [], ""
    while True:
        page = (await api.get("history", f"?{query}{cursor}")).body
        pages.append(page["events"])
        if not page["more"]:
            return pages
        cursor = f"&cursor={page['cursor']}"
