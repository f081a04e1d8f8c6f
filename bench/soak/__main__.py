"""`python -m bench.soak` (also `make soak`): load a WedSync of our own, kill and freeze its processes, check every promise.

Exit code 1 when anything is broken; then the folder with history and log stays. The same seed gives the same faults.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from bench.soak import texts
from bench.soak.convergence import run_convergence
from bench.soak.damage import run_damage
from bench.soak.full_log import run_full_log
from bench.soak.fuzzed import run_fuzzed
from bench.soak.proxied import run_proxied
from bench.soak.rolling import run_rolling
from bench.soak.run import Options, run_soak
from bench.soak.secrecy import run_secrecy
from bench.soak.self_test import run_self_test
from bench.soak.strategies import run_cases


def main() -> int:
    """Read the options and run."""
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="wedsync-soak-"))
    campaign, keep = arguments.pop("campaign"), arguments.pop("keep")
    broken = asyncio.run(CAMPAIGNS[campaign](folder, Options(**arguments)))
    if not broken and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken else 0


async def _faults(folder: Path, options: Options) -> int:
    return (await run_soak(folder, options)).offences.total()


async def _self_test(folder: Path, options: Options) -> int:
    return await run_self_test(folder, options.seed)


async def _strategies(folder: Path, options: Options) -> int:
    del folder
    return run_cases(options.cases, options.seed)


async def _text(folder: Path, options: Options) -> int:
    del folder
    return texts.run_cases(options.cases, options.seed)


#: Each returns how much is broken.
CAMPAIGNS: Final[dict[str, Callable[[Path, Options], Coroutine[Any, Any, int]]]] = {
    "faults": _faults,
    "self-test": _self_test,
    "full-log": run_full_log,
    "convergence": run_convergence,
    "damage": run_damage,
    "secrecy": run_secrecy,
    "proxy": run_proxied,
    "schemathesis": run_fuzzed,
    "strategies": _strategies,
    "text": _text,
    "rolling": run_rolling,
}


def _arguments() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="bench.soak", description="Hurt WedSync under load and check what it promises.")
    parser.add_argument("campaign", nargs="?", choices=sorted(CAMPAIGNS), default="faults", help="what to run (default: faults)")
    parser.add_argument("--seconds", type=float, default=180.0, help="length of load and faults (default 180)")
    parser.add_argument("--kills", type=int, help="how many single processes are killed (default: one for each 9 seconds)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of edits and faults (default: the clock)")
    parser.add_argument("--weddings", type=int, default=20, help="how many weddings (default 20)")
    parser.add_argument("--members", type=int, default=4, help="members per wedding (default 4)")
    parser.add_argument("--clients", type=int, default=50, help="clients of `proxy` and `convergence` (default 50)")
    parser.add_argument("--cases", type=int, default=20_000, help="cases of `strategies` and `text` (default 20,000)")
    parser.add_argument("--hosts", type=int, default=3, help="host processes (default 3)")
    parser.add_argument("--gateways", type=int, default=2, help="gateway processes (default 2)")
    parser.add_argument("--rate", type=float, default=60.0, help="ops per second over all weddings (default 60)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with history and log in any case")
    return vars(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
