"""A real browser for tests: Chromium without a window, driven over its remote debugging protocol.

A `Profile` is one person's browser (its own storage), a `Tab` one page of it. What a tab logs as an error or throws is kept in
`complaints`. Called by test_browser.py and `chromium` by whoever needs the program.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import eventually

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--headless",
    "--no-sandbox",  # tests may run as root, for whom Chromium has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
)

#: As a person forbids it in the settings: naming localStorage then throws a SecurityError.
_PAGES_KEEP_NOTHING = {"profile": {"default_content_setting_values": {"cookies": 2}}}


def chromium() -> str:
    """The program; a test without it is skipped, in CI as well: not every machine can have a browser."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    return pytest.skip("no Chromium is on PATH (on Debian: apt-get install chromium)")


class CommandError(Exception):
    """What the browser says of a command that it did not carry out, as when a page was left in the middle of a script."""


class Tab:
    """One page: scripts run in it, and keys go to what has the focus."""

    def __init__(self, browser: "Browser", target: str, connection: str) -> None:
        self._browser = browser
        self._target = target
        self._connection = connection
        self.complaints: list[str] = []

    async def command(self, method: str, **parameters: Any) -> Any:
        """One command of the debugging protocol."""
        return await self._browser.command(method, parameters, self._connection)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        answer = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str, what: str) -> Any:
        """Wait until an expression in the page is true."""
        try:
            return await eventually(lambda: self._look(script), what)
        except AssertionError as error:
            raise AssertionError(f"{error}; complaints of the page: {self.complaints}") from error

    async def _look(self, script: str) -> Any:
        """What an expression says, nothing while the page is being left for another."""
        with suppress(CommandError):
            return await self.run(script)

    async def click(self, selector: str) -> None:
        """Click on an element."""
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def type(self, selector: str, text: str, at: int | None = None) -> None:
        """Put the cursor into a field, at its end unless a place is given, and type character by character."""
        place = "field.value.length" if at is None else str(at)
        await self.run(f"""{{ const field = document.querySelector({json.dumps(selector)});
            field.focus(); field.setSelectionRange({place}, {place}); }}""")
        for letter in text:
            await self.command("Input.insertText", text=letter)

    async def press(self, key: str, *, control: bool = False) -> None:
        """Press a key and let it go."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.command("Input.dispatchKeyEvent", type=kind, key=key, modifiers=2 if control else 0)

    async def network(self, *, is_there: bool) -> None:
        """Take this tab's network away, or give it back."""
        endless = -1
        await self.command(
            "Network.emulateNetworkConditions",
            offline=not is_there,
            latency=0,
            downloadThroughput=endless,
            uploadThroughput=endless,
        )

    async def close(self) -> None:
        """Close the page as a person does."""
        await self._browser.command("Target.closeTarget", {"targetId": self._target})


class Profile:
    """One person's browser: tabs of one profile share their storage."""

    def __init__(self, browser: "Browser", context: str) -> None:
        self._browser = browser
        self._context = context

    async def open(self, url: str) -> Tab:
        """A new tab at an address."""
        return await self._browser.open(url, self._context)


class Browser:
    """The running program and the connection to it."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self._number = 0

    async def profile(self) -> Profile:
        """A browser of its own for one more person."""
        return Profile(self, (await self.command("Target.createBrowserContext"))["browserContextId"])

    async def open(self, url: str, context: str) -> Tab:
        """A new tab of a profile."""
        made = await self.command("Target.createTarget", {"url": "about:blank", "browserContextId": context})
        target = made["targetId"]
        connection = (await self.command("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        tab = self._tabs[connection] = Tab(self, target, connection)
        for area in ("Runtime", "Log", "Network", "Page"):
            await tab.command(f"{area}.enable")
        await tab.command("Page.navigate", url=url)
        return tab

    async def command(self, method: str, parameters: Any = None, connection: str | None = None) -> Any:
        """Send one command and wait for its answer."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        frame = {"id": self._number, "method": method, "params": parameters or {}}
        await self._connection.send_json(frame | ({"sessionId": connection} if connection else {}))
        async with asyncio.timeout(30):
            return await answer

    async def listen(self) -> None:
        """Hand every answer to who waits for it, and every complaint to its tab."""
        async for message in self._connection:
            frame = message.json()
            if answer := self._answers.pop(frame.get("id", 0), None):
                if "error" in frame:
                    answer.set_exception(CommandError(frame["error"]["message"]))
                else:
                    answer.set_result(frame["result"])
            elif complaint := _complaint(frame):
                self._tabs[frame["sessionId"]].complaints.append(complaint)


def _complaint(frame: Any) -> str:
    """What an event says that went wrong in a page; empty for other events. A lost connection is none: tests cut them."""
    parameters = frame["params"]
    if frame["method"] == "Runtime.exceptionThrown":
        details = parameters["exceptionDetails"]
        return str(details.get("exception", {}).get("description", details["text"]))
    if frame["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
        text: str = parameters["entry"]["text"]
        return "" if "WebSocket" in text or "net::ERR_" in text else text
    return ""


@asynccontextmanager
async def browser(folder: Path, *, may_keep: bool = True) -> AsyncIterator[Browser]:
    """Chromium for the length of the block, with what it keeps in a folder; `may_keep` says whether pages may keep anything."""
    place = folder / "chromium"
    if not may_keep:
        (place / "Default").mkdir(parents=True)
        (place / "Default" / "Preferences").write_text(json.dumps(_PAGES_KEEP_NOTHING))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        chromium(), *_SWITCHES, f"--user-data-dir={place}", stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        told = place / "DevToolsActivePort"
        await eventually(lambda: told.exists() and len(told.read_text().splitlines()) == 2, "Chromium says its port")
        port, path = told.read_text().splitlines()
        async with aiohttp.ClientSession() as http, http.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as connection:
            running = Browser(connection)
            listening = asyncio.create_task(running.listen())
            try:
                yield running
            finally:
                listening.cancel()
    finally:
        process.terminate()
        await process.wait()
