"""`wedsync status`: role, id, pid, ports and state of every process of a data folder.

What runs is said by `runtime_state`; here it is shown. Exit code 0 when everything serves, 3 otherwise.
"""

import json
from typing import Annotated, Any

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.supervision.data_folder import DataFolder
from config.supervision.runtime_state import current_state

EXIT_NOT_RUNNING = 3


def command(
    data: Data = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Show every process and its state."""
    state = current_state(DataFolder(data))
    if as_json:
        typer.echo(json.dumps(state, indent=2))
    else:
        _print_table(state)
    return 0 if state["serving"] else EXIT_NOT_RUNNING


def _print_table(state: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not state["processes"]:
        console.print(f"Nothing has run in {state['data']}: start it with `wedsync up`.")
        return
    table = Table(title="serving" if state["serving"] else "not serving", title_justify="left", box=None)
    for heading in ("role", "id", "pid", "ports", "state", "restarts"):
        table.add_column(heading)
    for each in state["processes"]:
        ports = " ".join(f"{name}:{port}" for name, port in each["ports"].items())
        pid = str(each["pid"] or "-")
        table.add_row(each["role"], each["id"], pid, ports or "-", each["state"], str(each["restarts"]))
    console.print(table)
