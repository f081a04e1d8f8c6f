"""The ladder: one rate after another against one WedSync, until a rate is not sustained; then halves the gap.

Sustained means: p99 at most 100 ms from the scheduled send to the last member, nothing lost, duplicated or out of order, no
refusal or resync, and 98 % of the offered rate delivered within the window. These are the rules of `../shared/peers` too.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bench.generator import Plan, Step
from bench.installation import Installation
from bench.meters import Reading, read_meters, resident_megabytes
from bench.wedding_load import edits_of, found_weddings, small_wedding

LONGEST_P99_MS: Final = 100.0
LEAST_SHARE_DELIVERED: Final = 0.98
#: A step that failed while other programs took more than this share of a core is run again.
DISTURBED_ABOVE: Final = 0.15
RETRIES: Final = 2

Result = dict[str, Any]


class Generator:
    """The generator's process and the servers that it loads."""

    def __init__(self, process: asyncio.subprocess.Process, installation: Installation) -> None:
        self._process = process
        self._pids: Mapping[str, int] = installation.pids()

    async def joined(self) -> float:
        """Wait until all members are in; returns the seconds it took."""
        return float((await self._line())["joined"])

    async def run(self, step: Step) -> Result:
        """Offer one rate; the result has CPU and memory per process added."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(step) + b"\n")
        before = after = read_meters(self._pids)
        while "result" not in (said := await self._line()):
            if "begin" in said:
                before = read_meters(self._pids)
            else:
                after = read_meters(self._pids)
        result: Result = said["result"]
        return add_meters(result, before, after, resident_megabytes(self._pids))

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("The load generator has ended; its error stands above.")
        return msgspec.json.decode(line, type=dict[str, Any])


def add_meters(result: Result, before: Reading, after: Reading, resident: Mapping[str, float]) -> Result:
    """Add what the processes used in the window, and whether the rate was sustained."""
    spent = {name: round(after.cpu_seconds[name] - before.cpu_seconds[name], 3) for name in after.cpu_seconds}
    wall, delivered = result["window_seconds"], max(1.0, result["achieved_ops_per_second"] * result["window_seconds"])
    generator = result["generator_cpu_seconds"]
    others = after.machine_seconds - before.machine_seconds - sum(spent.values()) - generator
    return result | {
        "cpu_us_per_op": {name: round(1e6 * seconds / delivered, 1) for name, seconds in spent.items()}
        | {"generator": round(1e6 * generator / delivered, 1)},
        "cpu_share": {name: round(seconds / wall, 3) for name, seconds in spent.items()}
        | {"generator": round(generator / wall, 3)},
        "other_programs_share": round(max(0.0, others / wall), 3),
        "resident_mb": dict(resident),
        "sustained": sustained(result),
    }


def sustained(result: Result) -> bool:
    """Judge one step."""
    clean = not (
        result["lost"] or result["duplicated"] or result["out_of_order"] or result["disturbances"] or result["overloaded"]
    )
    quick = bool(result["latency_ms"]) and result["latency_ms"]["p99"] <= LONGEST_P99_MS
    return clean and quick and result["achieved_ops_per_second"] >= LEAST_SHARE_DELIVERED * result["rate"]


async def climb(
    generator: Generator, first_rate: float, *, seconds: float, refinements: int, tell: Callable[[Result], None]
) -> list[Result]:
    """Double the rate until it is not sustained, then halve the gap; returns every step."""
    steps: list[Result] = []
    good, bad, rate = 0.0, 0.0, first_rate
    while not bad or refinements:
        step = await run_step(generator, rate, seconds=seconds)
        steps.append(step)
        tell(step)
        if step["sustained"]:
            good = rate
        else:
            bad = rate
        if bad:
            refinements -= 1
            if refinements < 0 or not good:
                break
            rate = round((good + bad) / 2)
        else:
            rate *= 2
    return steps


async def run_step(generator: Generator, rate: float, *, seconds: float, conflicting: float = 0.0) -> Result:
    """Run one rate; again when it failed while other programs took the processor."""
    step = Step(rate, seconds, warmup_seconds=min(2.0, seconds / 4), conflicting=conflicting)
    result = await generator.run(step)
    for _ in range(RETRIES):
        if result["sustained"] or result["other_programs_share"] <= DISTURBED_ABOVE:
            break
        result = await generator.run(step)
    return result


@asynccontextmanager
async def loaded_weddings(
    installation: Installation, folder: Path, *, weddings: int, members: int, seed: int
) -> AsyncIterator[Generator]:
    """Create the weddings, start the generator and let all members join."""
    items = small_wedding()
    sockets = await found_weddings(installation.site, weddings, members, items)
    address = urlsplit(installation.url)
    assert address.hostname is not None
    assert address.port is not None
    plan = folder / "plan.json"
    plan.write_bytes(msgspec.json.encode(Plan(address.hostname, address.port, members, sockets, edits_of(items, seed), seed)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bench.generator", str(plan)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Generator(process, installation)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
