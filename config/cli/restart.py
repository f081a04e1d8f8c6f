"""`wedsync restart gateways`: replace every gateway of a running `wedsync up`, one after the other, without an interruption.

Asks the supervisor by a signal and follows its state file; what is done there is in config.supervision.supervisor.
"""

import os
import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from config.cli.errors import RestartFailed
from config.cli.options import DEFAULT_DATA, Data
from config.supervision.data_folder import DataFolder
from config.supervision.errors import NotRunning
from config.supervision.process import ProcessState
from config.supervision.processes import running
from config.supervision.runtime_state import current_state
from config.supervision.supervisor import ROLL_SIGNAL

_LOOK_SECONDS = 0.1
#: A gateway starts within a minute and drains within half of one, or something is wrong.
_WITHIN_SECONDS_EACH = 90.0


class Restartable(StrEnum):
    """What can be replaced while it serves."""

    GATEWAYS = "gateways"


def command(
    what: Annotated[Restartable, typer.Argument(help="What to replace, one after the other.")],
    data: Data = DEFAULT_DATA,
) -> int:
    """Replace running processes one by one; each is ended when its successor serves."""
    del what
    folder = DataFolder(data)
    state = current_state(folder)
    if state["pid"] is None:
        raise NotRunning(folder=folder.path)
    before = {each["id"]: each["pid"] for each in _gateways(state)}
    os.kill(state["pid"], ROLL_SIGNAL)
    for identity, pid in before.items():
        _follow(folder, identity, pid)
    return 0


def _follow(folder: DataFolder, identity: str, pid: int | None) -> None:
    """Return when another process serves under this id and the first has ended."""
    until = time.monotonic() + _WITHIN_SECONDS_EACH
    while time.monotonic() < until:
        [gateway] = [each for each in _gateways(current_state(folder)) if each["id"] == identity]
        if gateway["state"] == ProcessState.READY and gateway["pid"] != pid and (pid is None or running(pid) is None):
            typer.echo(f"{identity}: pid {gateway['pid']} in place of {pid}")
            return
        time.sleep(_LOOK_SECONDS)
    raise RestartFailed(identity=identity, seconds=_WITHIN_SECONDS_EACH)


def _gateways(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in state["processes"] if each["role"] == "gateway"]
