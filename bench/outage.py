"""The outage bench: live editing goes on while PostgreSQL answers nothing for minutes, and memory stays bounded.

All of PostgreSQL is frozen under a load of real clients, with a flush buffer so small that it overflows again and again; when it
is back, a silent fold must have written everything. Counts every promise that broke, as the fault bench does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from bench.cluster import Clock, connect_as_host
from bench.faults import Crowd, offer
from bench.installation import Installation, Site
from bench.meters import resident_megabytes
from bench.soak.strike import frozen
from bench.wedding_load import found_weddings, small_wedding
from gateway.client import Client, Pending

RATE: Final = 100.0
BEFORE_SECONDS: Final = 5.0
AFTER_SECONDS: Final = 10.0
BUFFER_BYTES: Final = 1024 * 1024
LOOK_SECONDS: Final = 1.0
_OURS: Final = ("host", "gateway")


class Memory:
    """The highest resident memory of hosts and gateways."""

    def __init__(self, site: Site) -> None:
        self.first = self._read(site)
        self.highest = dict(self.first)
        self._site = site

    async def watch(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, megabytes in self._read(self._site).items():
                self.highest[name] = max(megabytes, self.highest[name])

    @staticmethod
    def _read(site: Site) -> dict[str, float]:
        return resident_megabytes({each["id"]: each["pid"] for each in site.processes() if each["role"] in _OURS})


async def run_outage(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Freeze PostgreSQL for `--seconds` under load and report."""
    rate = options.rate or RATE
    environment = {"WEDSYNC_LOG_LEVEL": "warning", "WEDSYNC_FLUSH_BUFFER_BYTES": str(BUFFER_BYTES)}
    async with (
        Installation(folder, environment=environment) as installation,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        site = installation.site
        members = await found_weddings(site, options.weddings, options.members, small_wedding())
        crowd = Crowd(site, session, members, options.seed)
        await crowd.join()
        print(f"{len(members)} clients, {rate:.0f} ops/s, PostgreSQL frozen for {options.seconds:.0f} s", flush=True)
        result = await _outage(site, crowd, rate, options.seconds)
        await crowd.leave()
    print(_line(result))
    return {**result, "passed": not result["broken"] and result["buffer_overflows"] > 0}


async def _outage(site: Site, crowd: Crowd, rate: float, seconds: float) -> dict[str, Any]:
    clock, memory = Clock(), Memory(site)
    crowd.listen_afresh(clock.hear)
    ops: list[tuple[Client, Pending]] = []
    watching = asyncio.create_task(memory.watch())
    load = asyncio.create_task(offer(crowd, ops, rate, BEFORE_SECONDS + seconds + AFTER_SECONDS, clock.start))
    await asyncio.sleep(BEFORE_SECONDS)
    postgres = next(each["pid"] for each in site.processes() if each["role"] == "postgres")
    with frozen(psutil.Process(postgres)):
        await asyncio.sleep(seconds)
    refused_by_queue = await load
    await crowd.answered()
    verdict = await crowd.verdict(ops)
    watching.cancel()
    saved, event = await clock.longest()
    return {
        "seconds": seconds,
        "longest_wait_for_saved_seconds": round(saved, 2),
        "longest_wait_for_an_event_seconds": round(event, 2),
        "not_sent_because_queue_full": refused_by_queue,
        **await _host_counters(site),
        "megabytes_before": memory.first,
        "megabytes_highest": memory.highest,
        **verdict._asdict(),
        "broken": verdict.broken,
    }


async def _host_counters(site: Site) -> dict[str, int]:
    """Return how often the flush buffer of the host overflowed, and how many silent folds there were."""
    bus = await connect_as_host(site)
    try:
        answer = json.loads(await bus.request("$SRV.STATS.wedsync-host", b"", timeout_seconds=5.0))
    finally:
        await bus.close()
    figures = answer["endpoints"][0]["data"]
    return {name: int(figures[name]) for name in ("buffer_overflows", "silent_folds")}


def _line(result: dict[str, Any]) -> str:
    memory = ", ".join(
        f"{name} {before:.0f} -> {result['megabytes_highest'][name]:.0f} MB"
        for name, before in result["megabytes_before"].items()
    )
    return (
        f"PostgreSQL frozen for {result['seconds']:.0f} s: ops {result['ops']}  applied {result['applied']}"
        f"  unanswered {result['unanswered']}  undecided {result['undecided']}  decided twice {result['decided_twice']}"
        f"  events missing {result['events_missing']}  repeated {result['events_repeated']}  holes {result['holes']}"
        f"  digests apart {result['digests_apart']}  longest wait: saved {result['longest_wait_for_saved_seconds']:.2f} s,"
        f" event {result['longest_wait_for_an_event_seconds']:.2f} s  buffer overflows {result['buffer_overflows']}"
        f"  silent folds {result['silent_folds']}  {memory}" + ("  ok" if not result["broken"] else "  BROKEN")
    )
