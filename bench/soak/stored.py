"""What is stored, for the checks: every decision of every wedding, and the proofs of `wedsync verify` over all of them.

Reads Postgres, the log and the actors as the operator's commands do; changes nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from actors.contract.decisions import CancelTimer, Decision, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL, parse_timer_op_id, partition_of
from actors.contract.subjects import INTAKE_STREAM, log_stream
from bench.installation import Site
from bench.soak.history import MARK, Entry, Heads, Stored
from bench.soak.meanings import ANSWERS, Meanings
from bench.witness import stored_decisions
from config.cli.errors import CommandError, NoAnswer
from config.cli.importing import Site as CommandSite
from config.cli.membership import Desk, Standing, desk
from config.cli.verification.proofs import prove_fresh_client, prove_stored_and_log
from config.supervision.nats_permissions import inbox_prefix
from config.supervision.roles import role_settings
from gateway.client import ClientError
from store.bus import Bus
from store.errors import StoreError

ACTOR: Final = "the actor"
_ASK_AGAIN_SECONDS: Final = 0.2

Channels = dict[str, tuple[str, ...]]


async def decisions_of(site: Site, weddings: Iterable[str]) -> list[Stored]:
    """Read all stored decisions."""
    return [stored_of(wedding, each) for wedding in weddings for each in await stored_decisions(site, wedding)]


def stored_of(wedding: str, decision: Decision) -> Stored:
    """Keep what the checks need."""
    fired = parse_timer_op_id(decision.op)[0] if decision.principal == TIMER_PRINCIPAL else ""
    timers = {
        effect.id: effect.due_ms if isinstance(effect, StartTimer) else None
        for effect in decision.effects
        if isinstance(effect, StartTimer | CancelTimer)
    }
    roles: dict[str, str | None] = {}
    for part in decision.parts:
        for change in part.changes:
            fields = change.insert or change.set or {}
            if change.collection == "people" and (change.remove or "role" in fields):
                roles[change.id] = None if change.remove else str(fields["role"])
    marks, quoted = _marks_of(decision, brings_back=bool(fired or decision.undoes or decision.action in ANSWERS))
    sequences = {part.channel: part.sequence for part in decision.parts}
    waits = decision.waits is not None
    applied = decision.refusal is None and not waits
    return Stored(
        wedding,
        decision.position,
        decision.op,
        decision.principal,
        applied,
        sequences,
        marks,
        roles,
        timers,
        fired,
        quoted,
        waits,
    )


def _marks_of(decision: Decision, *, brings_back: bool) -> tuple[Channels, Channels]:
    """Return the texts that an op wrote, and those of others that stand among other words in its changes, with their channels."""
    written: Channels = {}
    quoted: Channels = {}
    for part in decision.parts:
        for change in part.changes:
            inserted = [piece.get("insert", "") for delta in (change.edit or {}).values() for piece in delta]
            for value in (*(change.insert or change.set or {}).values(), *inserted):
                is_own = isinstance(value, str) and MARK.fullmatch(value.strip()) and not brings_back
                for mark in dict.fromkeys(MARK.findall(str(value))):
                    into = written if is_own else quoted
                    into[mark] = (*into.get(mark, ()), part.channel)
    return written, quoted


async def misdone(site: Site, weddings: Iterable[str], history: Sequence[Entry]) -> list[str]:
    """Follow what every wedding decided, and name what was not done as it was asked."""
    offences = []
    for wedding in weddings:
        meanings = Meanings(wedding, history)
        for decision in await stored_decisions(site, wedding):
            meanings.follow(decision)
        offences += meanings.offences
    return offences


async def heads_of(site: Site, weddings: Sequence[str], within_seconds: float) -> tuple[list[Heads], list[str]]:
    """Ask every actor where it stands once it has folded the log as it is now; gives heads, and offences for silence."""
    heads, offences = [], []
    ends = asyncio.get_running_loop().time() + within_seconds
    positions = await _log_positions(site, ends)
    async with desk(role_settings(site.data, "operator")) as asking:
        for wedding in weddings:
            live = await _standing(asking, wedding, _position(positions, wedding), ends)
            if live is None:
                offences.append(f"proof: {wedding} has no actor that answers within {within_seconds:g} s")
            else:
                heads.append(Heads(wedding, ACTOR, dict(live.channels)))
    return heads, offences


def _position(positions: Sequence[int], wedding: str) -> int:
    return positions[partition_of(wedding) % len(positions)]


async def _standing(asking: Desk, wedding: str, position: int, ends: float) -> Standing | None:
    while True:
        try:
            return await asking.standing(wedding, position=position)
        except (NoAnswer, StoreError):
            if asyncio.get_running_loop().time() > ends:
                return None
            await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def _log_positions(site: Site, ends: float) -> list[int]:
    """The last position of each log stream; empty streams and unreachable ones stand at 0."""
    settings = role_settings(site.data, "host")
    positions = []
    for index in range(settings.log_streams):
        state = await _state_of(site, log_stream(index), ends)
        positions.append(state.get("last_seq", 0))
    return positions


def moved(before: Iterable[Heads], after: Iterable[Heads], what: str) -> list[str]:
    """INV2: at rest every actor comes to the same sequence and digest again, whoever folds from whatever is stored."""
    later = {heads.wedding: heads.channels for heads in after}
    return [
        f"apart: after {what} {heads.wedding} {channel} is at {later[heads.wedding].get(channel)}, before at {head}"
        for heads in before
        if heads.wedding in later
        for channel, head in heads.channels.items()
        if _is_other(head, later[heads.wedding].get(channel))
    ]


def _is_other(before: tuple[int, str], after: tuple[int, str] | None) -> bool:
    # A timer may have fired meanwhile: a higher sequence is no offence.
    return after is None or after[0] < before[0] or (after[0] == before[0] and after[1] != before[1])


async def proofs_of(site: Site, actors: Sequence[Heads]) -> list[str]:
    """Make the proofs of `wedsync verify` for every wedding: store, log and a fresh client against the actor."""
    host, differences = role_settings(site.data, "host"), []
    async with desk(role_settings(site.data, "operator")) as asking:
        for wedding in [heads.wedding for heads in actors]:
            try:
                live = await asking.standing(wedding)
                if live is None:
                    differences.append(f"proof: {wedding} is unknown to its actor")
                    continue
                proofs = await prove_stored_and_log(wedding, live, host)
                proofs.append(await prove_fresh_client(wedding, asking, CommandSite.of(site.data)))
                differences += [f"proof: {wedding}: {each}" for proof in proofs for each in proof.differences]
            except (StoreError, CommandError, ClientError) as error:
                differences.append(f"proof: {wedding} cannot be proved: {type(error).__name__} {error}")
    return differences


async def until_intake_is_empty(site: Site, within_seconds: float) -> None:
    """Return when a gateway has taken everything that integrators published; what stays is found as lost or unanswered."""
    ends = asyncio.get_running_loop().time() + within_seconds
    while (await _state_of(site, INTAKE_STREAM, ends)).get("messages"):
        if asyncio.get_running_loop().time() > ends:
            return
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def _state_of(site: Site, stream: str, ends: float) -> dict[str, Any]:
    """The figures of a stream; empty when nobody tells them in time."""
    settings = role_settings(site.data, "host")
    while True:
        try:
            bus = await Bus.connect(
                settings.nats_url.get_secret_value(),
                user=settings.nats_user,
                password=settings.nats_password.get_secret_value(),
                name="wedsync-soak",
                inbox_prefix=inbox_prefix("host"),
            )
            try:
                state: dict[str, Any] = (await bus.js_request(f"STREAM.INFO.{stream}"))["state"]
                return state
            finally:
                await bus.close()
        except StoreError:
            if asyncio.get_running_loop().time() > ends:
                return {}
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
