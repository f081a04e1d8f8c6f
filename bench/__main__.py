"""`python -m bench` (also `make bench`): the ladder of 200 weddings of five; `faults`: kills under load; `cluster`: kills of
leaders among three NATS servers; `outage`: PostgreSQL frozen for minutes; `rude`: bad clients too; `reminders`: 10,000 of them
in one minute; `conflicts`: one op in ten meets an unseen write; `activation`: opening a wedding after 1,000,000 ops;
`moves`: hosts go, come and die;
`trimming`: a small log under 5,000 ops/s; `presence`: 10,000 presence updates/s in 500 weddings;
`ghosts`: people of killed gateways; `stalled`: one who does not read among 1,000; `joins`: a fourth gateway's share of the
next 1,000; `fold`: what one op costs, without servers; `documents`: a text after 1,000,000 edits.

Starts a WedSync of its own in a temporary folder on free ports and ends it. Progress goes to standard error, the report to
standard output, and with --json also to a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench.activation import run_activation
from bench.cluster import run_cluster
from bench.conflicts import run_conflicts
from bench.documents import run_documents
from bench.faults import run_faults
from bench.fold import run_fold
from bench.ghosts import run_ghosts
from bench.installation import Installation
from bench.joins import run_joins
from bench.ladder import climb, loaded_weddings, run_step
from bench.moves import run_moves
from bench.outage import run_outage
from bench.peers import PeersMissing, floor_rate
from bench.presence import run_presence
from bench.reminders import run_reminders
from bench.report import step_line, summary
from bench.rude import run_rude
from bench.stalled import run_stalled
from bench.trimming import run_trimming

#: The load must not be held back by limits made for people.
_ENVIRONMENT = {"WEDSYNC_LOG_LEVEL": "warning"}


def main() -> int:
    """Read the options and run."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="wedsync-bench-") as folder:
        report = asyncio.run(RUNS[options.load](Path(folder), options))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["passed"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure WedSync under load.")
    parser.add_argument("load", nargs="?", choices=sorted(RUNS), default="ladder", help="what to run (default: ladder)")
    parser.add_argument(
        "--rate",
        type=float,
        help="offer this rate alone, in ops/s (default: climb a ladder; faults: 200; cluster: 100; rude: 1000)",
    )
    parser.add_argument("--start", type=float, default=1000.0, help="first rate of the ladder, in ops/s")
    parser.add_argument("--seconds", type=float, help="length of a step's window (default 8; faults: 60; cluster: 25)")
    parser.add_argument("--weddings", type=int, help="how many weddings (default 200; faults, cluster: 20)")
    parser.add_argument("--members", type=int, help="members per wedding (default 5; presence: 2)")
    parser.add_argument(
        "--refine", type=int, default=2, help="how often the gap between the last good and the bad rate is halved"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the random edits")
    parser.add_argument("--quick", action="store_true", help="20 weddings, windows of 3 s: to see that it works")
    parser.add_argument("--peers", type=Path, help="folder of the peers: measure the bare floor in the same run")
    parser.add_argument("--kill", action="append", help="faults: kill only this one (host, gateway, nats, postgres); repeatable")
    parser.add_argument("--rounds", type=int, default=8, help="cluster: how many leaders are killed (default 8)")
    parser.add_argument("--ops", type=int, default=1_000_000, help="activation: past ops of the long wedding")
    parser.add_argument("--days", type=int, default=400, help="activation: days over which both histories go")
    parser.add_argument("--moves", type=int, default=20, help="moves: how often a host goes and comes in good order")
    parser.add_argument("--kills", type=int, default=0, help="moves, ghosts: how often a host, a gateway is killed")
    parser.add_argument("--gateways", type=int, default=1, help="presence: how many gateways")
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    options = parser.parse_args()
    is_long = options.load in {"faults", "cluster", "outage", "reminders"}
    is_presence = options.load == "presence"
    options.weddings = options.weddings or (20 if is_long or options.quick else 500 if is_presence else 200)
    options.members = options.members or (2 if is_presence else 5)
    seconds = {"faults": 60.0, "cluster": 25.0, "outage": 120.0, "trimming": 150.0, "reminders": 60.0, "presence": 360.0}.get(
        options.load, 8.0
    )
    options.seconds = options.seconds or (3.0 if options.quick else seconds)
    return options


async def _run_load(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    async with Installation(folder, environment=_ENVIRONMENT) as installation:
        _tell(f"WedSync serves at {installation.url}; creating {options.weddings} weddings of {options.members}")
        load = loaded_weddings(installation, folder, weddings=options.weddings, members=options.members, seed=options.seed)
        async with load as generator:
            joined = await generator.joined()
            _tell(f"{options.weddings * options.members} members joined in {joined:.1f} s")
            if options.rate:
                steps = [await run_step(generator, options.rate, seconds=options.seconds)]
                _tell(step_line(steps[0]))
            else:
                steps = await climb(
                    generator,
                    options.start,
                    seconds=options.seconds,
                    refinements=options.refine,
                    tell=lambda step: _tell(step_line(step)),
                )
    floor = await _floor(folder, options)
    print(summary(steps, floor))
    return {
        "weddings": options.weddings,
        "members": options.members,
        "join_seconds": joined,
        "steps": steps,
        "floor_ops_per_second": floor,
        "passed": any(step["sustained"] for step in steps),
    }


async def _floor(folder: Path, options: argparse.Namespace) -> float | None:
    if options.peers is None:
        return None
    try:
        _tell("the bare floor under the same load")
        return await floor_rate(
            options.peers,
            folder,
            weddings=options.weddings,
            members=options.members,
            seconds=options.seconds,
            start=options.start,
        )
    except PeersMissing as missing:
        _tell(f"floor not measured: {missing}")
        return None


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


RUNS: dict[str, Callable[[Path, argparse.Namespace], Coroutine[Any, Any, dict[str, Any]]]] = {
    "ladder": _run_load,
    "cluster": run_cluster,
    "conflicts": run_conflicts,
    "documents": run_documents,
    "activation": run_activation,
    "ghosts": run_ghosts,
    "moves": run_moves,
    "faults": run_faults,
    "fold": run_fold,
    "joins": run_joins,
    "outage": run_outage,
    "presence": run_presence,
    "rude": run_rude,
    "stalled": run_stalled,
    "reminders": run_reminders,
    "trimming": run_trimming,
}

if __name__ == "__main__":
    sys.exit(main())
