"""Presence under load: 10,000 updates a second in 500 weddings, from the moment an update is due to its arrival at the others.

Judged: p99 of the propagation under 50 ms, every last word known to everybody, and the gateways' memory, which may grow by 10 %
at most after the first minute. A run shorter than two minutes judges no memory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bench.installation import Installation
from bench.meters import Reading, read_meters, resident_megabytes
from bench.presence_generator import PresencePlan
from bench.wedding_load import found_weddings

LONGEST_P99_MS: Final = 50.0
MOST_GROWTH: Final = 0.10
WARMUP_SECONDS: Final = 3.0
_MEMORY_SECONDS: Final = 10.0
_FIRST_SECONDS: Final = 60.0


async def run_presence(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Found the weddings, offer the load, and judge."""
    installation = Installation(folder, gateways=options.gateways, environment={"WEDSYNC_LOG_LEVEL": "warning"})
    async with installation:
        _tell(f"WedSync serves at {installation.url}; creating {options.weddings} weddings of {options.members}")
        plan = await _plan(installation, folder, options)
        result = await _offer(plan, installation.pids())
    result |= {"passed": _passed(result)}
    _print(result)
    return result


async def _plan(installation: Installation, folder: Path, options: argparse.Namespace) -> Path:
    sockets = await found_weddings(installation.site, options.weddings, options.members, {})
    address = urlsplit(installation.url)
    assert address.hostname is not None
    assert address.port is not None
    plan = PresencePlan(
        address.hostname,
        address.port,
        options.members,
        sockets,
        options.rate or 10_000.0,
        WARMUP_SECONDS,
        options.seconds,
        options.seed,
    )
    path = folder / "plan.json"
    path.write_bytes(msgspec.json.encode(plan))
    return path


async def _offer(plan: Path, pids: Mapping[str, int]) -> dict[str, Any]:
    """Run the generator; reads the meters at both ends of the window, and memory in between."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bench.presence_generator", str(plan)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    memory: list[tuple[float, float]] = []
    before = after = read_meters(pids)
    watching: asyncio.Task[None] | None = None
    try:
        while line := await process.stdout.readline():
            said = msgspec.json.decode(line, type=dict[str, Any])
            if "joined" in said:
                _tell(f"all members joined in {said['joined']:.1f} s")
            elif "begin" in said:
                before = read_meters(pids)
                watching = asyncio.create_task(_watch(pids, memory))
            elif "end" in said:
                after = read_meters(pids)
            else:
                result: dict[str, Any] = said["result"]
                return result | _costs(result, before, after) | {"gateway_mb": memory}
    finally:
        if watching is not None:
            watching.cancel()
        if process.returncode is None:
            process.terminate()
        await process.wait()
    raise RuntimeError("The load generator has ended; its error stands above.")


async def _watch(pids: Mapping[str, int], memory: list[tuple[float, float]]) -> None:
    """Note what the gateways hold, as (seconds since the begin, megabytes)."""
    gateways = {name: pid for name, pid in pids.items() if name.startswith("gateway")}
    began = time.perf_counter()
    while True:
        memory.append((round(time.perf_counter() - began, 1), round(sum(resident_megabytes(gateways).values()), 1)))
        await asyncio.sleep(_MEMORY_SECONDS)


def _costs(result: Mapping[str, Any], before: Reading, after: Reading) -> dict[str, Any]:
    spent = {name: after.cpu_seconds[name] - before.cpu_seconds[name] for name in after.cpu_seconds}
    spent["generator"] = result["generator_cpu_seconds"]
    others = after.machine_seconds - before.machine_seconds - sum(spent.values())
    return {
        "cpu_us_per_update": {name: round(1e6 * seconds / result["updates"], 1) for name, seconds in spent.items()},
        "cpu_share": {name: round(seconds / result["window_seconds"], 3) for name, seconds in spent.items()},
        "other_programs_share": round(max(0.0, others / result["window_seconds"]), 3),
    }


def growth_of(memory: list[tuple[float, float]]) -> float | None:
    """The share by which memory grew after the first minute; None for a run too short to tell."""
    later = [megabytes for seconds, megabytes in memory if seconds >= _FIRST_SECONDS]
    return later[-1] / later[0] - 1 if memory and memory[-1][0] >= 2 * _FIRST_SECONDS else None


def _passed(result: Mapping[str, Any]) -> bool:
    growth = growth_of(result["gateway_mb"])
    is_quick = result["latency_ms"].get("p99", LONGEST_P99_MS) < LONGEST_P99_MS
    is_offered = result["sent_per_second"] >= 0.98 * result["rate"]
    is_whole = not result["lost"] and not result["disturbances"]
    return is_quick and is_offered and is_whole and (growth is None or growth < MOST_GROWTH)


def _print(result: Mapping[str, Any]) -> None:
    growth = growth_of(result["gateway_mb"])
    print(
        f"{result['sent_per_second']:.0f} updates/s sent, {result['frames_per_second']:.0f} frames/s received,"
        f" {result['deliveries_per_second']:.0f} updates/s that came to another member before a later one did"
    )
    print("propagation ms  " + _shown(result["latency_ms"]) + "   (generator late: " + _shown(result["generator_late_ms"]) + ")")
    print(f"last words unknown {result['lost']}, disturbances {result['disturbances'] or 'none'}")
    for name, micros in result["cpu_us_per_update"].items():
        print(f"{name:15} {micros:8.1f} us/update {result['cpu_share'][name]:8.0%} of a core")
    print(f"other programs took {result['other_programs_share']:.0%} of a core")
    told = "not judged, the run was too short" if growth is None else f"{growth:+.1%} after the first minute"
    memory = [megabytes for _, megabytes in result["gateway_mb"]]
    print(f"gateway memory {memory[0]:.0f} -> {memory[-1]:.0f} MB: {told}" if memory else "gateway memory not read")
    print("passed" if result["passed"] else "FAILED")


def _shown(latency: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in latency.items())


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
