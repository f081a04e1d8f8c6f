"""Reading a stretch of a log stream once, every position, with a known end: for the fence, the scrub and the re-seeding.

An unfiltered stream has no natural holes above its first position but those of deleted messages, so a position that does not come
is a message that cannot be read (design D12). Bounded memory; the live reader is store.log_consumer.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, NamedTuple

from actors.contract.subjects import log_stream
from store.acknowledgements import delivery_tokens
from store.bus import Bus, BusSubscription, Message
from store.errors import STREAM_NOT_FOUND, JetStreamError, RequestTimeout
from store.log_search import Found

BATCH_MESSAGES: Final = 1000
_ANSWER_SECONDS: Final = 10.0
_INACTIVE_SECONDS: Final = 30
#: How often a stream with copies must end below the position that its leader named, and the pause between.
COPY_ASKINGS: Final = 40
COPY_SECONDS: Final = 0.5
_NANOSECONDS: Final = 1_000_000_000
_names = itertools.count(1)


class Bounds(NamedTuple):
    """What a stream says of itself; `reported_lost` is true when the server noticed at its start that messages are missing."""

    stream_id: str
    first: int
    last: int
    deleted: int
    reported_lost: bool
    replicas: int


async def bounds(bus: Bus, stream: str) -> Bounds | None:
    """Ask for a stream's bounds; None when there is no such stream. Raises StoreError."""
    try:
        info = await bus.js_request(f"STREAM.INFO.{stream}")
    except JetStreamError as error:
        if error.err_code == STREAM_NOT_FOUND:
            return None
        raise
    state = info["state"]
    lost = state.get("lost") or {}
    return Bounds(
        str((info["config"].get("metadata") or {}).get("wedsync_stream_id", "")),
        int(state["first_seq"]),
        int(state["last_seq"]),
        int(state.get("num_deleted") or 0),
        bool(lost.get("msgs") or lost.get("bytes")),
        int(info["config"]["num_replicas"]),
    )


async def damage(bus: Bus, streams: int) -> str:
    """Say what nats-server itself reports to be missing in the log streams, "" when nothing; raises StoreError."""
    found = {log_stream(index): await bounds(bus, log_stream(index)) for index in range(streams)}
    reports = [
        f"nats-server lost messages of {name} when it started."
        if each.reported_lost
        else f"{each.deleted} positions of {name} are empty."
        for name, each in found.items()
        if each is not None and (each.reported_lost or each.deleted)
    ]
    return " ".join(reports)


async def read(bus: Bus, stream: str, after: int, upto: int, *, headers_only: bool = False) -> AsyncIterator[Found]:
    """Yield every readable message in (after, upto], ascending; `data` is empty with `headers_only`. Raises StoreError."""
    position, askings = after, 0
    while position < upto:
        async with aclosing(_read_once(bus, stream, position, headers_only=headers_only)) as messages:
            async for message in messages:
                if message.position > upto:
                    return
                position, askings = message.position, 0
                yield message
                if position == upto:
                    return
        askings += 1
        if askings == COPY_ASKINGS or not await _may_be_behind(bus, stream):
            return
        await asyncio.sleep(COPY_SECONDS)


async def _may_be_behind(bus: Bus, stream: str) -> bool:
    """Tell whether the end that was met may be that of one copy, whose server has not taken in what the others have, or died."""
    found = await bounds(bus, stream)
    return found is not None and found.replicas > 1


async def _read_once(bus: Bus, stream: str, after: int, *, headers_only: bool) -> AsyncGenerator[Found]:
    """Yield what one consumer is given, to the end of the copy that it reads."""
    answers: asyncio.Queue[Message] = asyncio.Queue()
    inbox = bus.new_inbox()
    listening = await bus.subscribe(inbox, answers.put)
    name = f"range-{secrets.token_hex(6)}-{next(_names)}"
    try:
        await _create(bus, stream, name, after + 1, headers_only=headers_only)
        while batch := await _batch(bus, stream, name, inbox, answers):
            for message in batch:
                yield message
    finally:
        await _give_back(bus, stream, name, listening)


async def holes(bus: Bus, stream: str, after: int, upto: int) -> AsyncIterator[tuple[int, int]]:
    """Yield the (first, last) of every run of positions in (after, upto] that cannot be read; raises StoreError."""
    expected = after + 1
    async for message in read(bus, stream, after, upto, headers_only=True):
        if message.position > expected:
            yield expected, message.position - 1
        expected = message.position + 1
    if expected <= upto:
        yield expected, upto


async def _create(bus: Bus, stream: str, name: str, start: int, *, headers_only: bool) -> None:
    config = {
        "name": name,
        "description": "WedSync: reads a stretch of the log once",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "ack_policy": "none",
        "replay_policy": "instant",
        "headers_only": headers_only,
        "mem_storage": True,
        "inactive_threshold": _INACTIVE_SECONDS * _NANOSECONDS,
    }
    await bus.js_request(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "create"})


async def _batch(bus: Bus, stream: str, name: str, inbox: str, answers: asyncio.Queue[Message]) -> list[Found]:
    """Ask for the next messages; fewer than asked for, or none, at the end of the stream."""
    request = f'{{"batch":{BATCH_MESSAGES},"no_wait":true}}'
    await bus.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", request.encode(), reply=inbox)
    batch: list[Found] = []
    try:
        while len(batch) < BATCH_MESSAGES:
            async with asyncio.timeout(_ANSWER_SECONDS):
                message = await answers.get()
            if not delivery_tokens(message.reply):
                break
            batch.append(_found(message))
    except TimeoutError:
        raise RequestTimeout(f"{stream} did not go on within {_ANSWER_SECONDS:g} s; run the command again.") from None
    return batch


def _found(message: Message) -> Found:
    _, _, _, position, _, nanoseconds, _ = delivery_tokens(message.reply)
    return Found(int(position), int(nanoseconds) // 1_000_000, message.subject, message.data)


async def _give_back(bus: Bus, stream: str, name: str, listening: BusSubscription) -> None:
    await listening.unsubscribe()
    try:
        await bus.js_request(f"CONSUMER.DELETE.{stream}.{name}")
    except JetStreamError:
        return  # it is gone already
