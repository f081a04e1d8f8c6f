"""The campaign of the damaged log: files of nats-server rot between two starts, by a bit or by a cut, after a stop or a crash.

With one server nothing can bring such ops back, so what is required is: nothing is served wrongly, `wedsync scrub` finds it,
`wedsync reseed` repairs it, and nothing that PostgreSQL had is lost. What only the log had is counted and told.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import psutil

from bench.installation import Installation, InstallationFailed
from bench.soak.checks import apart, holes_in_store, lost, twice, unanswered
from bench.soak.crowd import Crowd, gathered
from bench.soak.history import History, Stored
from bench.soak.members import soak_wedding
from bench.soak.reminders import fired_in, silent
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.run import Options, at_the_end
from bench.soak.stored import decisions_of, proofs_of
from bench.soak.strike import frozen
from bench.wedding_load import found_weddings
from tests.support.damage import flip_bit, remove_description, remove_index, truncate

RATE: Final = 40.0
WORK_SECONDS: Final = 6.0
#: A crash finds so many seconds of ops in the log alone, since PostgreSQL stood still.
UNSTORED_SECONDS: Final = 2.0
FOUND_EXIT_CODE: Final = 1


class Round(NamedTuple):
    """One damage: its name, whether it comes after a crash, and what is done to the folder at which share of the first block."""

    name: str
    crash: bool
    hurt: Callable[[Path, float], None]


def _without_index(hurt: Callable[..., None], store: Path, at: float) -> None:
    hurt(store, at=at)
    remove_index(store)


ROUNDS: Final = (
    Round("one bit turned over, after a stop", False, lambda store, at: flip_bit(store, at=at)),
    Round("one bit turned over, after a crash", True, partial(_without_index, flip_bit)),
    Round("the file cut off, after a crash", True, partial(_without_index, truncate)),
    Round("the stream's own description gone, after a crash", True, lambda store, _at: remove_description(store)),
)


async def run_damage(folder: Path, options: Options) -> int:
    """Run every round on one installation and print; returns how much is broken."""
    print(heading(options.seed, len(ROUNDS) * WORK_SECONDS, RATE, {}), flush=True)
    draw = random.Random(f"damage {options.seed}")
    installation = Installation(folder, gateways=1, hosts=2, environment={"WEDSYNC_LOG_LEVEL": "info"})
    history = History(folder / "history.jsonl")
    offences: list[str] = []
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        site = installation.site
        plans = await found_weddings(site, 4, 3, soak_wedding(), prefix="soak")
        weddings = sorted({plan.wedding for plan in plans})
        async with gathered(history, site, plans, session) as crowd:
            for number, each in enumerate(ROUNDS):
                # Each round writes other texts.
                seed = options.seed * 10 + number
                offences += await _one_round(installation, crowd, each, seed, draw.uniform(0.2, 0.8))
            await _work(crowd, options.seed * 10 + len(ROUNDS), options.healed_seconds)
            await crowd.answered(options.healed_seconds)
            actors, copies, differences = await at_the_end(crowd, site, weddings, options)
        offences += differences + await proofs_of(site, actors)
        stored = await decisions_of(site, weddings)
    history.close()
    print(counts(history.entries, [], 0, len(stored), fired_in(stored)))
    print(errors_in(installation.log_path))
    print(f"acknowledged ops that only the damaged files had, and that nobody sent again: {len(lost(history.entries, stored))}")
    # Who asks by another entrance was cut off in the middle of a question at each crash.
    names = {member.name for member in crowd.members}
    asked = [entry for entry in history.entries if entry.client in names]
    offences += [*twice(stored), *silent(stored), *holes_in_store(stored), *apart(actors, copies), *unanswered(asked)]
    print(verdict(offences, options.seed, history.path, options.shown), flush=True)
    return len(offences)


async def _one_round(installation: Installation, crowd: Crowd, each: Round, seed: int, at: float) -> list[str]:
    """Work, stop, damage, look, repair, start; returns what was not as promised."""
    site, weddings = installation.site, sorted({member.client.wedding for member in crowd.members})
    await _work(crowd, seed, patience_seconds=20.0)
    before = await decisions_of(site, weddings)
    if each.crash:
        postgres = psutil.Process(next(entry["pid"] for entry in site.processes() if entry["role"] == "postgres"))
        with frozen(postgres):
            await _work(crowd, seed + 5, patience_seconds=0.0, seconds=UNSTORED_SECONDS)
            await installation.kill_everything()
    else:
        await installation.stop()
    each.hurt(installation.data.nats_directory, at)
    refuses = await _refuses(installation)
    word = "refused to start" if refuses else "started, since all that is gone is stored"
    found, differences = await _command(installation, "scrub")
    # A log that may be folded is replaced only by who insists.
    repaired, told = await _command(installation, "reseed", *([] if refuses else ["--force"]))
    began = time.monotonic()
    await installation.start()
    said = "; ".join(line for line in told if not line.startswith("{"))
    print(
        f"{each.name}, at {at:.0%}: {word}; {differences[-1]}; reseed: {said}; up after {time.monotonic() - began:.1f} s",
        flush=True,
    )
    offences = [] if found == FOUND_EXIT_CODE else [f"damage: {each.name}: scrub ended with {found}: {differences}"]
    if repaired:
        offences.append(f"damage: {each.name}: reseed ended with {repaired}: {told}")
    after = {(one.wedding, one.position, one.op): one for one in await decisions_of(site, weddings)}
    return offences + [
        f"damage: {each.name}: {_name(one)} was stored and is not any more" for one in before if _key(one) not in after
    ]


def _key(one: Stored) -> tuple[str, int, str]:
    return one.wedding, one.position, one.op


def _name(one: Stored) -> str:
    return f"{one.wedding} {one.op} at {one.position}"


async def _work(crowd: Crowd, seed: int, patience_seconds: float, seconds: float = WORK_SECONDS) -> None:
    until = time.monotonic() + seconds
    await crowd.work(seed, RATE, lambda: time.monotonic() >= until, patience_seconds=patience_seconds, publishers=1)


async def _refuses(installation: Installation) -> bool:
    try:
        await installation.start()
    except InstallationFailed:
        return True
    await installation.stop()
    return False


async def _command(installation: Installation, name: str, *options: str) -> tuple[int, Sequence[str]]:
    """Run a command of the operator; gives its exit code and the lines that it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "config.cli.app", name, "--data", str(installation.data.path), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode().splitlines()
