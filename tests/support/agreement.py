"""Where the state of a wedding can be read, each a way of its own: the actor, the stored changes, a fresh fold of the log.

Every function returns the digest of each channel that holds anything; tests compare them with what clients hold.
"""

from collections.abc import Mapping

import msgspec

from actors.contract.calls import Question
from actors.contract.decisions import Decision
from actors.contract.ids import partition_of
from actors.contract.subjects import call_subject, log_filter, log_stream
from actors.domain.decide import decide_safely
from actors.domain.evolve import evolve
from actors.domain.state import ActorState, new_state
from actors.domain.views import channel_heads
from actors.runtime.directives import Directives
from actors.runtime.log_messages import Marker, decode_message
from bench.installation import Site
from bench.witness import is_read_by, stored_decisions
from config.supervision.roles import role_settings
from store.bus import Bus
from store.log_consumer import LogConsumer
from tests.support.waiting import eventually

EMPTY = "0" * 16


def with_items(digests: Mapping[str, str]) -> dict[str, str]:
    """Leave out empty channels: a client drops them or keeps them as it likes."""
    return {channel: digest for channel, digest in digests.items() if digest != EMPTY}


def read_by(person: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Leave out what somebody of couple or planner does not read: the inboxes of others."""
    return {channel: digest for channel, digest in digests.items() if is_read_by(person, channel)}


async def digests_of_actor(site: Site, wedding: str) -> dict[str, str]:
    """Ask the owner."""
    settings = role_settings(site.data, "operator")
    bus = await _bus(site)
    try:
        subject = call_subject(settings.region, "w", wedding, "digest", settings.partitions)
        replies = await bus.call(subject, msgspec.json.encode(Question()), timeout_seconds=5)
    finally:
        await bus.close()
    assert not replies[0].error, replies[0].error
    heads = msgspec.json.decode(replies[0].body, type=dict[str, tuple[int, str]])
    return with_items({channel: digest for channel, (_, digest) in heads.items()})


async def digests_of_stored_changes(site: Site, wedding: str) -> dict[str, str]:
    """Follow the stored changes from nothing."""
    state = new_state(wedding)
    for decision in await stored_decisions(site, wedding):
        evolve(state, decision)
    return _digests(state)


async def digests_of_fresh_fold(site: Site, wedding: str) -> dict[str, str]:
    """Decide the whole log again, from nothing."""
    settings = role_settings(site.data, "operator")
    partition = partition_of(wedding, settings.partitions)
    state, directives = new_state(wedding), Directives()

    async def fold(position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        message = decode_message(position, timestamp_ms, subject, data)
        if isinstance(message, Marker):
            directives.obey(message)
            return
        if message.id != wedding:
            return
        outcome, _ = decide_safely(state, message.entry, directives.meta_of(message))
        if isinstance(outcome, Decision):
            evolve(state, outcome)

    bus = await _bus(site)
    reader = LogConsumer(bus, log_stream(partition % settings.log_streams), [log_filter(settings.region, partition)], 0, fold)
    await reader.start()
    try:
        last = await reader.last_position()
        await eventually(lambda: reader.position >= last, "the fold has read the whole log", within_seconds=20)
    finally:
        await reader.stop()
        await bus.close()
    return _digests(state)


async def log_position(site: Site, stream: str) -> int:
    """Ask for the last position of a log stream."""
    bus = await _bus(site)
    try:
        answer = await bus.js_request(f"STREAM.INFO.{stream}", {})
    finally:
        await bus.close()
    return int(answer["state"]["last_seq"])


def _digests(state: ActorState) -> dict[str, str]:
    return with_items({channel: digest for channel, (_, digest) in channel_heads(state).items()})


async def _bus(site: Site) -> Bus:
    """A connection as the host: it may read the log and ask owners."""
    settings = role_settings(site.data, "host")
    return await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="acceptance",
        inbox_prefix="_INBOX_host",
    )
