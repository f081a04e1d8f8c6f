"""Rude clients beside polite ones: what forged tokens, malformed frames and oversize messages cost everybody else.

One rate is measured undisturbed, then again while rude clients do their worst. Nothing of what they send may be stored, and
the polite clients' p99 may at most double.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.installation import Installation, Site
from bench.ladder import Result, loaded_weddings, run_step
from bench.report import step_line
from gateway.client import Connection, ConnectionClosed

RUDE_CLIENTS: Final = 20
PAUSE_SECONDS: Final = 0.05
MOST_TIMES_SLOWER: Final = 2.0
#: A p99 this small is the machine's own jitter: twice of less says nothing.
LEAST_P99_MS: Final = 10.0
WEDDING: Final = "bench-0"

_TARGETS = ("a.b", "*", ">", "Capital", "x" * 80)
_FRAMES = (
    "{",
    "[]",
    '{"type":"shout"}',
    '{"type":"collaboration_event","op":{"id":"none"}}',
    '{"type":"collaboration_event","op":{"id":"20270619-rude:1","type":"guest_list","action":"insert","target":{"collection":"tasks","id":"t"}}}',
    *(
        f'{{"type":"collaboration_event","op":{{"id":"20270619-rude:1","type":"task_completion","action":"insert",'
        f'"target":{{"collection":"tasks","id":"{target}"}},"data":{{"title":"x"}}}}}}'
        for target in _TARGETS
    ),
    '{"type":"data_sync","ops":[' + ",".join(['{"id":"20270619-rude:1"}'] * 600) + "]}",
    '{"type":"collaboration_event","op":{"id":"20270619-rude:1","data":{"title":"' + "x" * 70_000 + '"}}}',
)
_TOO_LARGE: Final = '{"type":"ping","padding":"' + "x" * 1_200_000 + '"}'


async def run_rude(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure undisturbed, then with rude clients."""
    rate = options.rate or 1000.0
    async with Installation(folder, environment={"WEDSYNC_LOG_LEVEL": "error"}) as installation:
        load = loaded_weddings(installation, folder, weddings=options.weddings, members=options.members, seed=options.seed)
        async with load as generator:
            await generator.joined()
            undisturbed = await run_step(generator, rate, seconds=options.seconds)
            print("undisturbed  ", step_line(undisturbed))
            async with asyncio.TaskGroup() as group:
                crowd = [group.create_task(_be_rude(installation.site, number)) for number in range(RUDE_CLIENTS)]
                disturbed = await run_step(generator, rate, seconds=options.seconds)
                for each in crowd:
                    each.cancel()
            print("beside rude  ", step_line(disturbed))
    slower = _p99(disturbed) / _p99(undisturbed)
    print(f"the polite clients' p99 is {slower:.2f} times that of the undisturbed run")
    kept = not any(step["lost"] or step["duplicated"] or step["disturbances"] for step in (undisturbed, disturbed))
    return {
        "undisturbed": undisturbed,
        "beside_rude": disturbed,
        "times_slower": slower,
        "passed": kept and slower <= MOST_TIMES_SLOWER,
    }


def _p99(step: Result) -> float:
    return max(LEAST_P99_MS, float(step["latency_ms"].get("p99", LEAST_P99_MS)))


async def _be_rude(site: Site, number: int) -> None:
    """Connect with a forged token, then as a member who sends rubbish, again and again."""
    async with aiohttp.ClientSession() as session:
        while True:
            for token in ("forged", site.token("member-0", WEDDING)):
                with suppress(ConnectionClosed):
                    await _converse(await Connection.open(session, site.url), token, number)


async def _converse(connection: Connection, token: str, number: int) -> None:
    try:
        await connection.hello(WEDDING, token, client=f"20270619-rude{number}")
        await connection.receive_until("synced")
        for text in _FRAMES:
            await connection.send_text(text)
            await asyncio.sleep(PAUSE_SECONDS)
        await connection.send_text(_TOO_LARGE)
        await connection.receive_until("pong")
    finally:
        await connection.close()
