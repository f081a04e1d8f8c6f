"""Ops on which processes die: deaths are counted, and an op that has killed two is skipped by a message in the log (design D1).

Runs before partitions are taken, so that nobody decides such an op again: what dead lives of this data folder had in hand is
noted in Postgres, what is condemned there is said in the log, and only what the log says is skipped. Called by ownership.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

import structlog

from actors.contract.markers import SKIP, SkipOp, decode_directive, encode_directive
from actors.contract.subjects import log_stream, marker_subject, parse_log_subject
from actors.runtime.deciding import Casualty, Deciding
from actors.runtime.resources import Resources

#: An op takes some microseconds; a neighbour that has the same one in hand after this long does not get done with it.
STUCK_AFTER_SECONDS: Final = 0.25
log = structlog.get_logger()


async def skips_of(
    resources: Resources, by_stream: Mapping[int, Collection[int]], checkpoints: Mapping[int, int]
) -> dict[int, set[int]]:
    """Return the positions that the log says to skip, by partition, after it was told of new ones; raises StoreError."""
    numbers = [number for members in by_stream.values() for number in members]
    await _count_deaths(resources, numbers)
    condemned = await resources.store.condemn(numbers)
    region = resources.settings.region
    skips: defaultdict[int, set[int]] = defaultdict(set)
    for stream, members in by_stream.items():
        lowest = min(checkpoints[number] for number in members)
        for found in await resources.log.messages_after(log_stream(stream), marker_subject(region, "*", SKIP), lowest):
            directive = decode_directive(found.data)
            if isinstance(directive, SkipOp):
                skips[parse_log_subject(found.subject).partition].add(directive.position)
    for partition, position in condemned:
        if position not in skips[partition]:
            await resources.log.append([(marker_subject(region, partition, SKIP), encode_directive(SkipOp(position)))])
            skips[partition].add(position)
            log.critical("op_condemned", partition=partition, position=position, reason="two processes died while deciding it")
    return skips


async def _count_deaths(resources: Resources, numbers: Collection[int]) -> None:
    """Note what dead lives had in hand, and what living ones do not get done with although their partitions came to this host."""
    deciding = resources.deciding
    fallen = deciding.casualties()
    if fallen:
        await _note(resources, [casualty for casualty, _ in fallen])
        for _, path in fallen:
            deciding.bury(path)
    if stuck := await _stuck(deciding, numbers):
        await _note(resources, list(stuck))


async def _stuck(deciding: Deciding, numbers: Collection[int]) -> set[Casualty]:
    seen = {each for each in deciding.in_hand_elsewhere() if each.partition in numbers}
    if seen:
        await asyncio.sleep(STUCK_AFTER_SECONDS)
        seen &= deciding.in_hand_elsewhere()
    return seen


async def _note(resources: Resources, casualties: list[Casualty]) -> None:
    await resources.store.note_deaths(casualties)
    for each in casualties:
        log.error("process_died_deciding", partition=each.partition, position=each.position, life=each.life)
