"""The bare floor of `../shared/peers` under the same load in the same run, for comparison. Needs node and npm."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from config.supervision.ports import free_port


class PeersMissing(Exception):
    """The peers cannot be run here; the message says what is missing."""

    code = "peers_missing"


async def floor_rate(source: Path, folder: Path, *, weddings: int, members: int, seconds: float, start: float) -> float:
    """Install the peers' packages in a copy of their folder and return the highest rate that the floor sustains, in ops/s."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PeersMissing(f"The program {program} is not on PATH; install Node.js 20 or newer.")
    if not (source / "ladder.sh").is_file():
        raise PeersMissing(f"{source} holds no ladder.sh; name the folder of the peers with --peers.")
    copy = folder / "peers"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("node_modules", "results"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    await _run(copy, ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], {})
    settings = {
        "PYTHON": sys.executable,
        "ROOMS": str(weddings),
        "MEMBERS": str(members),
        "SECONDS_PER_STEP": f"{seconds:.0f}",
        "START": f"{start:.0f}",
        "PORT": str(free_port()),
        "OUT": str(folder / "floor"),
    }
    await _run(copy, ["./ladder.sh", "floor"], settings)
    lines = (folder / "floor" / "ladder-floor.jsonl").read_text(encoding="utf-8").splitlines()
    return max((float(step["offered_ops_s"]) for step in map(json.loads, lines) if step.get("sustained")), default=0.0)


async def _run(folder: Path, command: list[str], settings: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, **settings}, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise PeersMissing(f"`{' '.join(command)}` failed in {folder}; its error stands above.")
