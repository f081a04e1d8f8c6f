"""The proofs, each made for one rev of a wedding that may be in use, each with the range that it covered."""

import asyncio
from typing import NamedTuple

import aiohttp

from actors.contract.channels import SERVICE_RIGHTS, may_read
from config.cli.copies import NotCompared, lines_of, report_of
from config.cli.errors import WeddingMissing
from config.cli.importing import PRINCIPAL, Site
from config.cli.membership import Desk, Standing
from config.cli.verification import reading
from config.cli.verification.folding import StoredFold, differences_of
from config.cli.verification.replay import Replay
from config.settings import Settings
from config.supervision.nats_permissions import inbox_prefix
from gateway.client import Client
from store.bus import Bus
from store.postgres import Database

_STORED_WITHIN_SECONDS = 5.0
_CLIENT_WITHIN_SECONDS = 15.0
_ASK_AGAIN_SECONDS = 0.1


class Proof(NamedTuple):
    """What was compared, as one line, and every difference that was found."""

    line: str
    differences: list[str]


async def prove_stored_and_log(wedding: str, live: Standing, host: Settings) -> list[Proof]:
    """Compare what is stored with the live heads (a), and the log with what is stored (b), in one pass."""
    address, password = host.nats_url.get_secret_value(), host.nats_password.get_secret_value()
    database = await Database.open(host.database_url.get_secret_value(), min_size=1, max_size=1)
    try:
        bus = await Bus.connect(
            address, user=host.nats_user, password=password, name="wedsync-verify", inbox_prefix=inbox_prefix("host")
        )
        try:
            await _until_stored(database, wedding, live.rev)
            first, messages = await reading.log_of(bus, host, wedding)
            directives = await reading.directives_of(database, host, wedding)
        finally:
            await bus.close()
        fold, replay, damage = await _pass_over(database, wedding, live.rev, Replay(first, messages, directives))
    finally:
        await database.close()
    snapshot = f"a snapshot at rev {fold.snapshot_rev}" if fold.snapshot_rev else "no snapshot yet"
    actor = f"{len(live.channels)} channels at rev {live.rev} of the actor"
    stored = f"stored: changes of revs 1 to {fold.state.rev} and {snapshot}, {actor}"
    faults = f", {replay.faults} met a fault of ours and are followed as stored" if replay.faults else ""
    reach = f"positions {replay.first} to {fold.state.position}"
    if replay.first > fold.state.position:
        reach = f"nothing of it, which begins at position {replay.first}"
    log = f"log: {reach}, {replay.decided_again} ops decided again, {replay.answered_again} repeats answered again{faults}"
    return [Proof(stored, damage + fold.compare(live.channels)), Proof(log, replay.differences)]


async def _pass_over(database: Database, wedding: str, rev: int, replay: Replay) -> tuple[StoredFold, Replay, list[str]]:
    damage: list[str] = []
    snapshot = None
    try:
        snapshot = await reading.snapshot_of(database, wedding, rev)
    except reading.StoredDataDamaged as error:
        damage.append(str(error))
    fold = StoredFold(wedding, snapshot)
    try:
        async for decision in reading.stored_decisions(database, wedding, rev):
            if fold.is_next(decision):
                replay.before(fold.state, decision)
            fold.follow(decision)
    except reading.StoredDataDamaged as error:
        damage.append(str(error))
    return fold, replay, damage


async def _until_stored(database: Database, wedding: str, rev: int) -> None:
    """Wait for the flush; changes that do not come are a difference, which the fold then finds."""
    deadline = asyncio.get_running_loop().time() + _STORED_WITHIN_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        try:
            if await reading.is_stored(database, wedding, rev):
                return
        except reading.StoredDataDamaged:
            return
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def prove_fresh_client(wedding: str, asking: Desk, site: Site) -> Proof:
    """Compare what a client without any state sees with the actor, once both are at the same sequences (c)."""
    deadline = asyncio.get_running_loop().time() + _CLIENT_WITHIN_SECONDS
    async with aiohttp.ClientSession() as http, Client(site.url, wedding, site.token(wedding, PRINCIPAL), session=http) as client:
        while True:
            live = await asking.standing(wedding)
            if live is None:
                raise WeddingMissing(wedding=wedding)
            readable = {name: head for name, head in live.channels.items() if may_read(SERVICE_RIGHTS, name)}
            seen = {name: (sequence, client.digests()[name]) for name, sequence in client.sequences().items()}
            at_one = client.sequences() == {name: sequence for name, (sequence, _) in readable.items()}
            if at_one or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
    unseen = len(live.channels) - len(readable)
    line = (
        f"client: a fresh client as {PRINCIPAL}, {len(seen)} channels at rev {live.rev} of the actor; "
        f"{unseen} inboxes are not its to read"
    )
    return Proof(line, differences_of("fresh client", seen, readable))


async def prove_copies(wedding: str, site: Site) -> Proof:
    """Compare every copy that is in use, caches of gateways and connected clients included (d)."""
    try:
        report = await report_of(wedding, site, repair=False)
    except NotCompared as error:
        return Proof("copies: none could be compared", [str(error)])
    compared = [copy for copy in report.copies if copy.agrees is not None]
    line = f"copies: {len(compared)} in use, of them {sum(copy.place == 'client' for copy in compared)} connected clients"
    return Proof(line, lines_of(report, only_differences=True))
