"""`make bench ARGS="moves"`: how long ops wait when hosts go and come in good order (--moves), or die (--kills) (design D2, D3).

Writes a steady rate into the log of a WedSync with two hosts, as a gateway does, and listens to what the hosts decide. Latency is
from the append until the first envelope of the op, whichever host sends it. Supervision starts the host again each time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.contract.envelopes import Envelope
from actors.contract.ids import partition_of
from actors.contract.ops import LogEntry, Op, Target
from actors.contract.subjects import WEDDING, log_subject
from actors.runtime.placement import partitions_of
from bench.installation import Installation
from config.supervision.roles import role_settings
from store.bus import Bus, Message
from store.log_writer import LogWriter

HOSTS: Final = ("host-1", "host-2")
PARTITIONS: Final = 64
#: After a host serves again, until the next move.
SETTLE_SECONDS: Final = 3.0
#: An op sent so long before or after a move began belongs to it.
BEFORE_SECONDS: Final = 0.3
AFTER_SECONDS: Final = 5.0
LONGEST_MOVE_P99_MS: Final = 500.0
LONGEST_DEATH_P99_MS: Final = 2000.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Envelope).decode


class Load:
    """Ops of many weddings, and when each was sent and decided, in monotonic seconds."""

    def __init__(self, bus: Bus, writer: LogWriter, weddings: Sequence[str]) -> None:
        self._bus = bus
        self._writer = writer
        self._weddings = weddings
        self._numbers = dict.fromkeys(weddings, 0)
        self._client = f"20270619-{secrets.token_hex(4)}"
        #: Op -> (its partition, when it was sent, when it was decided).
        self.sent: dict[str, tuple[int, float]] = {}
        self.decided: dict[str, float] = {}

    async def begin(self) -> None:
        """Listen, and found the weddings."""
        await self._bus.subscribe("fan.>", self._hear)
        await self._bus.barrier()
        await asyncio.gather(*(self._send(wedding) for wedding in self._weddings))

    async def run(self, rate: float) -> None:
        """Send for ever, at that rate over all weddings."""
        async with asyncio.TaskGroup() as sending:
            began = time.monotonic()
            for number, wedding in enumerate(itertools.cycle(self._weddings)):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                sending.create_task(self._send(wedding))

    async def _send(self, wedding: str) -> None:
        number = self._numbers[wedding] = self._numbers[wedding] + 1
        op = f"{self._client}{wedding}:{number}"
        data: dict[str, object] = {"title": f"Task {number}", "done": False}
        entry = Op("task_completion", "insert" if number == 2 else "update", Target("tasks", "t"), op, data)
        if number == 1:
            data = {"title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF", "role": "couple"}
            entry = Op("timeline_update", "insert", Target("wedding", wedding), op, data)
        self.sent[op] = (partition_of(wedding, PARTITIONS), time.monotonic())
        await self._writer.append([(log_subject("r0", WEDDING, wedding, "ana"), _encode(LogEntry(entry, "websocket")))])

    async def _hear(self, message: Message) -> None:
        self.decided.setdefault(_decode(message.data).op, time.monotonic())

    def latencies(self, begins: float, ends: float) -> list[float]:
        """The milliseconds of the ops sent in a span; one that is undecided counts up to now."""
        now = time.monotonic()
        return [(self.decided.get(op, now) - sent) * 1000 for op, (_, sent) in self.sent.items() if begins <= sent < ends]

    def first_decided(self, partitions: frozenset[int], since: float) -> float:
        """Milliseconds from an instant until the first decision about an op of these partitions that was sent after it."""
        times = [
            self.decided[op]
            for op, (number, sent) in self.sent.items()
            if number in partitions and sent >= since and op in self.decided
        ]
        return (min(times) - since) * 1000 if times else float("inf")


async def run_moves(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Move or kill hosts in turn under load and report."""
    how, times = (signal.SIGKILL, options.kills) if options.kills else (signal.SIGTERM, options.moves)
    async with Installation(folder, hosts=len(HOSTS), environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation:
        settings = role_settings(installation.data, "gateway")
        bus = await Bus.connect(
            settings.nats_url.get_secret_value(),
            user=settings.nats_user,
            password=settings.nats_password.get_secret_value(),
            name="bench",
            inbox_prefix="_INBOX_gateway",
        )
        load = Load(bus, await LogWriter.open(bus, secrets.token_hex(16)), [f"w{number}" for number in range(options.weddings)])
        await load.begin()
        running = asyncio.create_task(load.run(options.rate or 200.0))
        await asyncio.sleep(SETTLE_SECONDS)
        begun = [await _move(installation, load, how, victim) for victim in itertools.islice(itertools.cycle(HOSTS), times)]
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(1.0)
        await bus.close()
    return _report(load, begun, is_death=how is signal.SIGKILL)


async def _move(installation: Installation, load: Load, how: signal.Signals, victim: str) -> tuple[float, frozenset[int]]:
    """End one host and wait until it is back; returns when it was told, and what it had owned."""
    before = installation.pids()
    assert victim in before, before
    partitions = partitions_of(victim, frozenset(HOSTS), PARTITIONS)
    began = time.monotonic()
    os.kill(before[victim], how)
    await asyncio.sleep(AFTER_SECONDS)
    while not _serves_again(installation, victim, before[victim]):  # noqa: ASYNC110  # the supervisor writes a file
        await asyncio.sleep(0.05)
    # The old owner keeps what it gives back for the length of the overlap.
    await asyncio.sleep(SETTLE_SECONDS)
    ops = sorted(load.latencies(began - BEFORE_SECONDS, began + AFTER_SECONDS))
    first = load.first_decided(partitions, began)
    print(
        f"{victim} {how.name}: first op {first:6.0f} ms, p99 {_at(ops, 0.99):6.0f} ms, longest {ops[-1]:6.0f} ms", file=sys.stderr
    )
    return began, partitions


def _serves_again(installation: Installation, host: str, pid: int) -> bool:
    return any(
        each["id"] == host and each["pid"] not in (None, pid) and each["state"] == "ready"
        for each in installation.site.processes()
    )


def _report(load: Load, begun: Sequence[tuple[float, frozenset[int]]], *, is_death: bool) -> dict[str, Any]:
    around = sorted(ms for began, _ in begun for ms in load.latencies(began - BEFORE_SECONDS, began + AFTER_SECONDS))
    firsts = sorted(load.first_decided(partitions, began) for began, partitions in begun)
    undecided = len(load.sent.keys() - load.decided.keys())
    tables = {"around_ms": dict(_percentiles(around)), "first_op_ms": dict(_percentiles(firsts))}
    print(f"{'deaths' if is_death else 'planned moves'}: {len(begun)}; ops undecided {undecided}")
    for name, table in tables.items():
        print(f"{name:<12} " + "  ".join(f"{label} {value:.0f}" for label, value in table.items()))
    passed = _at(firsts, 0.99) <= LONGEST_DEATH_P99_MS if is_death else _at(around, 0.99) <= LONGEST_MOVE_P99_MS
    return {"times": len(begun), **tables, "undecided": undecided, "passed": passed and not undecided}


def _percentiles(values: Sequence[float]) -> Iterator[tuple[str, float]]:
    for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        yield label, _at(values, share)


def _at(values: Sequence[float], share: float) -> float:
    """The value below which that share of the sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]
