"""The streams: how they are made, and whether they and the database belong together (design D3, D10, D12).

`provision` is called once before hosts and gateways start; every host then checks with `identify`.
Trimming is in store.trimming.
"""

import secrets
from typing import Any, Final, NamedTuple

import structlog

from actors.contract.subjects import DEAD_FILTER, DEAD_STREAM, INTAKE_FILTER, INTAKE_STREAM, TIMERS_STREAM, log_filter, log_stream
from config.settings import Settings
from store import reseed_ledger, timer_stream, timers
from store.bus import Bus
from store.errors import STREAM_EXISTS, STREAM_NOT_FOUND, JetStreamError, LogMismatch, ReseedUnfinished
from store.log_fence import fault_of
from store.postgres import Database

_SECOND: Final = 1_000_000_000
_DAY: Final = 24 * 3600 * _SECOND
_METADATA_ID, _METADATA_PARTITIONS, _METADATA_STREAMS = "wedsync_stream_id", "wedsync_partitions", "wedsync_streams"
#: The shortest that the server takes; messages of ours carry no ids that it could compare.
_SHORTEST_DEDUPE = _SECOND // 10
#: What a start only ever raises, and the setting that says it: a shell without that setting would take copies away from all.
_NEVER_LOWERED: Final = {"num_replicas": "WEDSYNC_LOG_REPLICAS", "max_bytes": "WEDSYNC_LOG_MAX_BYTES"}

StreamConfig = dict[str, Any]
log = structlog.get_logger()


class LogIdentity(NamedTuple):
    """Which log this is."""

    stream_id: str
    generation: int
    partitions: int
    streams: int


async def provision(bus: Bus, database: Database, settings: Settings) -> LogIdentity:
    """Make what is missing and check the rest; raises LogMismatch, StoreError. Safe to repeat and to run twice at once."""
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('wedsync provision'))")
        known = await connection.fetchrow("SELECT stream_id, partitions, streams FROM log_identity")
        if known is None:
            stream_id = await _first_stream_id(bus) or secrets.token_hex(16)
            for config in (*_other_streams(settings), *log_configs(settings, stream_id)):
                await _make(bus, config)
            await connection.execute(
                "INSERT INTO log_identity (stream_id, generation, partitions, streams) VALUES ($1, 1, $2, $3)",
                stream_id,
                settings.partitions,
                settings.log_streams,
            )
    require_same(await known_identity(database), settings)
    made = {config["name"] for config in _other_streams(settings) if await _make(bus, config)}
    identity = await identify(bus, database, settings, whole=True)
    for config in log_configs(settings, identity.stream_id):
        await _make(bus, config)
    if TIMERS_STREAM in made:
        await timers.send_all_again(database)
        await timer_stream.connect_anew(bus, identity.streams)
    return identity


async def identify(bus: Bus, database: Database, settings: Settings, *, whole: bool = False) -> LogIdentity:
    """Check that the log is the one that the database knows, and `whole` above what is stored; raises LogMismatch, StoreError."""
    identity = await known_identity(database)
    require_same(identity, settings)
    if await reseed_ledger.unfinished(database):
        raise ReseedUnfinished
    for index in range(settings.log_streams):
        info = await _info(bus, log_stream(index))
        if info is not None:
            _check_metadata(log_stream(index), info, identity)
        positions = await stored_positions(database, identity, index)
        fault = await fault_of(bus, database, index, positions, whole=whole)
        if fault is not None:
            raise LogMismatch(fault)
    if await _info(bus, INTAKE_STREAM) is None:
        raise LogMismatch(f"The stream {INTAKE_STREAM} is missing; run `wedsync provision` or `wedsync up` once.")
    return identity


def require_same(identity: LogIdentity, settings: Settings) -> None:
    """Refuse settings that do not fit the log, before anything is changed by them; raises LogMismatch."""
    for name, stored, wanted in (
        ("partitions", identity.partitions, settings.partitions),
        ("log_streams", identity.streams, settings.log_streams),
    ):
        if stored != wanted:
            raise LogMismatch(
                f"The log was made with {name} {stored}, the settings say {wanted}; set WEDSYNC_{name.upper()}={stored}."
            )


async def stored_positions(database: Database, identity: LogIdentity, stream: int) -> dict[int, int]:
    """The checkpoints of the partitions of one stream, 0 where nothing was stored yet; raises StoreError."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT partition, position FROM checkpoints WHERE partition % $1 = $2", identity.streams, stream
        )
    return dict.fromkeys(range(stream, identity.partitions, identity.streams), 0) | {
        row["partition"]: row["position"] for row in rows
    }


async def known_identity(database: Database) -> LogIdentity:
    """The log that the database knows; raises LogMismatch, StoreError."""
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT stream_id, generation, partitions, streams FROM log_identity")
    if row is None:
        raise LogMismatch("The database knows no log yet; run `wedsync provision` or `wedsync up` once.")
    return LogIdentity(**row)


async def positions(bus: Bus, stream: str) -> tuple[int, int]:
    """The first and the last position that a stream holds; an empty one ends before it begins."""
    state = (await bus.js_request(f"STREAM.INFO.{stream}"))["state"]
    return int(state["first_seq"]), int(state["last_seq"])


async def raise_generation(database: Database) -> int:
    """After a restore: count a new incarnation of the log, so that no client resumes what the backup lacks (design D12)."""
    async with database.transaction() as connection:
        return await reseed_ledger.raise_generation(connection)


def _check_metadata(name: str, info: dict[str, Any], identity: LogIdentity) -> None:
    metadata = info["config"].get("metadata") or {}
    if metadata.get(_METADATA_ID) != identity.stream_id:
        raise LogMismatch(f"{name} belongs to another database. Start with the folder of both, or restore a backup of both.")
    for key, stored in ((_METADATA_PARTITIONS, identity.partitions), (_METADATA_STREAMS, identity.streams)):
        if metadata.get(key) != str(stored):
            raise LogMismatch(f"{name} says {key} {metadata.get(key)}, the database {stored}. Restore both from one backup.")


async def _first_stream_id(bus: Bus) -> str | None:
    """The id of a log that was made just before the database could note it; a trimmed one was another database's."""
    info = await _info(bus, log_stream(0))
    if info is None:
        return None
    if info["state"]["first_seq"] > 1:
        raise LogMismatch(
            f"{log_stream(0)} belongs to a database that is not this one: its beginning is stored there. Restore that database."
        )
    metadata = info["config"].get("metadata") or {}
    return str(metadata[_METADATA_ID]) if _METADATA_ID in metadata else None


async def _make(bus: Bus, config: StreamConfig) -> bool:
    """Create the stream, or bring what may change of its configuration up to date; True when it was made."""
    name = config["name"]
    info = await _info(bus, name)
    if info is None:
        try:
            beginning = timer_stream.first_sequence() if name == TIMERS_STREAM else {}
            await bus.js_request(f"STREAM.CREATE.{name}", config | beginning)
        except JetStreamError as error:
            if error.err_code != STREAM_EXISTS:  # made by another process just now
                raise
            return False
        return True
    current = info["config"]
    metadata = {**(current.get("metadata") or {}), **config["metadata"]}
    wanted = {**current, **config, "metadata": metadata, **_kept(name, current, config)}
    if wanted != current:
        await bus.js_request(f"STREAM.UPDATE.{name}", wanted)
    return False


def _kept(name: str, current: StreamConfig, config: StreamConfig) -> StreamConfig:
    """What stays as it is, since the settings would take copies or room away from everybody."""
    kept = {key: current[key] for key in _NEVER_LOWERED if config[key] < current[key]}
    for key, value in kept.items():
        log.warning("stream_not_lowered", stream=name, setting=_NEVER_LOWERED[key], member=key, kept=value, wanted=config[key])
    return kept


async def _info(bus: Bus, name: str) -> dict[str, Any] | None:
    try:
        return await bus.js_request(f"STREAM.INFO.{name}")
    except JetStreamError as error:
        if error.err_code == STREAM_NOT_FOUND:
            return None
        raise


def log_configs(settings: Settings, stream_id: str) -> list[StreamConfig]:
    """The configurations of all log streams, in the order of their numbers."""
    streams = settings.log_streams
    metadata = {_METADATA_ID: stream_id, _METADATA_PARTITIONS: str(settings.partitions), _METADATA_STREAMS: str(streams)}
    configs = []
    for index in range(streams):
        mine = [log_filter("*", partition) for partition in range(index, settings.partitions, streams)]
        configs.append(
            _stream(
                log_stream(index),
                "WedSync: every op, in the order of the wedding; trimmed by the hosts, written by gateways and hosts only",
                [log_filter("*")] if streams == 1 else mine,
                settings,
                discard="new",
                max_bytes=settings.log_max_bytes,
                allow_atomic=True,
                allow_direct=True,
                sources=timer_stream.sources(index),
                metadata=metadata,
            )
        )
    return configs


def _other_streams(settings: Settings) -> list[StreamConfig]:
    return [
        _stream(
            INTAKE_STREAM,
            "WedSync: ops of integrators and operators on their way into the log; drained by one gateway at a time",
            [INTAKE_FILTER],
            settings,
            retention="workqueue",
            discard="new",
            discard_new_per_subject=True,
            max_msgs_per_subject=settings.limits.intake_waiting_per_principal,
            max_bytes=settings.log_max_bytes // 4,
            # An op that is too large by less than this gets its outcome from a gateway, a larger one is refused by the server.
            max_msg_size=2 * settings.limits.op_bytes,
        ),
        _stream(
            TIMERS_STREAM,
            "WedSync: timers of weddings, scheduled and due",
            ["timer.>", "due.>"],
            settings,
            discard="old",
            max_bytes=settings.log_max_bytes // 4,
            allow_msg_schedules=True,
            allow_msg_ttl=True,
            allow_rollup_hdrs=True,
        ),
        _stream(
            DEAD_STREAM,
            "WedSync: ops that could not be decoded or decided; look with `nats stream get DEAD 1`",
            [DEAD_FILTER],
            settings,
            discard="old",
            max_bytes=settings.log_max_bytes // 16,
            max_age=30 * _DAY,
        ),
    ]


def _stream(name: str, description: str, subjects: list[str], settings: Settings, **config: Any) -> StreamConfig:
    common: StreamConfig = {
        "retention": "limits",
        "storage": "file",
        "num_replicas": settings.log_replicas,
        "duplicate_window": _SHORTEST_DEDUPE,
        "metadata": {},
    }
    return {"name": name, "description": description, "subjects": subjects, **common, **config}
