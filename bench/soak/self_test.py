"""The checker, checked: WedSync is broken on purpose in several ways, and each must be found.

A checker that was never seen failing proves nothing. `python -m bench.soak self-test`; exit code 1 when one of them passes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.soak.nemeses import FREEZE, KILL, Blow
from bench.soak.run import Options, run_soak

#: The clients' patience after the load: what is broken never heals.
HEALED_SECONDS: Final = 6.0
#: How many broken ones run beside each other: most of their time is spent on waiting.
AT_ONCE: Final = 2
SHOWN_OFFENCES: Final = 3
#: A loss of unwritten messages is a matter of milliseconds, so a machine that is busy with other things may need another seed.
ATTEMPTS: Final = 3


class Variant(NamedTuple):
    """A way to be broken (`broken.alter`), what it is, the offences of which one must be found, or each, and its faults."""

    broken: str
    what: str
    offences: frozenset[str]
    blows: Sequence[Blow]
    rate: float = 80.0
    publishers: int = 1
    seconds: float = 8.0
    needs_each: bool = False


VARIANTS: Final = (
    Variant(
        "async",
        "streams of persist_mode async, under kill -9 of NATS",
        frozenset({"lost"}),
        [Blow(at, KILL, "nats") for at in (1.5, 3.0, 5.0, 7.0, 9.5)],
        # Members send again what has no answer, so a loss may heal; what an integrator was told to be queued is gone.
        rate=20.0,
        publishers=24,
        seconds=10.0,
    ),
    Variant(
        "dedupe",
        "a fold that decides repeats again",
        frozenset({"twice"}),
        # The hosts stand still, so that what the gateway has saved has no answer yet when it dies: it is sent again.
        [
            *(Blow(at, FREEZE, "host", number, 2.0) for at in (1.5, 5.0) for number in range(2)),
            *(Blow(at + 1.0, KILL, "gateway") for at in (1.5, 5.0)),
        ],
    ),
    Variant(
        "clock",
        "a fold that reads the clock",
        frozenset({"apart", "proof"}),
        [Blow(at, KILL, "host", number) for number, at in enumerate((2.0, 5.0))],
    ),
    Variant("rights", "a gateway that asks nobody's rights", frozenset({"unreadable"}), []),
    Variant("timers", "a host that forgets timers before it has sent them", frozenset({"silent"}), [], seconds=4.0),
    Variant(
        "verbs",
        "rules that wait for nothing, move no edit, undo over later edits and take answers the wrong way round",
        frozenset({"early", "text", "undo", "answer"}),
        [],
        needs_each=True,
    ),
)


async def run_self_test(folder: Path, seed: int) -> int:
    """Run every variant, a few at a time; returns how many were not found."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(variant: Variant) -> bool:
        async with turns:
            for attempt in range(ATTEMPTS):
                own = folder / f"{variant.broken}-{attempt}"
                own.mkdir()
                if await _is_found(own, seed + attempt, variant):
                    return True
        return False

    print(f"self-test seed {seed}", flush=True)
    found = await asyncio.gather(*map(in_turn, VARIANTS))
    word = "ok" if all(found) else "BROKEN"
    print(f"self-test seed {seed}: {sum(found)} of {len(found)} ways to be broken were found: {word}", flush=True)
    return len(found) - sum(found)


async def _is_found(folder: Path, seed: int, variant: Variant) -> bool:
    began, lines = time.monotonic(), [f"--- broken on purpose: {variant.what}"]
    options = Options(
        seed=seed,
        seconds=variant.seconds,
        weddings=3,
        members=3,
        hosts=2,
        gateways=1,
        rate=variant.rate,
        publishers=variant.publishers,
        healed_seconds=HEALED_SECONDS,
        rest=False,
        broken=variant.broken,
        blows=variant.blows,
        shown=SHOWN_OFFENCES,
    )
    outcome = await run_soak(folder, options, lines.append)
    counts = {name: outcome.offences[name] for name in sorted(variant.offences)}
    is_found = all(counts.values()) if variant.needs_each else any(counts.values())
    told = ", ".join(f"{count} x {name}" for name, count in counts.items())
    word = f"found, {told}" if is_found else f"NOT FOUND: {told}"
    lines.append(f"--- {variant.what}: {word}, in {time.monotonic() - began:.0f} s\n")
    print("\n".join(lines), flush=True)
    return is_found
