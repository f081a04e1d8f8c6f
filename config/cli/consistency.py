"""`wedsync consistency WEDDING`: do all copies of a wedding agree, and with `--repair` bring back what does not.

One line per copy on standard output: stored changes, snapshot, actor, every gateway that has it open, every connected client.
Exit code 1 when anything differs and was not repaired.
"""

import asyncio
from typing import Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.supervision.data_folder import DataFolder

DIFFERS = 1


def command(
    wedding: Annotated[str, typer.Argument(help="The wedding's id.")],
    repair: Annotated[bool, typer.Option("--repair", help="Bring back what differs.")] = False,
    data: Data = DEFAULT_DATA,
) -> int:
    """Compare all copies of a wedding, those of gateways and connected clients included."""
    from config.cli.copies import lines_of, report_of
    from config.cli.importing import Site
    from config.cli.membership import check_id

    report = asyncio.run(report_of(check_id(wedding), Site.of(DataFolder(data)), repair=repair))
    for line in lines_of(report):
        typer.echo(line)
    left = [copy for copy in report.copies if copy.agrees is False and not copy.repaired]
    typer.echo(f"{wedding}: {'all copies agree' if report.agrees else f'{len(left)} copies differ and were not repaired'}")
    return DIFFERS if left else 0
