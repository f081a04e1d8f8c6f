"""Backup and restore of one WedSync: keys, PostgreSQL and all streams, in one tar file of mode 0600.

PostgreSQL is copied first and the log after it, so that the log in a backup reaches at least as far as the database. The log is
trimmed all the time; only when that went beyond what the copied database has stored the copy starts again. A restored WedSync
is of a new generation (design D12): clients that have seen more than the backup holds get whole states, never a wrong
continuation.
"""

import asyncio
import errno
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from actors.contract.subjects import DEAD_STREAM, INTAKE_STREAM, LOG_STREAM_PREFIX, TIMERS_STREAM, log_stream
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.embedded_postgres import postgres_program
from config.supervision.errors import (
    BackupNotWritten,
    DatabaseCopyFailed,
    FolderNotEmpty,
    LogTrimmedMeanwhile,
    NoBackup,
    TargetNotEmpty,
)
from config.supervision.nats_permissions import inbox_prefix
from config.supervision.provision import with_a_leader
from config.supervision.servers import running_servers
from config.supervision.stream_copy import first_sequences, load_stream, save_stream, stream_names
from store.bus import Bus
from store.postgres import Database
from store.streams import known_identity, raise_generation, stored_positions

FORMAT = 1
#: A full log is trimmed up to the checkpoints, and then has room for longer than a copy takes, unless something is wrong.
_ATTEMPTS: Final = 5
_STREAMS = {INTAKE_STREAM, TIMERS_STREAM, DEAD_STREAM}
Progress = Callable[[str, int], None]
"""Called with what is being copied and how many bytes more were."""


async def save_backup(folder: DataFolder, path: Path, progress: Progress) -> None:
    """Write the backup, whole or not at all; works beside a running `up` and without one."""
    folder.keys()
    try:
        _require_no_folder(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".wedsync-backup-") as name:
            await _save(folder, Path(name), path, progress)
    except OSError as error:
        raise BackupNotWritten(path=path, reason=error.strerror or error) from error


def _require_no_folder(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


async def _save(folder: DataFolder, content: Path, path: Path, progress: Progress) -> None:
    """Copy everything into the folder `content`, and make one file of it."""
    shutil.copyfile(folder.keys_path, content / "keys.json")
    (content / "cluster.json").write_bytes(msgspec.json.encode(folder.cluster()))
    (content / "streams").mkdir()
    async with running_servers(folder) as settings, host_bus(settings) as bus:
        begins = await _copy_servers(settings, bus, content, progress)
    manifest = {"format": FORMAT, "log_begins": begins}
    (content / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    await asyncio.to_thread(_pack, content, path)


async def load_backup(path: Path, folder: DataFolder, progress: Progress) -> None:
    """Make the data folder from the backup, whole or not at all."""
    if folder.path.exists() and any(folder.path.iterdir()):
        raise FolderNotEmpty(folder=folder.path)
    unfinished = DataFolder(folder.path.with_name(folder.path.name + ".restoring"))
    shutil.rmtree(unfinished.path, ignore_errors=True)
    try:
        await _fill(unfinished, path, progress)
        if folder.path.exists():
            folder.path.rmdir()
        unfinished.path.rename(folder.path)
    finally:
        shutil.rmtree(unfinished.path, ignore_errors=True)


async def _fill(folder: DataFolder, path: Path, progress: Progress) -> None:
    """Put keys, database and streams of the backup into a new folder."""
    folder.create()
    content = folder.path / "content"
    manifest = await asyncio.to_thread(_unpack, path, content)
    if (content / "cluster.json").exists():
        shutil.copyfile(content / "cluster.json", folder.cluster_path)
    folder.keys_path.touch(mode=0o600)
    shutil.copyfile(content / "keys.json", folder.keys_path)
    streams = sorted(file.stem for file in (content / "streams").glob("*.json"))
    async with running_servers(folder) as settings:
        await _require_empty(settings, streams)
        await _load_database(settings, content / "postgres.dump", progress)
        async with host_bus(settings) as bus:
            for stream in streams:
                await load_stream(bus, stream, content / "streams", partial(progress, stream))
            for stream, first in manifest.get("log_begins", {}).items():
                await _trim_restored(bus, stream, first)
    shutil.rmtree(content)
    folder.state_path.unlink(missing_ok=True)


async def _copy_servers(settings: Settings, bus: Bus, content: Path, progress: Progress) -> dict[str, int]:
    """Copy database and streams until the two fit; returns from which position on the copy of each log stream is whole."""
    streams = [name for name in await stream_names(bus) if name.startswith(LOG_STREAM_PREFIX) or name in _STREAMS]
    for _ in range(_ATTEMPTS):
        needed = await _needed(settings, bus, streams)
        await _copy_once(settings, bus, streams, content, progress)
        # What a snapshot says of itself is not enough: messages that went after it was begun are missing in it, too.
        begins = await with_a_leader(partial(first_sequences, bus, list(needed)))
        if all(begins[name] <= first for name, first in needed.items()):
            return begins
        progress("the log was trimmed meanwhile: once more", 0)
    raise LogTrimmedMeanwhile(attempts=_ATTEMPTS)


async def _needed(settings: Settings, bus: Bus, streams: list[str]) -> dict[str, int]:
    """From which position on a copy of each log stream must be whole to go with a copy of the database that is made now.

    Checkpoints only grow, and a start wants what is above them. What is gone already is not the copy's fault.
    """
    # In a cluster that was started for this each stream has its leader a few seconds later.
    present = await with_a_leader(lambda: first_sequences(bus, streams))
    database = await Database.open(settings.database_url.get_secret_value(), max_size=1)
    try:
        identity = await known_identity(database)
        stored = {log_stream(each): await stored_positions(database, identity, each) for each in range(identity.streams)}
    finally:
        await database.close()
    return {
        name: max(present[name], min(positions.values(), default=0) + 1) for name, positions in stored.items() if name in present
    }


async def _copy_once(settings: Settings, bus: Bus, streams: list[str], content: Path, progress: Progress) -> None:
    progress("PostgreSQL", 0)
    dump = content / "postgres.dump"
    await _postgres("pg_dump", settings, "--format=custom", "--no-owner", "--file", str(dump))
    for stream in streams:
        await save_stream(bus, stream, content / "streams", partial(progress, stream))


async def _trim_restored(bus: Bus, stream: str, first: int) -> None:
    """Drop what was copied in part only, since it was trimmed meanwhile: its empty positions would look like damage."""
    await with_a_leader(lambda: bus.js_request(f"STREAM.PURGE.{stream}", {"seq": first}))


async def _require_empty(settings: Settings, streams: list[str]) -> None:
    """Refuse servers of one's own on which a WedSync lives: who rehearses a restore may have left their addresses set."""
    url = settings.database_url.get_secret_value()
    database = await Database.open(url, max_size=1)
    try:
        async with database.connection() as connection:
            is_used = await connection.fetchval(
                "SELECT coalesce(to_regclass('log_identity'), to_regclass('changes')) IS NOT NULL"
            )
    finally:
        await database.close()
    if is_used:
        raise TargetNotEmpty(address=_without_credentials(url), variable="DATABASE_URL")
    async with host_bus(settings) as bus:
        if not set(streams).isdisjoint(await stream_names(bus)):
            addresses = map(_without_credentials, settings.nats_url.get_secret_value().split(","))
            raise TargetNotEmpty(address=",".join(addresses), variable="NATS_URL")


def _without_credentials(url: str) -> str:
    address = urlsplit(url)
    return address.netloc.rpartition("@")[2] + address.path


async def _load_database(settings: Settings, dump: Path, progress: Progress) -> None:
    progress("PostgreSQL", 0)
    await _postgres("pg_restore", settings, "--no-owner", "--single-transaction", str(dump))
    database = await Database.open(settings.database_url.get_secret_value(), max_size=1)
    try:
        await raise_generation(database)
    finally:
        await database.close()


async def _postgres(program: str, settings: Settings, *arguments: str) -> None:
    """Run pg_dump or pg_restore on the database; the password goes through the environment."""
    address = urlsplit(settings.database_url.get_secret_value())
    user_and_host = address.netloc.replace(f":{address.password}@", "@")
    url = address._replace(netloc=user_and_host).geturl()
    environment = {**os.environ, "PGPASSWORD": unquote(address.password or "")}
    process = await asyncio.create_subprocess_exec(
        str(postgres_program(program)),
        *("--dbname", url, *arguments),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        reason = errors.decode(errors="replace").strip().splitlines()
        raise DatabaseCopyFailed(reason=reason[0] if reason else f"{program} ended with {process.returncode}")


@asynccontextmanager
async def host_bus(settings: Settings) -> AsyncIterator[Bus]:
    """Connect with the host's rights, which include making streams."""
    bus = await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="wedsync-backup",
        inbox_prefix=inbox_prefix("host"),
    )
    try:
        # A cluster that was started for this has its leaders a few seconds later.
        await with_a_leader(partial(stream_names, bus))
        yield bus
    finally:
        await bus.close()


def _pack(content: Path, path: Path) -> None:
    """Make one file of the folder; it appears under its name when it is whole and on disk."""
    unfinished = content.with_suffix(".tar")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(content, arcname=".")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _unpack(path: Path, content: Path) -> dict[str, Any]:
    """Lay the backup out in a folder; returns what it says of itself. Raises NoBackup."""
    try:
        with tarfile.open(path, "r:") as archive:
            archive.extractall(content, filter="data")
        manifest: dict[str, Any] = json.loads((content / "manifest.json").read_bytes())
    except OSError as error:
        raise NoBackup(path=path, reason=error.strerror or error) from error
    except (tarfile.TarError, ValueError) as error:
        raise NoBackup(path=path, reason=error) from error
    if manifest.get("format") != FORMAT:
        raise NoBackup(path=path, reason=f"format {manifest.get('format')}, this version reads {FORMAT}")
    return manifest
