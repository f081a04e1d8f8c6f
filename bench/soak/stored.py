"""What is stored, for the checks: every decision of every wedding, and the proofs of `wedsync verify` over all of them.

Reads Postgres, the log and the actors as the operator's commands do; changes nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence

from actors.contract.decisions import Decision
from bench.installation import Site
from bench.soak.history import Heads, Stored
from bench.witness import stored_decisions
from config.cli.errors import NoAnswer
from config.cli.importing import Site as CommandSite
from config.cli.membership import Desk, Standing, desk
from config.cli.verification.proofs import prove_fresh_client, prove_stored_and_log
from config.supervision.roles import role_settings

ACTOR_WITHIN_SECONDS = 30.0
ACTOR = "the actor"


async def decisions_of(site: Site, weddings: Iterable[str]) -> list[Stored]:
    """Read all stored decisions."""
    return [stored_of(wedding, each) for wedding in weddings for each in await stored_decisions(site, wedding)]


def stored_of(wedding: str, decision: Decision) -> Stored:
    """Keep what the checks need; a mark is any text that a change writes."""
    texts = {
        value
        for part in decision.parts
        for change in part.changes
        for fields in (change.set, change.insert)
        if isinstance(fields, dict)
        for value in fields.values()
        if isinstance(value, str) and value.startswith("s")
    }
    sequences = {part.channel: part.sequence for part in decision.parts}
    applied = decision.refusal is None
    return Stored(wedding, decision.position, decision.op, decision.principal, applied, sequences, tuple(texts))


async def standings(site: Site, weddings: Sequence[str]) -> tuple[list[Heads], list[str]]:
    """Ask every actor where it stands, and prove store, log and a fresh client against it; gives heads and differences."""
    operator, host = role_settings(site.data, "operator"), role_settings(site.data, "host")
    heads, differences = [], []
    async with desk(operator) as asking:
        for wedding in weddings:
            live = await _standing(asking, wedding)
            if live is None:
                differences.append(f"proof: {wedding} is unknown to its actor")
                continue
            heads.append(Heads(wedding, ACTOR, dict(live.channels)))
            proofs = await prove_stored_and_log(wedding, live, host)
            proofs.append(await prove_fresh_client(wedding, asking, CommandSite.of(site.data)))
            differences += [f"proof: {wedding}: {each}" for proof in proofs for each in proof.differences]
    return heads, differences


async def _standing(asking: Desk, wedding: str) -> Standing | None:
    async with asyncio.timeout(ACTOR_WITHIN_SECONDS):
        while True:
            try:
                return await asking.standing(wedding)
            except NoAnswer:
                continue
