"""`wedsync verify WEDDING`: prove that what is stored, what the log says and what a fresh client sees is what the actor has.

One line per proof on standard output, with the range that it covered; each difference is a line of its own. Exit code 1 when
anything differs.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data, operator_settings
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.roles import role_settings

if TYPE_CHECKING:
    from config.cli.importing import Site
    from config.cli.verification.proofs import Proof

DIFFERS = 1
_SHOWN_DIFFERENCES = 20


def command(wedding: Annotated[str, typer.Argument(help="The wedding's id.")], data: Data = DEFAULT_DATA) -> int:
    """Compare stored state, log and a fresh client with the live wedding."""
    from rich.console import Console

    from config.cli.importing import Site

    folder = DataFolder(data)
    operator, host = operator_settings(data), role_settings(folder, "host", data_dir=data)
    with Console(stderr=True).status(f"verifying {wedding}"):
        proofs = asyncio.run(_prove(wedding, operator, host, Site.of(folder)))
    differences = [difference for proof in proofs for difference in proof.differences]
    for proof in proofs:
        typer.echo(proof.line)
    for difference in differences[:_SHOWN_DIFFERENCES]:
        typer.echo(f"differs: {difference}")
    if differences:
        typer.echo(f"not verified {wedding}: {len(differences)} differences")
        return DIFFERS
    typer.echo(f"verified {wedding}")
    return 0


async def _prove(wedding: str, operator: Settings, host: Settings, site: "Site") -> list["Proof"]:
    from config.cli.errors import WeddingMissing
    from config.cli.membership import check_id, desk
    from config.cli.verification.proofs import prove_copies, prove_fresh_client, prove_stored_and_log

    check_id(wedding)
    async with desk(operator) as asking:
        live = await asking.standing(wedding)
        if live is None:
            raise WeddingMissing(wedding=wedding)
        proofs = [*await prove_stored_and_log(wedding, live, host), await prove_fresh_client(wedding, asking, site)]
    return [*proofs, await prove_copies(wedding, site)]
