"""`wedsync backup FILE` and `wedsync restore FILE`: keys, log and PostgreSQL, in one file.

A backup can be taken while WedSync runs. The file holds everything, secrets included, in plain: keep it accordingly.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.logging import configure_logging
from config.settings import load_settings
from config.supervision.data_folder import DataFolder

if TYPE_CHECKING:
    from config.supervision.backup import Progress


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; an older one of this name is replaced.")],
    data: Data = DEFAULT_DATA,
) -> int:
    """Write everything into one file, while WedSync runs or not."""
    from config.supervision.backup import save_backup

    configure_logging(load_settings(data_dir=data), role="backup")
    with _progress() as progress:
        asyncio.run(save_backup(DataFolder(data), file.absolute(), progress))
    typer.echo(f"backup of {DataFolder(data).path} written to {file}", err=True)
    return 0


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `wedsync backup` has written.")],
    data: Data = DEFAULT_DATA,
) -> int:
    """Make a data folder from a backup."""
    from config.supervision.backup import load_backup

    configure_logging(load_settings(data_dir=data), role="restore")
    with _progress() as progress:
        asyncio.run(load_backup(file.absolute(), DataFolder(data), progress))
    typer.echo(f"{file} restored to {DataFolder(data).path}: start it with `wedsync up --data {data}`", err=True)
    return 0


@contextmanager
def _progress() -> Iterator["Progress"]:
    """Show on standard error what is being copied."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, count: bar.update(task, description=what, advance=count)
