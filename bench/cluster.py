"""The cluster bench: three NATS servers, a modest load of real clients, and one leader after the other gets SIGKILL.

In turn the leader of a log stream and the leader of a log reader's consumer is killed; the supervisor starts it again. Counts
every promise that broke, as the fault bench does, and says how long anybody waited for `saved`, and for the event of an op.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.faults import Crowd, offer
from bench.installation import Installation, Site
from bench.wedding_load import found_weddings, small_wedding
from config.supervision.nats_configuration import CLUSTER_SERVERS
from config.supervision.nats_permissions import inbox_prefix
from config.supervision.roles import role_settings
from gateway.client import Client, Pending
from store.bus import Bus
from store.errors import StoreError

RATE: Final = 100.0
HEALED_WITHIN_SECONDS: Final = 60.0


class Clock:
    """When each op was asked for and saved, and when its events came to the members."""

    def __init__(self) -> None:
        self.asked: dict[Pending, float] = {}
        self._waited_for_saved: list[float] = []
        self._heard: dict[str, float] = {}
        self._watches: list[asyncio.Task[None]] = []

    def start(self, op: Pending) -> None:
        self.asked[op] = time.monotonic()
        self._watches.append(asyncio.create_task(self._watch(op)))

    async def _watch(self, op: Pending) -> None:
        if await op.saved():
            self._waited_for_saved.append(time.monotonic() - self.asked[op])

    def hear(self, identifier: str) -> None:
        """Note an event at some member; the last one counts."""
        self._heard[identifier] = time.monotonic()

    async def longest(self) -> tuple[float, float]:
        """Return how long anybody waited for `saved`, and any member for an event, in seconds."""
        await asyncio.gather(*self._watches)
        at = {(await op.outcome()).op: asked for op, asked in self.asked.items() if op.done}
        events = [heard - at[identifier] for identifier, heard in self._heard.items() if identifier in at]
        return max(self._waited_for_saved, default=0.0), max(events, default=0.0)


async def run_cluster(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill leaders under load and report."""
    rate = options.rate or RATE
    async with (
        Installation(
            folder, hosts=2, gateways=2, nats_servers=CLUSTER_SERVERS, environment={"WEDSYNC_LOG_LEVEL": "warning"}
        ) as installation,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        site = installation.site
        members = await found_weddings(site, options.weddings, options.members, small_wedding())
        crowd = Crowd(site, session, members, options.seed)
        await crowd.join()
        print(f"{len(members)} clients in {options.weddings} weddings, {rate:.0f} ops/s, {options.seconds:.0f} s for each kill")
        rounds = []
        for number in range(options.rounds):
            rounds.append(await one_kill(site, crowd, number, rate=rate, seconds=options.seconds))
            print(round_line(rounds[-1]), flush=True)
            await _healed(site)
        await crowd.leave()
    print(summary(rounds))
    return {"rate": rate, "seconds": options.seconds, "rounds": rounds, "passed": not any(each["broken"] for each in rounds)}


async def one_kill(site: Site, crowd: Crowd, number: int, *, rate: float, seconds: float) -> dict[str, Any]:
    """Run the load, kill one leader a fifth into it, and judge everything that was sent."""
    clock = Clock()
    crowd.listen_afresh(clock.hear)
    ops: list[tuple[Client, Pending]] = []
    load = asyncio.create_task(offer(crowd, ops, rate, seconds, clock.start))
    await asyncio.sleep(seconds / 5)
    server, led = await leader_of_a_kind(site, number)
    os.kill(next(entry["pid"] for entry in site.processes() if entry["id"] == server), signal.SIGKILL)
    refused_by_queue = await load
    await crowd.answered()
    verdict = await crowd.verdict(ops)
    saved, event = await clock.longest()
    return {
        "killed": server,
        "led": led,
        "longest_wait_for_saved_seconds": round(saved, 2),
        "longest_wait_for_an_event_seconds": round(event, 2),
        "not_sent_because_queue_full": refused_by_queue,
        **verdict._asdict(),
        "broken": verdict.broken,
    }


async def leader_of_a_kind(site: Site, number: int) -> tuple[str, str]:
    """Return the server to kill in this round, and what it leads: log streams and readers' consumers take turns."""
    bus = await connect_as_host(site)
    try:
        stream = f"LOG_{number % CLUSTER_SERVERS}"
        if number % 2 == 0:
            return (await bus.js_request(f"STREAM.INFO.{stream}"))["cluster"]["leader"], f"the stream {stream}"
        consumers = (await bus.js_request(f"CONSUMER.LIST.{stream}", {"offset": 0}))["consumers"]
        return consumers[0]["cluster"]["leader"], f"the consumer of a reader of {stream}"
    finally:
        await bus.close()


async def _healed(site: Site) -> None:
    """Return when every stream has its three copies, all current."""
    bus = await connect_as_host(site)
    ends = time.monotonic() + HEALED_WITHIN_SECONDS
    while not await _is_whole(bus) and time.monotonic() < ends:  # noqa: ASYNC110  # the servers tell nobody
        await asyncio.sleep(0.5)
    await bus.close()


async def _is_whole(bus: Bus) -> bool:
    try:
        streams = (await bus.js_request("STREAM.LIST", {"offset": 0}))["streams"] or []
    except StoreError:
        return False
    copies = [copy for stream in streams for copy in stream["cluster"].get("replicas", ())]
    return len(copies) == len(streams) * (CLUSTER_SERVERS - 1) and all(copy["current"] for copy in copies)


async def connect_as_host(site: Site) -> Bus:
    """Connect to NATS with the rights of a host."""
    settings = role_settings(site.data, "host")
    return await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="wedsync-bench",
        inbox_prefix=inbox_prefix("host"),
    )


def round_line(result: dict[str, Any]) -> str:
    """One line per kill."""
    return (
        f"kill -9 {result['killed']}, leading {result['led']:32} ops {result['ops']:5}  applied {result['applied']:5}"
        f"  unanswered {result['unanswered']}  undecided {result['undecided']}  decided twice {result['decided_twice']}"
        f"  events missing {result['events_missing']}  repeated {result['events_repeated']}  holes {result['holes']}"
        f"  digests apart {result['digests_apart']}  longest wait: saved {result['longest_wait_for_saved_seconds']:.2f} s,"
        f" event {result['longest_wait_for_an_event_seconds']:.2f} s" + ("  ok" if not result["broken"] else "  BROKEN")
    )


def summary(rounds: Sequence[dict[str, Any]]) -> str:
    """The last line."""
    ops, broken = sum(each["ops"] for each in rounds), sum(each["broken"] for each in rounds)
    saved = max(each["longest_wait_for_saved_seconds"] for each in rounds)
    event = max(each["longest_wait_for_an_event_seconds"] for each in rounds)
    return (
        f"{len(rounds)} leaders killed, {ops} ops, {broken} promises broken;"
        f" the longest wait of all: {saved:.2f} s for saved, {event:.2f} s for an event"
    )
