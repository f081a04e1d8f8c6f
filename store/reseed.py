"""Replacing a damaged or lost log by a new one that goes on above what is stored (design D12, docs/operations.md).

Steps, each of which may be repeated after an interruption, and is while a server is away for a moment: a new generation and log
id in PostgreSQL, which fences hosts; the old streams closed; what they still hold above the checkpoints kept in PostgreSQL; each
stream replaced; the kept ops appended, in order, before anybody else can write; the streams opened. Called by `wedsync reseed`.
"""

import secrets
from contextlib import suppress
from typing import Final, NamedTuple

from actors.contract.subjects import log_stream, parse_log_subject
from config.settings import Settings
from store import log_range, reseed_ledger, streams
from store.away import when_there
from store.bus import Bus
from store.errors import AppendUnknown, JetStreamError, LogIsForeign, LogIsWhole, RequestTimeout
from store.log_fence import fault_of, lost
from store.log_writer import LogWriter
from store.postgres import Database
from store.reseed_ledger import NewStream, Plan, Runs
from store.streams import LogIdentity, StreamConfig

#: While a stream is filled, its subjects are these, which nobody else writes; the stream stores them without the second word.
_CLOSED: Final = "log.reseed."
_KEEP_MESSAGES: Final = 500
_APPEND_BYTES: Final = 512 * 1024
_APPEND_SECONDS: Final = 30.0
#: A server that died under it is started again, or another one leads, within seconds; after a minute somebody must look.
ATTEMPTS: Final = 60


class Result(NamedTuple):
    """What came of it."""

    generation: int
    streams: list[NewStream]


async def reseed(bus: Bus, database: Database, settings: Settings, *, force: bool = False) -> Result:
    """Replace the log, or finish what was begun; raises LogIsWhole, LogIsForeign, ReseedRuns, LogMismatch, StoreError."""
    return await when_there(lambda: _reseed(bus, database, settings, force=force), at_most=ATTEMPTS)


async def _reseed(bus: Bus, database: Database, settings: Settings, *, force: bool) -> Result:
    async with reseed_ledger.alone(database):
        identity = await streams.known_identity(database)
        streams.require_same(identity, settings)
        plan = await reseed_ledger.unfinished(database)
        if plan is None:
            await _require_reason(bus, database, identity, force=force)
            plan = await reseed_ledger.begin(database, identity.generation)
            identity = await streams.known_identity(database)
        if not plan.saved:
            await _keep_the_rest(bus, database, identity, plan)
        new = await reseed_ledger.new_streams(database, plan)
        configs = streams.log_configs(settings, plan.new_stream_id)
        for each in new:
            await _replace(bus, database, plan, each, configs[each.stream])
        for each in new:
            await _open(bus, configs[each.stream])
        await reseed_ledger.finish(database, plan, identity.streams)
    return Result(plan.generation, new)


async def _require_reason(bus: Bus, database: Database, identity: LogIdentity, *, force: bool) -> None:
    """Refuse to throw away a log that is whole, or another database's."""
    if force:
        return
    faults = []
    for index in range(identity.streams):
        found = await log_range.bounds(bus, log_stream(index))
        if found is not None and found.stream_id != identity.stream_id:
            raise LogIsForeign(
                f"{log_stream(index)} belongs to another database; start with its own, or give --force to delete it."
            )
        positions = await streams.stored_positions(database, identity, index)
        faults.append(await fault_of(bus, database, index, positions))
    if not any(faults):
        raise LogIsWhole


async def _keep_the_rest(bus: Bus, database: Database, identity: LogIdentity, plan: Plan) -> None:
    """Close the old streams, and keep what is readable and not stored of them."""
    firsts: dict[int, int] = {}
    all_lost: dict[int, Runs] = {}
    for index in range(identity.streams):
        name = log_stream(index)
        checkpoints = await streams.stored_positions(database, identity, index)
        highest, all_lost[index] = max(checkpoints.values()), []
        found = await log_range.bounds(bus, name)
        if found is not None and found.stream_id == plan.old_stream_id:
            await _change(bus, name, subjects=[f"{_CLOSED}{name}.>"], sources=None)
            if found.replicas > 1:
                await _let_the_leader_catch_up(bus, name)
            found = await log_range.bounds(bus, name)
        if found is not None and found.stream_id == plan.old_stream_id:
            await _keep_stream(bus, database, plan, index, checkpoints, found.last)
            all_lost[index] = [run async for run in lost(bus, database, index, checkpoints, found.last)]
            highest = max(highest, found.last)
        firsts[index] = highest + 1
    await reseed_ledger.saved(database, plan, firsts, all_lost)


async def _let_the_leader_catch_up(bus: Bus, name: str) -> None:
    """Return when the leader has all that was saved: one just chosen may still be taking it in, and stores this behind it."""
    with suppress(JetStreamError):  # a full log takes nothing; then its leader says what it has
        await bus.js_publish(f"{_CLOSED}{name}.end", b"", {})


async def _keep_stream(bus: Bus, database: Database, plan: Plan, index: int, checkpoints: dict[int, int], upto: int) -> None:
    batch: list[tuple[int, str, bytes]] = []
    async for message in log_range.read(bus, log_stream(index), min(checkpoints.values()), upto):
        try:
            partition = parse_log_subject(message.subject).partition
        except ValueError:
            continue
        if message.position > checkpoints.get(partition, 0):
            batch.append((message.position, message.subject, message.data))
        if len(batch) == _KEEP_MESSAGES:
            await reseed_ledger.keep(database, plan, index, batch)
            batch.clear()
    await reseed_ledger.keep(database, plan, index, batch)


async def _replace(bus: Bus, database: Database, plan: Plan, new: NewStream, config: StreamConfig) -> None:
    """Make the stream anew, closed, and bring the kept ops into it; their count says how far an earlier try came."""
    name = config["name"]
    found = await log_range.bounds(bus, name)
    if found is not None and found.stream_id != plan.new_stream_id:
        await bus.js_request(f"STREAM.DELETE.{name}")
        found = None
    if found is None:
        transform = {"src": f"{_CLOSED}{name}.>", "dest": "log.>"}
        closed = {**config, "subjects": [transform["src"]], "subject_transform": transform, "first_seq": new.first_position}
        closed.pop("sources", None)
        await bus.js_request(f"STREAM.CREATE.{name}", closed)
        found = await log_range.bounds(bus, name)
        if found is not None and found.last >= new.first_position:
            # The server took up the blocks of a stream whose description is gone; deleting takes them away.
            await bus.js_request(f"STREAM.DELETE.{name}")
            await bus.js_request(f"STREAM.CREATE.{name}", closed)
            found = await log_range.bounds(bus, name)
    done = 0 if found is None else found.last - new.first_position + 1
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    try:
        while done < new.carried:
            messages = _cut(await reseed_ledger.carried(database, plan, new.stream, done, _KEEP_MESSAGES))
            prefix = f"{_CLOSED}{name}."
            moved = [(prefix + subject.removeprefix("log."), payload) for subject, payload in messages]
            try:
                await writer.append(moved, timeout_seconds=_APPEND_SECONDS)
            except AppendUnknown as error:
                raise RequestTimeout(f"{name} did not say whether it stored what was carried over; look again.") from error
            done += len(messages)
    finally:
        await writer.close()


def _cut(messages: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Take as many as one append should hold, at least one."""
    size = 0
    for count, (_subject, payload) in enumerate(messages):
        size += len(payload)
        if count and size > _APPEND_BYTES:
            return messages[:count]
    return messages


async def _open(bus: Bus, config: StreamConfig) -> None:
    await _change(
        bus, config["name"], subject_transform=None, **{key: config[key] for key in ("subjects", "sources") if key in config}
    )


async def _change(bus: Bus, name: str, **changes: object) -> None:
    """Update some members of a stream's configuration; None takes one out."""
    current = (await bus.js_request(f"STREAM.INFO.{name}"))["config"]
    wanted = {key: value for key, value in {**current, **changes}.items() if value is not None}
    await bus.js_request(f"STREAM.UPDATE.{name}", wanted)
