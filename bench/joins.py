"""A gateway that is added to three on the same port: how many of the next 1,000 joins come to it.

The kernel deals out connections by their addresses; at least half of an equal share must come to the newcomer.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import psutil

from bench.gathering import Gathering
from bench.installation import Installation
from bench.wedding_load import found_weddings, small_wedding

GATEWAYS: Final = 3
JOINS: Final = 1_000
_NEWCOMER: Final = "gateway-new"


async def run_joins(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run it, print, and judge."""
    async with Installation(folder, gateways=GATEWAYS, environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation:
        plans = await found_weddings(installation.site, 20, options.members, small_wedding())
        gathering = Gathering(installation.url)
        await gathering.open([plans[number % len(plans)] for number in range(JOINS)])
        pids = {name: pid for name, pid in installation.pids().items() if name.startswith("gateway")}
        newcomer = await _start_newcomer(installation)
        try:
            before = _sockets_of({**pids, _NEWCOMER: newcomer.pid}, installation.port)
            await gathering.open([plans[number % len(plans)] for number in range(JOINS)])
            after = _sockets_of({**pids, _NEWCOMER: newcomer.pid}, installation.port)
        finally:
            gathering.close()
            newcomer.terminate()
            await newcomer.wait()
    came = {name: after[name] - before[name] for name in after}
    share = came[_NEWCOMER] / (JOINS / (GATEWAYS + 1))
    result = {"joins_before": before, "next_joins": came, "share_of_an_equal_part": round(share, 2), "passed": share >= 1 / 2}
    print("\n".join(f"{name}: {value}" for name, value in result.items()))
    return result


async def _start_newcomer(installation: Installation) -> asyncio.subprocess.Process:
    """`wedsync gateway --share-port` beside the three."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "config.cli.app", "gateway", "--data", str(installation.data.path)),
        *("--id", _NEWCOMER, "--port", str(installation.port), "--share-port"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.startswith(b"READY "):
        raise RuntimeError(f"The new gateway said {line!r}.")
    return process


def _sockets_of(pids: dict[str, int], port: int) -> dict[str, int]:
    """How many clients each process has."""
    return {
        name: sum(
            each.status == psutil.CONN_ESTABLISHED and bool(each.laddr) and each.laddr.port == port
            for each in psutil.Process(pid).net_connections("tcp")
        )
        for name, pid in pids.items()
    }
