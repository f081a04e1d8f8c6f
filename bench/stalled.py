"""One member who does not read among many who do: nobody else may wait for it, and the gateway's memory stays bounded.

Measures the same load without and with the stalled socket; then the socket must have been told `stale` or closed with 4408.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.gathering import Gathering
from bench.installation import Installation
from bench.load_socket import LoadSocket
from bench.meters import resident_megabytes
from bench.wedding_load import found_weddings, small_wedding

SOCKETS: Final = 1_000
#: Sockets of one person.
SOCKETS_EACH: Final = 5
#: Ops per second, each to everybody, with so much text that a stalled socket fills soon.
RATE: Final = 15.0
_TEXT: Final = "x" * 1_900
#: How much later than without it the slowest of a hundred arrivals may be.
MOST_TIMES_SLOWER: Final = 1.5
_AT_LEAST_SECONDS: Final = 0.05
_MOST_MEGABYTES: Final = 30.0
_SETTLE_SECONDS: Final = 2.0
_STALE_SECONDS: Final = 3
_ENVIRONMENT: Final = {
    "WEDSYNC_LOG_LEVEL": "warning",
    "WEDSYNC_LIMIT_SOCKET_BUFFER_BYTES": str(64 * 1024),
    "WEDSYNC_LIMIT_STALE_SECONDS_PER_SOCKET": str(_STALE_SECONDS),
}


async def run_stalled(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run it, print, and judge."""
    async with Installation(folder, environment=_ENVIRONMENT) as installation:
        plans = SOCKETS_EACH * await found_weddings(installation.site, 1, SOCKETS // SOCKETS_EACH, small_wedding())
        gathering = Gathering(installation.url)
        members = await gathering.open(plans[1:])
        [stalled] = await gathering.open(plans[:1], has_little_room=True)
        print(f"{SOCKETS} sockets in one wedding", file=sys.stderr, flush=True)
        gateway = {name: pid for name, pid in installation.pids().items() if name.startswith("gateway")}
        without = await _offer(gathering, members[0], options.seconds)
        before = sum(resident_megabytes(gateway).values())
        stalled.stall()
        with_it = await _offer(gathering, members[0], options.seconds)
        after = sum(resident_megabytes(gateway).values())
        await asyncio.sleep(_STALE_SECONDS + _SETTLE_SECONDS)
        stale, closed = await _told(installation.url)
        gathering.close()
    ops = round(options.seconds * RATE)
    result = {
        "sockets": SOCKETS,
        "p99_seconds_without": _p99(without),
        "p99_seconds_with": _p99(with_it),
        "missing": max(0, ops * SOCKETS - len(without)) + max(0, ops * (SOCKETS - 1) - len(with_it)),
        "megabytes_more": round(after - before, 1),
        "stale": stale,
        "closed_with_4408": closed,
        "disturbances": dict(gathering.disturbances),
    }
    result["passed"] = _passed(result)
    print("\n".join(f"{name}: {value}" for name, value in result.items()))
    return result


async def _offer(gathering: Gathering, author: LoadSocket, seconds: float) -> list[float]:
    """Edit at the rate; returns the delays of all arrivals, sorted."""
    loop, ops = asyncio.get_running_loop(), []
    began = loop.time()
    for number in range(round(seconds * RATE)):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        body = (
            '"type":"timeline_update","action":"update","target":{"collection":"timeline","id":"programme-10"},'
            f'"data":{{"notes":"{_TEXT}{number}"}},"base":{{"timeline.team":'
        )
        ops.append(gathering.ask(author, body, "timeline.team"))
    await asyncio.sleep(_SETTLE_SECONDS)
    return gathering.arrivals(ops)


async def _told(url: str) -> tuple[int, int]:
    """How many sockets went stale, and how many were closed as slow."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    stale = re.search(r"^wedsync_gateway_sockets_stale_total (\S+)", text, re.MULTILINE)
    closed = re.search(r'^wedsync_gateway_sockets_closed_total\{code="4408"\} (\S+)', text, re.MULTILINE)
    return int(float(stale[1])) if stale else 0, int(float(closed[1])) if closed else 0


def _p99(delays: list[float]) -> float:
    return round(delays[len(delays) * 99 // 100], 4) if delays else float("inf")


def _passed(result: dict[str, Any]) -> bool:
    slowest = max(MOST_TIMES_SLOWER * result["p99_seconds_without"], _AT_LEAST_SECONDS)
    is_bounded = result["megabytes_more"] < _MOST_MEGABYTES
    is_told = bool(result["stale"]) and bool(result["closed_with_4408"])
    return bool(result["p99_seconds_with"] <= slowest) and not result["missing"] and is_bounded and is_told
