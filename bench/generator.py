"""The load generator, a process of its own: joins all members, then offers one rate after another, open loop.

Reads one JSON command per line from standard input, writes one JSON object per line: `joined`, then for each step `begin`, `end`
(the measured window, for whoever reads CPU meters) and `result`. Started by bench.ladder; times in seconds unless named.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench.load_socket import LoadSocket, join_all
from bench.wedding_load import Edit, MemberPlan

TICK_SECONDS: Final = 0.001
#: An op that has not come to all after this long past the last send is lost.
DRAIN_SECONDS: Final = 5.0
#: With so many seconds' worth of undelivered ops the offer is hopeless.
BACKLOG_SECONDS: Final = 3.0
PERCENTILES: Final = (50, 95, 99, 100)


class Plan(msgspec.Struct):
    """What the generator is told at its start."""

    host: str
    port: int
    members: int
    sockets: list[MemberPlan]
    edits: list[Edit]
    seed: int


class Step(msgspec.Struct):
    """One offered rate, in ops per second over all weddings; of the sends the share `conflicting` are two who disagree."""

    rate: float
    seconds: float
    warmup_seconds: float
    conflicting: float = 0.0


class Load:
    """All members and the ops that are under way."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sockets: list[LoadSocket] = []
        #: Op id -> [scheduled time, bits of the members that still wait for it, counted or warming up].
        self._open: dict[bytes, list[Any]] = {}
        #: Ops that earlier steps counted as lost; what still comes of them is no duplicate of this step's.
        self._given_up: set[bytes] = set()
        self._edits = [(edit.json, edit.channel.encode()) for edit in plan.edits]
        self._rivals = rivals_of(self._edits)
        self._draw = random.Random(plan.seed)
        self._window = (0.0, 0.0)
        self._reset()

    def _reset(self) -> None:
        self._latencies: list[float] = []
        #: From the second op of a conflict being sent to the last member having its outcome.
        self._settled: list[float] = []
        self._disputes = 0
        self._late: list[float] = []
        self._disturbances: Counter[str] = Counter()
        self._duplicates = self._completed = self._in_window = self._deliveries = 0

    async def join(self) -> float:
        """Connect every member; returns how long it took."""
        plan, began = self._plan, time.perf_counter()

        def make(number: int, member: MemberPlan, ready: Callable[[], None]) -> LoadSocket:
            return LoadSocket(number % plan.members, member.wedding, member.token, self, ready)

        self._sockets = await join_all(plan.host, plan.port, plan.sockets, make)
        return time.perf_counter() - began

    def received(self, member: LoadSocket, op: bytes) -> None:
        """Count a delivery; the last member's completes the op."""
        entry = self._open.get(op)
        bit = 1 << member.number
        if entry is None or not entry[1] & bit:
            self._duplicates += op not in self._given_up
            return
        now = time.perf_counter()
        entry[1] ^= bit
        begin, end = self._window
        inside = begin <= now < end
        self._deliveries += inside
        if not entry[1]:
            del self._open[op]
            self._completed += 1
            self._in_window += inside
            if entry[2]:
                self._latencies.append(now - entry[0])
                if len(entry) > 3:
                    self._settled.append(now - entry[0])

    def disturbed(self, what: str) -> None:
        """Count what an undisturbed run does not have."""
        self._disturbances[what] += 1

    async def run(self, step: Step) -> dict[str, Any]:
        """Offer one rate and say what came of it."""
        self._reset()
        self._given_up.update(self._open)
        self._open.clear()
        for socket in self._sockets:
            socket.renumber()
        gc.collect()
        gc.freeze()
        gc.disable()
        warm, total = round(step.rate * step.warmup_seconds), round(step.rate * (step.warmup_seconds + step.seconds))
        started = time.perf_counter() + 0.01
        self._window = (started + step.warmup_seconds, started + step.warmup_seconds + step.seconds)
        sent, overloaded, cpu_begin = 0, False, None
        while sent < total and not overloaded:
            now = time.perf_counter()
            if cpu_begin is None and sent >= warm:
                cpu_begin = os.times()
                say({"begin": True})
            due = min(total, int((now - started) * step.rate) + 1)
            for index in range(sent, due):
                if self._draw.random() < step.conflicting:
                    self._disagree(counted=index >= warm)
                else:
                    self._send(started + index / step.rate, counted=index >= warm)
            sent = max(sent, due)
            overloaded = len(self._open) > BACKLOG_SECONDS * step.rate
            await asyncio.sleep(TICK_SECONDS)
        cpu_end, wall = os.times(), time.perf_counter() - self._window[0]
        say({"end": True})
        await self._drain()
        gc.enable()
        cpu_begin = cpu_begin or cpu_end
        spent = cpu_end.user + cpu_end.system - cpu_begin.user - cpu_begin.system
        return self._result(step, sent, overloaded, wall, spent)

    def _send(self, scheduled: float, *, counted: bool) -> None:
        socket = self._sockets[int(self._draw.random() * len(self._sockets))]
        body, channel = self._edits[int(self._draw.random() * len(self._edits))]
        op = socket.send_op(body, channel)
        self._open[op] = [scheduled, (1 << self._plan.members) - 1, counted]
        if counted:
            self._late.append(time.perf_counter() - scheduled)

    def _disagree(self, *, counted: bool) -> None:
        """Let two members write one field at once: the second has not seen the first's op, which is sent in the same moment."""
        members = self._plan.members
        index = int(self._draw.random() * len(self._sockets))
        one, other = self._sockets[index], self._sockets[index - index % members + (index + 1) % members]
        first, second = self._rivals[int(self._draw.random() * len(self._rivals))]
        everybody = (1 << members) - 1
        self._open[one.send_op(*first)] = [time.perf_counter(), everybody, False]
        self._open[other.send_op(*second)] = [time.perf_counter(), everybody, counted, True]
        self._disputes += 1

    async def _drain(self) -> None:
        ends = time.perf_counter() + DRAIN_SECONDS
        # An event set at each delivery would cost the generator more than looking now and then.
        while self._open and time.perf_counter() < ends:  # noqa: ASYNC110  # see the line above
            await asyncio.sleep(0.02)

    def _result(self, step: Step, sent: int, overloaded: bool, wall: float, spent: float) -> dict[str, Any]:
        wall = max(wall, 0.001)
        return {
            "rate": step.rate,
            "sent": sent,
            "achieved_ops_per_second": round(self._in_window / step.seconds, 1),
            "deliveries_per_second": round(self._deliveries / step.seconds, 1),
            "latency_ms": percentiles(self._latencies),
            "disputes": self._disputes,
            "settled_ms": percentiles(self._settled),
            "generator_late_ms": percentiles(self._late),
            "lost": len(self._open),
            "duplicated": self._duplicates,
            "out_of_order": self._disturbances.pop("out of order", 0),
            "disturbances": dict(self._disturbances),
            "overloaded": overloaded,
            "window_seconds": round(wall, 3),
            "generator_cpu_seconds": round(spent, 3),
        }


def rivals_of(edits: Sequence[tuple[str, bytes]]) -> list[tuple[tuple[str, bytes], tuple[str, bytes]]]:
    """Return pairs of edits that give one field two values."""
    by_field: dict[str, dict[str, tuple[str, bytes]]] = {}
    for edit in edits:
        field, _, value = edit[0].partition('":')[2].partition('"data":{"')[2].partition('":')
        place = edit[0].partition('"data":')[0] + field
        by_field.setdefault(place, {})[value] = edit
    return [(values[0], values[1]) for values in (list(each.values()) for each in by_field.values()) if len(values) > 1]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum in milliseconds; empty without samples."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {f"p{each}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * each // 100)], 2) for each in PERCENTILES}


def say(what: dict[str, Any]) -> None:
    """Write one line for whoever started us."""
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


async def _serve(plan: Plan) -> None:
    load = Load(plan)
    say({"joined": await load.join()})
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        say({"result": await load.run(msgspec.json.decode(line, type=Step))})


def main() -> None:
    """Run with the path of a plan."""
    uvloop.run(_serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)))


if __name__ == "__main__":
    main()
