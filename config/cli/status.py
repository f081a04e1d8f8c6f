"""`wedsync status`: role, id, pid, ports and state of every process of a data folder, the standing alarms and the last scrub.

What runs is said by `runtime_state`, what needs an operator by PostgreSQL; here it is shown. Exit code 0 when everything serves,
3 when it does not, 4 when it does and an alarm stands.
"""

import asyncio
import json
from typing import Annotated, Any

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.errors import ConfigError
from config.supervision.data_folder import DataFolder
from config.supervision.roles import role_settings
from config.supervision.runtime_state import current_state

EXIT_NOT_RUNNING = 3
EXIT_ALARM = 4
_PATIENCE_SECONDS = 3.0
_NOT_KNOWN: dict[str, Any] = {"alarms": None, "lastScrub": None}


def command(
    data: Data = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Show every process and its state."""
    folder = DataFolder(data)
    state = current_state(folder)
    state |= asyncio.run(_outlook(folder)) if state["pid"] is not None else _NOT_KNOWN
    if as_json:
        typer.echo(json.dumps(state, indent=2))
    else:
        _print_table(state)
    if not state["serving"]:
        return EXIT_NOT_RUNNING
    return EXIT_ALARM if state["alarms"] else 0


async def _outlook(folder: DataFolder) -> dict[str, Any]:
    """What an operator must act on; None where PostgreSQL does not answer."""
    from store import alarms, scrubs
    from store.errors import StoreError
    from store.postgres import Database

    try:
        url = role_settings(folder, "host").database_url.get_secret_value()
        database = await Database.open(url, max_size=1, timeout_seconds=_PATIENCE_SECONDS)
    except (StoreError, ConfigError):  # away, or its address is another command's environment
        return _NOT_KNOWN
    try:
        standing = await alarms.standing(database)
        scrub = await scrubs.last(database)
    except StoreError:
        return _NOT_KNOWN
    finally:
        await database.close()
    return {
        "alarms": [
            {
                "name": each.name,
                "source": each.source,
                "message": each.message,
                "raisedAt": each.raised_at.isoformat(timespec="seconds"),
            }
            for each in standing
        ],
        "lastScrub": scrub
        and {
            "finishedAt": scrub.finished_at.isoformat(timespec="seconds"),
            "ranges": scrub.ranges,
            "messages": scrub.messages,
            "differences": scrub.differences,
        },
    }


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
    for alarm in state["alarms"] or ():
        # Plain, so that a message is never cut or coloured.
        typer.echo(f"ALARM {alarm['name']} since {alarm['raisedAt']} from {alarm['source']}: {alarm['message']}")
    if scrub := state["lastScrub"]:
        typer.echo(f"last scrub: {scrub['finishedAt']}, {scrub['messages']} messages, {scrub['differences']} differences")
    elif state["alarms"] is not None:
        typer.echo("last scrub: never")
