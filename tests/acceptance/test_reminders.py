"""A reminder as people meet it: in the inbox of an open client, in the history, in the proofs of `wedsync verify` (rule B4)."""

import time

import aiohttp

from actors.contract.events import Event, instant_of
from gateway.client import Client
from tests.acceptance.conftest import Wedding
from tests.support.wedsync_process import WedSync


async def test_b4_a_reminder_reaches_the_inbox_the_history_and_the_proofs(
    wedding: Wedding, wedsync: WedSync, http: aiohttp.ClientSession
) -> None:
    """The assignee's open client gets it, and nobody else; history tells it, and verify decides it again like any op."""
    heard: list[Event] = []
    async with Client(wedding.site.url, wedding.name, wedding.token("ana"), session=http) as ana:
        ana.listening.on_event.append(heard.append)
        await ana.insert("people", "ben", {"name": "Ben", "role": "couple"}).outcome()
        async with Client(wedding.site.url, wedding.name, wedding.token("ben"), session=http) as ben:
            when = instant_of(int(time.time() * 1000) + 500)
            await ana.insert("tasks", "band", {"title": "Book the band", "remindAt": when, "assignee": "ana"}).outcome()
            await ana.until(lambda: "reminder-1-1" in ana.confirmed().get("inbox", {}), within_seconds=20)
            await ana.insert("tasks", "cake", {"title": "Taste the cake"}).outcome()
            await ben.until(lambda: "cake" in ben.confirmed()["tasks"])
            assert "inbox" not in ben.confirmed()
    item = ana.confirmed()["inbox"]["reminder-1-1"]
    assert (item["kind"], item["matter"], item["text"]) == ("reminder", "band", "Reminder: Book the band")
    told = next(event for event in heard if event.channel == "inbox.ana")
    assert (told.user_id, told.id, told.metadata["source"]) == ("_timer", "timer:tasks.band.remind:1", "timer")
    url = f"{wedding.site.url}/api/collaboration/history/{wedding.name}"
    async with http.get(url, headers={"Authorization": f"Bearer {wedding.token('ana')}"}) as answer:
        assert told.id in [event["id"] for event in (await answer.json())["events"]]
    done = wedsync.run("verify", wedding.name)
    assert done.returncode == 0, done.stdout + done.stderr
