"""The load of presence, a process of its own: joins all members, then each says where it is, again and again, open loop.

The time of an update is when it was due, so a late generator shows in the figures and not in their absence; how late it was is
told as well. Started by bench.presence; speaks with it as bench.generator does, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench.generator import say
from bench.load_socket import LoadSocket, join_all, masked_frame
from bench.wedding_load import MemberPlan

TICK_SECONDS: Final = 0.001
#: What has not come this long after the last update does not come.
DRAIN_SECONDS: Final = 5.0
_UPDATE: Final = b'{"type":"presence_update"'
#: A cursor is the author's number in its wedding and the time when it was due, in microseconds.
_CURSOR, _AUTHOR_DIGITS, _DIGITS = b'"cursor":"', 3, 19
#: Latencies are counted in steps of this many microseconds, up to the last.
STEP_MICROS, STEPS = 100, 100_000


class PresencePlan(msgspec.Struct):
    """What the generator is told at its start; rates over all weddings, times in seconds."""

    host: str
    port: int
    members: int
    sockets: list[MemberPlan]
    rate: float
    warmup_seconds: float
    seconds: float
    seed: int


class PresenceSocket(LoadSocket):
    """One member; of a presence frame it reads only whose cursors are in it."""

    def __init__(self, *arguments: Any, figures: Figures) -> None:
        super().__init__(*arguments)
        self.said = 0
        self.heard: dict[int, int] = {}
        self._figures = figures

    def say_where(self, due_micros: int) -> None:
        """Send an update that was due at this time."""
        self.said = due_micros
        text = (
            f'{{"type":"presence_update","presence":{{"section":"timeline.team","cursor":"{self.number:03}{due_micros:016}"}}}}'
        )
        self._transport.write(masked_frame(text.encode()))

    def _other(self, payload: bytes) -> None:
        if not payload.startswith(_UPDATE):
            super()._other(payload)
            return
        figures, heard = self._figures, self.heard
        figures.frames += 1
        at = payload.find(_CURSOR)
        while at > 0:
            at += len(_CURSOR)
            author = int(payload[at : at + _AUTHOR_DIGITS])
            due_micros = int(payload[at + _AUTHOR_DIGITS : at + _DIGITS])
            if author != self.number:
                before = heard.get(author, 0)
                if due_micros > before:
                    heard[author] = due_micros
                    figures.delivered(due_micros)
                elif due_micros < before:
                    self._receiver.disturbed("out of order")
            at = payload.find(_CURSOR, at)


class Figures:
    """What is counted; only updates that were due within the window count."""

    def __init__(self) -> None:
        self.steps = array("L", bytes(8 * (STEPS + 1)))
        self.late = array("L", bytes(8 * (STEPS + 1)))
        self.begin_micros = 2**62
        self.deliveries = 0
        self.frames = 0

    def delivered(self, due_micros: int) -> None:
        """An update came to another member for the first time."""
        if due_micros >= self.begin_micros:
            self.deliveries += 1
            self.steps[min(STEPS, (micros() - due_micros) // STEP_MICROS)] += 1

    def sent(self, due_micros: int) -> None:
        """An update was sent."""
        if due_micros >= self.begin_micros:
            self.late[min(STEPS, (micros() - due_micros) // STEP_MICROS)] += 1


def micros() -> int:
    """Now, in microseconds of a clock that does not go back."""
    return time.perf_counter_ns() // 1000


def percentiles(steps: array[int]) -> dict[str, float]:
    """p50, p95, p99, p99.9 and the maximum of counted steps, in milliseconds."""
    total, passed, found = sum(steps), 0, {}
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "p100": 1.0}
    for step, count in enumerate(steps):
        passed += count
        for name in [name for name, share in wanted.items() if count and passed >= share * total]:
            found[name] = round((step + 1) * STEP_MICROS / 1000, 1)
            del wanted[name]
    return found


class PresenceLoad:
    """All members."""

    def __init__(self, plan: PresencePlan) -> None:
        self._plan = plan
        self._figures = Figures()
        self._disturbances: Counter[str] = Counter()
        self._sockets: list[PresenceSocket] = []

    def received(self, member: LoadSocket, op: bytes) -> None:
        """Nobody edits here."""

    def disturbed(self, what: str) -> None:
        """Count what an undisturbed run does not have."""
        self._disturbances[what] += 1

    async def join(self) -> float:
        """Connect every member; returns how long it took."""
        plan, began = self._plan, time.perf_counter()

        def make(number: int, member: MemberPlan, ready: Callable[[], None]) -> PresenceSocket:
            identity = (number % plan.members, member.wedding, member.token, self, ready)
            return PresenceSocket(*identity, figures=self._figures)

        self._sockets = await join_all(plan.host, plan.port, plan.sockets, make)
        return time.perf_counter() - began

    async def run(self) -> dict[str, Any]:
        """Offer the rate and say what came of it."""
        plan, sockets, figures = self._plan, list(self._sockets), self._figures
        random.Random(plan.seed).shuffle(sockets)
        gc.collect()
        gc.freeze()
        gc.disable()
        started = micros() + 10_000
        figures.begin_micros = started + int(plan.warmup_seconds * 1e6)
        gap, count = 1e6 / plan.rate, len(sockets)
        warm, total = int(plan.rate * plan.warmup_seconds), int(plan.rate * (plan.warmup_seconds + plan.seconds))
        sent, frames, cpu = 0, 0, os.times()
        while sent < total:
            due = min(total, int((micros() - started) / gap) + 1)
            if sent <= warm < due:
                cpu, frames = os.times(), figures.frames
                say({"begin": True})
            for index in range(sent, due):
                due_micros = started + int(index * gap)
                sockets[index % count].say_where(due_micros)
                figures.sent(due_micros)
            sent = max(sent, due)
            await asyncio.sleep(TICK_SECONDS)
        end, frames = os.times(), figures.frames - frames
        wall = (micros() - figures.begin_micros) / 1e6
        say({"end": True})
        await asyncio.sleep(DRAIN_SECONDS)
        spent = end.user + end.system - cpu.user - cpu.system
        return {
            "rate": plan.rate,
            "updates": total - warm,
            "sent_per_second": round((total - warm) / wall, 1),
            "frames_per_second": round(frames / wall, 1),
            "window_seconds": round(wall, 3),
            "generator_cpu_seconds": round(spent, 3),
        } | self._told(wall)

    def _told(self, wall: float) -> dict[str, Any]:
        """What came to the members, of a window of so many seconds."""
        return {
            "deliveries_per_second": round(self._figures.deliveries / wall, 1),
            "latency_ms": percentiles(self._figures.steps),
            "generator_late_ms": percentiles(self._figures.late),
            "lost": self._lost(),
            "disturbances": dict(self._disturbances),
        }

    def _lost(self) -> int:
        """Members that do not know the last word of another one: only what was overtaken by a later word may stay away."""
        said: dict[tuple[str, int], int] = {(each.wedding, each.number): each.said for each in self._sockets}
        return sum(
            each.heard.get(other, 0) != said[each.wedding, other]
            for each in self._sockets
            for other in range(self._plan.members)
            if other != each.number
        )


async def _serve(plan: PresencePlan) -> None:
    load = PresenceLoad(plan)
    say({"joined": await load.join()})
    say({"result": await load.run()})


def main() -> None:
    """Run with the path of a plan."""
    uvloop.run(_serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=PresencePlan)))


if __name__ == "__main__":
    main()
