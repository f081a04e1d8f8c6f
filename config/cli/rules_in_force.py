"""Which version of the rules is in force in each partition, and which versions the live hosts know; activating another one.

What is stored with the checkpoints and the markers that the log holds above them give the answer. Called by `wedsync rules`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.contract.markers import ACTIVATE, ActivateRules, decode_directive, encode_directive
from actors.contract.subjects import log_stream, marker_subject, members_subject, parse_log_subject
from actors.domain.rules import NEWEST, RULES
from actors.runtime.membership import Heartbeat
from config.cli.errors import CommandError
from config.settings import Settings
from store import rules
from store.bus import Bus, Message
from store.changes import checkpoints
from store.errors import StoreError
from store.log_search import messages_after
from store.log_writer import LogWriter
from store.postgres import Database
from store.streams import LogIdentity


class VersionUnknown(CommandError):
    """Version {version} of the rules is not one that this release knows ({known}): install the release that has it."""

    code = "rules_unknown"
    exit_code = 2


class HostsBehind(CommandError):
    """{hosts} would not know version {version} of the rules: install this release on every host, then activate it."""

    code = "hosts_behind"


class WouldGoBack(CommandError):
    """Version {present} of the rules is in force in partition {partition}: what is decided stays, so no version goes back."""

    code = "rules_would_go_back"


class ActivationUnfinished(CommandError):
    """The log did not take the marker of partition {partition} ({reason}): run the command again, it goes on where it ended."""

    code = "activation_unfinished"


class Effective(NamedTuple):
    """What a partition decides with after `position`."""

    partition: int
    version: int
    position: int


async def in_force(bus: Bus, database: Database, identity: LogIdentity, settings: Settings) -> list[Effective]:
    """Look at every partition that a host has ever taken; raises StoreError."""
    stored = await rules.markers(database, range(identity.partitions))
    newest = {partition: Effective(partition, each[-1][1], each[-1][0]) for partition, each in stored.items() if each}
    read = await checkpoints(database, identity.generation, identity.partitions)
    for stream in range(identity.streams):
        lowest = min(position for partition, position in read.items() if partition % identity.streams == stream)
        subject = marker_subject(settings.region, "*", ACTIVATE)
        for found in await messages_after(bus, log_stream(stream), subject, lowest):
            directive, partition = decode_directive(found.data), parse_log_subject(found.subject).partition
            known = newest.get(partition)
            if known is not None and isinstance(directive, ActivateRules) and directive.version > known.version:
                newest[partition] = Effective(partition, directive.version, found.position)
    return [newest[partition] for partition in sorted(newest)]


async def known_by_hosts(bus: Bus, settings: Settings) -> dict[str, int]:
    """Listen for as long as a host may be silent, and return the newest version that each live host knows."""
    known: dict[str, int] = {}

    async def hear(message: Message) -> None:
        beat = msgspec.json.decode(message.data, type=Heartbeat)
        known[beat.host] = beat.rules

    listening = await bus.subscribe(members_subject(settings.region), hear)
    try:
        await asyncio.sleep(settings.member_timeout_seconds)
    finally:
        await listening.unsubscribe()
    return known


def require_ready(version: int, hosts: Mapping[str, int], present: Sequence[Effective]) -> None:
    """Raise VersionUnknown, HostsBehind or WouldGoBack unless the version may be activated now."""
    if version not in RULES:
        raise VersionUnknown(version=version, known=", ".join(map(str, sorted(RULES))))
    behind = sorted(host for host, known in hosts.items() if known < version)
    if behind:
        raise HostsBehind(hosts=", ".join(behind), version=version)
    for each in present:
        if each.version > version:
            raise WouldGoBack(present=each.version, partition=each.partition)


async def activate(bus: Bus, database: Database, identity: LogIdentity, settings: Settings, version: int) -> list[Effective]:
    """Append the marker to every partition that has a lower version, and return what is in force then.

    Raises what `require_ready` raises, ActivationUnfinished, StoreError.
    """
    await rules.begin_with(database, range(identity.partitions), NEWEST)
    hosts = await known_by_hosts(bus, settings)
    present = await in_force(bus, database, identity, settings)
    require_ready(version, hosts, present)
    writer = await LogWriter.open(bus, "rules")
    try:
        return [each if each.version == version else await _mark(writer, settings, each.partition, version) for each in present]
    finally:
        await writer.close()


async def _mark(writer: LogWriter, settings: Settings, partition: int, version: int) -> Effective:
    marker = (marker_subject(settings.region, partition, ACTIVATE), encode_directive(ActivateRules(version)))
    try:
        position = await writer.append([marker], timeout_seconds=settings.publish_timeout_seconds)
    except StoreError as error:
        raise ActivationUnfinished(partition=partition, reason=error.message) from error
    return Effective(partition, version, position)
