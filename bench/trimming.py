"""`make bench ARGS="trimming --seconds 600"`: a log of 200 MB under 5,000 ops/s refuses nobody, being trimmed in time (D11).

Writes through the gateways' group commit into the log of a WedSync of its own, whose host folds, stores and trims. One process
beside it; latency is from the op's submission until it is on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.contract.ops import LogEntry, Op, Target
from actors.contract.subjects import WEDDING, log_stream, log_subject
from bench.installation import Installation
from config.supervision.roles import role_settings
from gateway.errors import GatewayError
from gateway.ops.group_commit import GroupCommit
from store.bus import Bus
from store.log_writer import LogWriter

LOG_BYTES: Final = 200_000_000
RATE: Final = 5_000.0
TICK_SECONDS: Final = 0.01
LOOK_SECONDS: Final = 1.0
#: More than this waits for the log: the machine is too slow for the rate, and offering more would only fill memory.
MOST_WAITING: Final = 20_000
_encode = msgspec.json.Encoder().encode


class Writers:
    """One author per wedding, all through one group commit."""

    def __init__(self, commit: GroupCommit, weddings: int) -> None:
        self._commit = commit
        self._client = f"20270619-{secrets.token_hex(4)}"
        self._numbers = {f"w{number}": 0 for number in range(weddings)}
        self._next = itertools.cycle(self._numbers)
        self.waiting = 0
        self.latencies_ms: list[float] = []
        self.refusals: Counter[str] = Counter()

    async def run(self, rate: float, seconds: float) -> None:
        """Offer the rate; what the log cannot take in time is offered later."""
        began = time.monotonic()
        offered = 0
        while (now := time.monotonic()) < began + seconds:
            while offered < (now - began) * rate and self.waiting < MOST_WAITING:
                self._submit(next(self._next))
                offered += 1
            await asyncio.sleep(TICK_SECONDS)
        while self.waiting:  # noqa: ASYNC110  # the end of a run
            await asyncio.sleep(TICK_SECONDS)

    def _submit(self, wedding: str) -> None:
        number = self._numbers[wedding] = self._numbers[wedding] + 1
        client = self._client + wedding
        op = Op("task_completion", "update", Target("tasks", "t"), f"{client}:{number}", {"title": f"Task {number}"})
        if number == 1:
            data: dict[str, object] = {"title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF"}
            op = Op("timeline_update", "insert", Target("wedding", wedding), f"{client}:1", data | {"role": "couple"})
        elif number == 2:
            op = msgspec.structs.replace(op, action="insert", data={"title": "Task", "done": False})
        subject = log_subject("r0", WEDDING, wedding, "ana")
        began = time.monotonic()
        self.waiting += 1
        saved = self._commit.submit((subject, client), subject, _encode(LogEntry(op, "websocket", "bench/1")))
        saved.add_done_callback(lambda done: self._told(began, done))

    def _told(self, began: float, saved: asyncio.Future[int]) -> None:
        self.waiting -= 1
        error = saved.exception()
        if error is None:
            self.latencies_ms.append((time.monotonic() - began) * 1000)
        else:
            self.refusals[error.message if isinstance(error, GatewayError) else str(error)] += 1


async def run_trimming(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Write for the time given and report refusals, the fill of the log and latencies."""
    environment = {"WEDSYNC_LOG_LEVEL": "warning", "WEDSYNC_LOG_MAX_BYTES": str(LOG_BYTES)}
    async with Installation(folder, environment=environment) as installation:
        settings = role_settings(installation.data, "gateway")
        bus = await Bus.connect(
            settings.nats_url.get_secret_value(),
            user=settings.nats_user,
            password=settings.nats_password.get_secret_value(),
            name="bench",
            inbox_prefix="_INBOX_gateway",
        )
        writer = await LogWriter.open(bus, secrets.token_hex(16))
        commit = GroupCommit(
            writer,
            batch_ops=settings.commit_batch_ops,
            publishes_in_flight=settings.commits_in_flight,
            timeout_seconds=settings.publish_timeout_seconds,
            waiting_bytes_limit=settings.limits.waiting_bytes_per_gateway,
        )
        writers = Writers(commit, options.weddings)
        fills: list[int] = []
        watching = asyncio.create_task(_watch(installation, fills))
        await writers.run(options.rate or RATE, options.seconds)
        watching.cancel()
        await asyncio.wait([watching])
        await bus.close()
    return _report(writers, fills, options.seconds)


async def _watch(installation: Installation, fills: list[int]) -> None:
    """Note how full the log is, with the rights of a host."""
    settings = role_settings(installation.data, "host")
    bus = await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="bench-watch",
        inbox_prefix="_INBOX_host",
    )
    try:
        while True:
            fills.append((await bus.js_request(f"STREAM.INFO.{log_stream(0)}"))["state"]["bytes"])
            print(f"log {fills[-1] / 1e6:6.1f} MB", file=sys.stderr, flush=True)
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await bus.close()


def _report(writers: Writers, fills: list[int], seconds: float) -> dict[str, Any]:
    saved = sorted(writers.latencies_ms)
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    latency = {label: saved[min(len(saved) - 1, int(len(saved) * share))] for label, share in shares.items()}
    refused = sum(writers.refusals.values())
    fullest = max(fills) / LOG_BYTES
    trims = sum(later < earlier for earlier, later in itertools.pairwise(fills))
    print(f"{len(saved)} ops saved, {len(saved) / seconds:.0f} ops/s, {refused} refused {dict(writers.refusals)}")
    print(f"fullest {fullest:.0%} of {LOG_BYTES / 1e6:.0f} MB, trimmed {trims} times")
    print("saved after " + ", ".join(f"{label} {value:.0f} ms" for label, value in latency.items()))
    return {
        "saved": len(saved),
        "refused": refused,
        "fullest": fullest,
        "trims": trims,
        "latency_ms": latency,
        "passed": not refused and trims > 0,
    }
