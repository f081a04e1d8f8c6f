"""The fault bench: a modest load of real clients while a process gets SIGKILL, and a count of every promise that broke.

For each of host, gateway, nats and postgres in turn: the load runs, one third into it the process is killed (the supervisor
starts it again), the load goes on; at the end every op must have one decision and every member each event once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from bench.installation import Installation, Site
from bench.wedding_load import MemberPlan, found_weddings, small_wedding
from bench.witness import Verdict, Witness, judge, stored_decisions
from config.supervision.processes import running
from gateway.client import Client, NotReached, Pending, QueueFull
from store.errors import StoreUnavailable

KILLED: Final = ("host", "gateway", "nats", "postgres")
ANSWERS_WITHIN_SECONDS: Final = 60.0
FLUSHED_WITHIN_SECONDS: Final = 60.0
LEVEL_WITHIN_SECONDS: Final = 30.0


class Crowd:
    """Every member of every wedding as a real client, and the ops that they sent."""

    def __init__(self, site: Site, session: aiohttp.ClientSession, members: Sequence[MemberPlan], seed: int) -> None:
        self._site = site
        self._draw = random.Random(seed)
        self._clients = [Client(site.url, plan.wedding, plan.token, session=session) for plan in members]
        self._witnesses: list[Witness] = []
        self._targets = [(name, identifier) for name, entries in small_wedding().items() for identifier in entries]

    async def join(self) -> None:
        """Connect everybody."""
        await asyncio.gather(*(client.connect() for client in self._clients))

    async def leave(self) -> None:
        """Disconnect everybody."""
        await asyncio.gather(*(client.close() for client in self._clients))

    def listen_afresh(self, on_event: Callable[[str], None] = lambda _op: None) -> None:
        """Begin a new round: earlier events are not counted. `on_event` hears the op of each event at each member."""
        for client in self._clients:
            client.listening.on_event.clear()
            client.listening.on_sync.clear()
            client.listening.on_event.append(lambda event: on_event(event.id))
        self._witnesses = [Witness(client) for client in self._clients]

    def edit(self) -> tuple[Client, Pending]:
        """One random member sets a random item's text to something new; raises QueueFull."""
        client = self._draw.choice(self._clients)
        collection, identifier = self._draw.choice(self._targets)
        field = {"tasks": "title", "guests": "meal", "tables": "name", "budget": "category"}.get(collection, "notes")
        return client, client.update(collection, identifier, {field: f"changed to {self._draw.randrange(10**9)}"})

    async def back(self, within_seconds: float) -> None:
        """Wait until everybody is connected and up to date."""
        await asyncio.gather(*(_synced(client, within_seconds) for client in self._clients))

    async def answered(self) -> None:
        """Wait until no op is without an outcome; what stays unanswered is counted by the verdict."""
        await asyncio.gather(*map(_answered, self._clients), return_exceptions=True)

    async def verdict(self, ops: Sequence[tuple[Client, Pending]]) -> Verdict:
        """Judge all ops, wedding by wedding."""
        verdicts = []
        for wedding in sorted({client.wedding for client in self._clients}):
            witnesses = [witness for witness in self._witnesses if witness.client.wedding == wedding]
            await self._level(witnesses)
            mine = [op for client, op in ops if client.wedding == wedding]
            verdicts.append(await judge(mine, witnesses, await self._flushed(wedding, witnesses)))
        return Verdict(*map(sum, zip(*verdicts, strict=True)))

    def resyncs(self) -> int:
        """How many full states came instead of the missed events."""
        return sum(len(witness.snapshots_after_joining()) for witness in self._witnesses)

    async def _level(self, witnesses: Sequence[Witness]) -> None:
        """Wait until all members of a wedding stand at the same sequences; a difference that stays is judged."""
        highest: dict[str, int] = {}
        for witness in witnesses:
            for channel, sequence in witness.client.sequences().items():
                highest[channel] = max(sequence, highest.get(channel, 0))
        theirs = [{name: highest[name] for name in highest if witness.reads(name)} for witness in witnesses]
        await asyncio.gather(*map(_at, (witness.client for witness in witnesses), theirs), return_exceptions=True)

    async def _flushed(self, wedding: str, witnesses: Sequence[Witness]) -> list[Any]:
        """Read the stored decisions, once they hold everything that the members saw."""
        newest = {event.id for witness in witnesses for event in witness.events[-1:]}
        ends = time.monotonic() + FLUSHED_WITHIN_SECONDS
        while True:
            decisions = await self._stored(wedding, ends)
            if newest <= {decision.op for decision in decisions} or time.monotonic() > ends:
                return decisions
            await asyncio.sleep(0.2)

    async def _stored(self, wedding: str, ends: float) -> list[Any]:
        """Read once PostgreSQL, which may have been killed just now, answers."""
        while True:
            try:
                return await stored_decisions(self._site, wedding)
            except StoreUnavailable:
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(0.2)


async def _synced(client: Client, within_seconds: float) -> None:
    await client.until(lambda: client.is_synced, within_seconds=within_seconds)


async def _answered(client: Client) -> None:
    await client.until(lambda: client.unanswered == 0, within_seconds=ANSWERS_WITHIN_SECONDS)


async def _at(client: Client, sequences: Mapping[str, int]) -> None:
    await client.until(lambda: client.sequences() == sequences, within_seconds=LEVEL_WITHIN_SECONDS)


async def run_faults(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill each process in turn under load and report."""
    rate = options.rate or 200.0
    async with (
        Installation(folder, environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation,
        aiohttp.ClientSession() as session,
    ):
        members = await found_weddings(installation.site, options.weddings, options.members, small_wedding())
        crowd = Crowd(installation.site, session, members, options.seed)
        await crowd.join()
        print(f"{len(members)} clients in {options.weddings} weddings, {rate:.0f} ops/s, {options.seconds:.0f} s for each kill")
        rounds = []
        for role in options.kill or KILLED:
            rounds.append(await one_fault(installation.site, crowd, role, rate=rate, seconds=options.seconds))
            print(round_line(rounds[-1]), flush=True)
        await crowd.leave()
    return {"rate": rate, "seconds": options.seconds, "rounds": rounds, "passed": not any(each["broken"] for each in rounds)}


async def one_fault(site: Site, crowd: Crowd, role: str, *, rate: float, seconds: float) -> dict[str, Any]:
    """Run the load, kill one process a third into it, and judge everything that was sent."""
    crowd.listen_afresh()
    ops: list[tuple[Client, Pending]] = []
    load = asyncio.create_task(offer(crowd, ops, rate, seconds))
    await asyncio.sleep(seconds / 3)
    killed_at, before = time.monotonic(), len(ops)
    killed = site.kill(role)
    first_applied = asyncio.create_task(_first_answer(ops, before, killed_at))
    resumed = await _resume_seconds(site, crowd, killed) if role == "gateway" else None
    refused_by_queue = await load
    await crowd.answered()
    verdict = await crowd.verdict(ops)
    return {
        "killed": role,
        "seconds_to_first_answer": await first_applied,
        "seconds_to_resume_after_port": resumed,
        "full_states_instead_of_events": crowd.resyncs(),
        "not_sent_because_queue_full": refused_by_queue,
        **verdict._asdict(),
        "broken": verdict.broken,
    }


async def offer(
    crowd: Crowd,
    ops: list[tuple[Client, Pending]],
    rate: float,
    seconds: float,
    on_asked: Callable[[Pending], None] = lambda _asked: None,
) -> int:
    """Send ops at a rate and tell of each; returns how many the clients' own queues refused."""
    began, refused = time.monotonic(), 0
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        try:
            ops.append(crowd.edit())
        except QueueFull:
            refused += 1
        else:
            on_asked(ops[-1][1])
    return refused


async def _first_answer(ops: Sequence[tuple[Client, Pending]], after: int, since: float) -> float | None:
    """How long it took until an op that was sent after the kill was answered."""
    while len(ops) < after + 50:  # noqa: ASYNC110  # the load appends to a plain list
        await asyncio.sleep(0.005)
    answers = [asyncio.create_task(op.outcome()) for _, op in ops[after : after + 50]]
    done, waiting = await asyncio.wait(answers, timeout=ANSWERS_WITHIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    return round(time.monotonic() - since, 3) if done else None


async def _resume_seconds(site: Site, crowd: Crowd, killed: int) -> float | None:
    """How long after the port answered again everybody was up to date."""
    address = urlsplit(site.url)
    while running(killed) is not None:  # noqa: ASYNC110  # it is no child of ours
        await asyncio.sleep(0.005)
    while True:
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            break
    answered_at = time.monotonic()
    try:
        await crowd.back(30.0)
    except NotReached:
        return None
    return round(time.monotonic() - answered_at, 3)


def round_line(result: dict[str, Any]) -> str:
    """One line per kill."""
    resumed = result["seconds_to_resume_after_port"]
    return (
        f"kill -9 {result['killed']:9} ops {result['ops']:6}  applied {result['applied']:6}  unanswered {result['unanswered']}"
        f"  undecided {result['undecided']}  decided twice {result['decided_twice']}  events missing {result['events_missing']}"
        f"  repeated {result['events_repeated']}  holes {result['holes']}  digests apart {result['digests_apart']}"
        f"  full states {result['full_states_instead_of_events']}  first answer after {result['seconds_to_first_answer']} s"
        + (f"  resumed {resumed} s after the port answered" if resumed is not None else "")
        + ("  ok" if not result["broken"] else "  BROKEN")
    )
