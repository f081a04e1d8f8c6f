"""Processes of the system that are not (or no longer) our children: recognise one again, end it.

A pid alone may have been given to another program meanwhile; a pid with its start time may not. Used for what an
earlier run left behind and by `wedsync status`.
"""

import signal
import time
from pathlib import Path

import psutil

# The clock behind start times may be corrected by a little between two readings.
_START_TOLERANCE_SECONDS = 2.0
_POLL_SECONDS = 0.02


def started_at(pid: int) -> float | None:
    """When the process started, in seconds since 1970; None when there is none."""
    process = running(pid)
    try:
        return process.create_time() if process else None
    except psutil.Error:
        return None


def running(pid: int) -> psutil.Process | None:
    """The process with this pid; None when there is none, or only its exit status is left."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (psutil.Error, ValueError):
        return None


def same_process(pid: int, started: float) -> psutil.Process | None:
    """The process with this pid, if it is the one that started then."""
    now_started = started_at(pid)
    if now_started is None or abs(now_started - started) > _START_TOLERANCE_SECONDS:
        return None
    return running(pid)


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is the folder, oldest first."""
    found = [process for process in psutil.process_iter() if _working_directory(process) == str(folder)]
    return sorted(found, key=lambda process: process.pid)


def _working_directory(process: psutil.Process) -> str | None:
    try:
        return str(process.cwd())
    except (psutil.Error, OSError):
        return None


def end(process: psutil.Process, stop_signal: signal.Signals, within_seconds: float) -> None:
    """Ask the process to stop, kill it when it has not within the time, and return when it is gone."""
    for each in (stop_signal, signal.SIGKILL):
        try:
            process.send_signal(each)
        except psutil.Error:
            return
        deadline = time.monotonic() + within_seconds
        while running(process.pid) is not None and process.is_running():
            if time.monotonic() > deadline:
                break
            # Nothing tells us of the end of a process that is not our child.
            time.sleep(_POLL_SECONDS)
        else:
            return
