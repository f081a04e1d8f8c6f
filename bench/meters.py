"""CPU and memory of processes, read from /proc between two marks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import psutil

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Reading(NamedTuple):
    """CPU seconds used so far, by name, and by the whole machine."""

    cpu_seconds: Mapping[str, float]
    machine_seconds: float


def read_meters(pids: Mapping[str, int]) -> Reading:
    """Read the meters of these processes with all their children (PostgreSQL has one per connection)."""
    return Reading({name: sum(map(_cpu_seconds, _family(pid, name))) for name, pid in pids.items()}, _machine_seconds())


def resident_megabytes(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory by name, the family of PostgreSQL with its shared memory counted once per process."""
    return {name: round(sum(map(_resident_bytes, _family(pid, name))) / 2**20, 1) for name, pid in pids.items()}


def _family(pid: int, name: str) -> list[int]:
    """The process, and its children except where they have names of their own."""
    if name == "up":
        return [pid]
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _machine_seconds() -> float:
    busy = psutil.cpu_times()
    return float(busy.user + busy.nice + busy.system + busy.irq + busy.softirq + busy.steal)
