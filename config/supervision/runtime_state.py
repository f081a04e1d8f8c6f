"""What runs in a data folder now: the state file that `up` writes, corrected by what the system says.

Each pid is checked against its start time, so that a killed `up` is not taken for a running one. Read by `wedsync
status` and by the commands that need a running WedSync.
"""

from typing import Any

from config.supervision.data_folder import DataFolder
from config.supervision.process import ProcessState
from config.supervision.processes import same_process


def current_state(folder: DataFolder) -> dict[str, Any]:
    """The state file, with the states that are still true: `serving`, `httpUrl`, `natsUrl`, `processes`."""
    state = folder.read_state()
    supervised = _lives(state)
    processes = []
    for entry in state.get("processes", []):
        shown = {name: entry[name] for name in ("role", "id", "pid", "ports", "state", "restarts")}
        if not _lives(entry):
            waiting = supervised and entry["state"] != ProcessState.STOPPED
            shown |= {"state": ProcessState.WAITING if waiting else ProcessState.STOPPED, "pid": None}
        processes.append(shown)
    return {
        "serving": supervised and bool(processes) and all(each["state"] == ProcessState.READY for each in processes),
        "data": str(folder.path),
        "pid": state.get("pid") if supervised else None,
        "httpUrl": state.get("httpUrl"),
        "natsUrl": state.get("natsUrl"),
        "processes": processes,
    }


def _lives(entry: dict[str, Any]) -> bool:
    return bool(entry.get("pid") and entry.get("started") and same_process(entry["pid"], entry["started"]))
