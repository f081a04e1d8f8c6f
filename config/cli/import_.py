"""`wedsync import DIR`: bring a wedding folder into a running WedSync, and say what is wrong in it.

Standard output has one line per problem and `imported <wedding>: N items, P problems` at the end; N counts the data rows of all
files and the people, those that were left out included. Exit code 2: the folder cannot be read, and nothing was written.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.supervision.data_folder import DataFolder


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with wedding.json and its csv files.")],
    data: Data = DEFAULT_DATA,
) -> int:
    """Import a wedding folder; a second import changes only what differs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from config.cli.importer.plan import plan_of
    from config.cli.importing import Site, bring_about

    plan = plan_of(directory)
    site = Site.of(DataFolder(data))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"importing {plan.wedding}", total=None)
        asyncio.run(bring_about(site, plan, lambda done, total: bar.update(task, completed=done, total=total)))
    for problem in plan.problems:
        typer.echo(problem.line())
    typer.echo(f"imported {plan.wedding}: {plan.rows} items, {len(plan.problems)} problems")
    return 0
