"""The page /app in a real Chromium: two people, one text, no network, closed tabs and lost rights.

What a browser alone shows: textareas and cursors, its own network, storage, locks between tabs, close codes, content policy.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.client import Client
from tests.gateway.conftest import add_person
from tests.support.gateways import RunningGateway, running_stack, token_of
from tests.support.hosts import LogAuthor, running_bus
from tests.support.servers import NatsServer
from tests.web.browser import Browser, Profile, Tab, browser

pytestmark = pytest.mark.servers

_TEXT = "document.querySelector('#documents textarea').value"
_STATUS = "document.querySelector('#status')?.textContent"
_SETTLED = "document.querySelector('#documents small').textContent === ''"
_ASKS = "document.querySelector('#enter')?.hidden === false && document.querySelector('#enter').onsubmit !== null"


@pytest.fixture
async def chrome(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    """A browser, whose pages may keep things unless a test forbids it; skipped where there is none, before any server starts."""
    async with browser(tmp_path, may_keep=getattr(request, "param", True)) as running:
        yield running


@pytest.fixture
async def app(chrome: Browser, jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """A gateway with the wedding w1 of ana and of ben, its planner."""
    assert chrome is not None
    async with running_stack(jetstream, database_url) as gateway, running_bus(jetstream, "gateway") as bus:
        author = await LogAuthor.open(bus)
        await author.create_wedding("w1", "ana")
        await add_person(author, "w1", "ben", "planner")
        yield gateway


async def enter(app: RunningGateway, profile: Profile, person: str) -> Tab:
    """A tab of /app that is live, without a word in its address that should not stay there."""
    tab = await profile.open(f"{app.url}/app#wedding=w1&token={token_of(person, 'w1')}")
    await tab.until(f"{_STATUS} === 'live'", f"{person} is live")
    assert await tab.run("location.href") == f"{app.url}/app"
    return tab


async def go_offline(*tabs: Tab) -> None:
    """Take the network away and wait until the pages say so."""
    for tab in tabs:
        await tab.network(is_there=False)
    for tab in tabs:
        await tab.until("document.querySelector('#status').dataset.state === 'offline'", "it says that it is offline")


async def add_task(tab: Tab, title: str) -> None:
    await tab.type("#add input", title)
    await tab.click("#add button")


async def test_doc1_two_people_write_one_text_in_their_browsers(app: RunningGateway, chrome: Browser) -> None:
    """Both type at once, emoji among it: one text, each cursor behind the own words; undo and composing harm no other's."""
    ana, ben = await asyncio.gather(enter(app, await chrome.profile(), "ana"), enter(app, await chrome.profile(), "ben"))
    await ana.type("#write input", "Vows")
    await ana.click("#write button")
    await ana.until("!!document.querySelector('#documents textarea')", "the document is there")
    await ana.type("#documents textarea", "I do")
    await ben.until(f"document.querySelector('#documents textarea') && {_TEXT} === 'I do'", "Ben sees it")
    await ben.type("#documents textarea", "")
    await asyncio.gather(
        ana.type("#documents textarea", "Today \U0001f492 ", at=0), ben.type("#documents textarea", ", my \U0001f48d\U0001f470")
    )
    whole = "Today \U0001f492 I do, my \U0001f48d\U0001f470"
    for tab, behind in ((ana, "Today \U0001f492 "), (ben, whole)):
        await tab.until(f"{_SETTLED} && {_TEXT} === {whole!r}", "both texts are one")
        cursor = await tab.run("document.querySelector('#documents textarea').selectionStart")
        assert cursor == len(behind.encode("utf-16-le")) // 2
    await ben.press("z", control=True)
    await ana.until(f"{_TEXT} === {whole[:-1]!r}", "the last letter is gone, and nothing else")
    await ana.command("Input.imeSetComposition", text="に", selectionStart=1, selectionEnd=1)
    await ben.type("#documents textarea", "!")
    await ben.until(_SETTLED, "Ben's word is out while Ana composes hers")
    await ana.command("Input.insertText", text="日本 ")
    for tab in (ana, ben):
        await tab.until(f"{_TEXT} === {'Today 💒 日本 I do, my 💍!'!r}", "neither is lost")
    assert ana.complaints + ben.complaints == []


async def test_edits_without_a_network_outlive_the_tabs(app: RunningGateway, chrome: Browser) -> None:
    """What four tabs did offline arrives whole: by a new tab from two that were closed, by the one that stays from the fourth."""
    anas, bens = await chrome.profile(), await chrome.profile()
    first, second, ben, third = await asyncio.gather(
        enter(app, anas, "ana"), enter(app, anas, "ana"), enter(app, bens, "ben"), enter(app, bens, "ben")
    )
    async with Client(app.url, "w1", token_of("ana", "w1")) as couple:
        await couple.insert("documents", "vows", {"title": "Vows", "text": ""}).outcome()
        for tab in (first, second, ben):
            await tab.until("!!document.querySelector('#documents textarea')", "the document is there")
        await go_offline(first, second, ben, third)
        await first.type("#documents textarea", "I take you \U0001f48d")
        await add_task(second, "Fetch the rings")
        await add_task(ben, "Tune the piano")
        await add_task(third, "Iron the shirt")
        for tab in (first, second, third):
            await tab.close()
        await ben.network(is_there=True)
        ana = await enter(app, anas, "ana")
        for tab in (ana, ben):
            await tab.until(f"{_STATUS} === 'live' && {_TEXT} === 'I take you \U0001f48d'", "the whole text is there")
            for title in ("Fetch the rings", "Tune the piano", "Iron the shirt"):
                await tab.until(f"document.querySelector('#tasks').textContent.includes({title!r})", title)
        assert len(couple.channels()["tasks.team"]["tasks"]) == 3
        assert ana.complaints + ben.complaints == []


async def test_perm3_a_page_loses_what_its_person_may_no_longer_do(app: RunningGateway, chrome: Browser) -> None:
    """A refused tick is told and taken back; withdrawn lists vanish; who is removed is told; a reload enters by itself."""
    ben = await enter(app, await chrome.profile(), "ben")
    async with Client(app.url, "w1", token_of("ana", "w1")) as ana:
        await ana.insert("tasks", "cake", {"title": "Order the <b>cake</b>"}).outcome()
        await ana.insert("permissions", "ben", {"locked": ["tasks"]}).outcome()
        await ben.until("!!document.querySelector('#tasks input')", "the task is there")
        await ben.click("#tasks input")
        await ben.until("document.querySelector('#report').textContent.includes('Order the <b>cake</b>')", "the refusal is told")
        await ben.until("!document.querySelector('#tasks input').checked", "the tick is taken back")
        await ana.update("people", "ben", {"role": "guest"}).outcome()
        await ben.until("!document.querySelector('#tasks li')", "the team's tasks are gone")
        await ben.run("window.isOld = true")
        await ben.command("Page.reload")
        await ben.until(f"!window.isOld && {_STATUS} === 'live'", "it entered by itself")
        await ana.delete("people", "ben").outcome()
        await ben.until("document.querySelector('#status').textContent.includes('member')", "the page says why")
        assert await ben.run("document.querySelector('main').hidden"), "and shows nothing of the wedding any more"
        assert ben.complaints == []


@pytest.mark.parametrize("chrome", [False], indirect=True)
async def test_a_browser_that_forbids_storage_shows_the_wedding_all_the_same(app: RunningGateway, chrome: Browser) -> None:
    """It enters, and what is written arrives; the next page asks for the token again."""
    profile = await chrome.profile()
    ana = await enter(app, profile, "ana")
    assert await ana.run("(() => { try { return localStorage; } catch (error) { return error.name; } })()") == "SecurityError"
    await add_task(ana, "Fetch the rings")
    async with Client(app.url, "w1", token_of("ben", "w1")) as ben:
        await ben.until(lambda: bool(ben.confirmed().get("tasks")))
    again = await profile.open(f"{app.url}/app")
    await again.until(_ASKS, "it asks who enters")
    assert ana.complaints + again.complaints == []


async def test_who_enters_again_finds_no_rows_of_before(app: RunningGateway, chrome: Browser) -> None:
    """What was added without a network is there at once; a tick and a word in it arrive, though who first showed it is gone."""
    tab, token = await enter(app, await chrome.profile(), "ana"), token_of("ana", "w1", lifetime_seconds=1234)
    await go_offline(tab)
    await add_task(tab, "Order the cake")
    await tab.type("#write input", "Vows")
    await tab.click("#write button")
    await tab.until("document.querySelectorAll('#tasks input, #documents textarea').length === 2", "both rows are there")
    await tab.run(f"""{{ const form = document.querySelector('#enter'), fields = form.elements;
        fields.wedding.value = 'w1'; fields.token.value = '{token}'; form.requestSubmit(); }}""")
    await tab.network(is_there=True)
    await tab.until(f"sessionStorage.getItem('wedsync entered').includes('{token}') && {_STATUS} === 'live'", "she is here again")
    await tab.click("#tasks input")
    await tab.type("#documents textarea", "I do")
    async with Client(app.url, "w1", token_of("ben", "w1")) as ben:
        await ben.until(lambda: [each.get("done") for each in ben.confirmed().get("tasks", {}).values()] == [True])
        await ben.until(lambda: [each["text"] for each in ben.confirmed().get("documents", {}).values()] == ["I do"])
    assert tab.complaints == []


async def test_a_composition_that_is_given_up_takes_no_step_of_redo(app: RunningGateway, chrome: Browser) -> None:
    """The text is what it was, so what was taken back can still be done again."""
    ana = await enter(app, await chrome.profile(), "ana")
    await ana.type("#write input", "Vows")
    await ana.click("#write button")
    await ana.until("!!document.querySelector('#documents textarea')", "the document is there")
    await ana.type("#documents textarea", "I do")
    await ana.press("z", control=True)
    await ana.until(f"{_TEXT} === 'I d'", "the last letter is taken back")
    await ana.command("Input.imeSetComposition", text="に", selectionStart=1, selectionEnd=1)
    await ana.command("Input.imeSetComposition", text="", selectionStart=0, selectionEnd=0)
    await ana.until(f"{_TEXT} === 'I d'", "nothing was composed")
    await ana.press("y", control=True)
    await ana.until(f"{_TEXT} === 'I do'", "it is done again")
    assert ana.complaints == []
