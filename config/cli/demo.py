"""`wedsync demo`: the wedding that we ship, played by six people over real sockets and told on the terminal.

Needs a running WedSync; every run makes a wedding of its own. Exit code 0 only if all six views agree with the actor at the end.
"""

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from config.cli.options import DEFAULT_DATA, Data, operator_settings
from config.settings import Settings
from config.supervision.data_folder import DataFolder

if TYPE_CHECKING:
    from rich.console import Console

    from config.cli.importing import Site

FOLDER = Path(__file__).resolve().parents[1] / "demo" / "wedding"
DISAGREES = 1


def command(data: Data = DEFAULT_DATA) -> int:
    """Play a wedding with six people, and prove at the end that all their views agree."""
    from rich.console import Console

    from config.cli.importing import Site

    settings = operator_settings(data)
    return asyncio.run(_play(Site.of(DataFolder(data)), settings, Console(highlight=False)))


async def _play(site: "Site", settings: Settings, console: "Console") -> int:
    from config.cli.importer.plan import plan_of
    from config.cli.importing import bring_about
    from config.cli.membership import desk
    from config.demo.agreement import compare
    from config.demo.stage import stage_of
    from config.demo.story import SCENES

    plan = plan_of(FOLDER)
    plan = plan._replace(wedding=f"{plan.wedding}-{secrets.token_hex(3)}")
    console.print(f"[bold]{plan.fields['title']}[/], {plan.fields['date']}, {plan.fields['venue']['name']} ({plan.wedding})")
    ops = await bring_about(site, plan, lambda _done, _total: None)
    console.print(f"  {plan.rows} rows of a messy folder became {ops} ops; {len(plan.problems)} problems were found in it")
    async with desk(settings) as operator, stage_of(site, plan.wedding, console) as stage:
        for scene in SCENES:
            await scene(stage)
        stage.scene("Do all six see the same wedding?")
        standing = await operator.standing(plan.wedding)
        agreement = await compare(stage.people, {} if standing is None else standing.channels)
    console.print(agreement.table)
    for difference in agreement.differences:
        console.print(f"  [bold red]{difference}[/]")
    if agreement.differences:
        return DISAGREES
    console.print("\n[bold green]All six views agree with the actor, digest by digest.[/]")
    return 0
