"""Sending what the fold wants other actors' logs to hold, after it was stored, until the log has it (design D6).

A subject names sender and receiver: the messages of one subject leave in order, each when the one before is on disk, so that a
number is never left out. What the log refuses holds back its own subject alone. A message that was sent and not struck off is
sent again, and the receiver ignores it. A new owner first sends what is left. Nudged by flusher and duty.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from actors.runtime.partition import Partition
from actors.runtime.resources import Resources
from actors.runtime.sender import Sender
from store.errors import AppendRefused, BadMessage, StoreError
from store.outbox import OutboxRow

#: How many messages are taken up at once; each is below the size of an op.
PAGE: Final = 200
#: How often it is looked for what a former owner has stored and not sent.
SWEEP_SECONDS: Final = 5.0
log = structlog.get_logger()


class OutboxSender(Sender):
    """The outbox of the partitions that a host owns."""

    def __init__(self, resources: Resources, partitions: Mapping[int, Partition]) -> None:
        super().__init__(SWEEP_SECONDS)
        self._resources = resources
        self._partitions = partitions

    async def send(self) -> bool:
        """Send everything that can go now; False when the log refuses the next message of some subjects. Raises StoreError."""
        held_back: set[str] = set()
        while rows := await self._resources.store.pending_outbox(list(self._partitions), sorted(held_back), PAGE):
            lines: defaultdict[str, list[OutboxRow]] = defaultdict(list)
            for row in rows:
                lines[row.subject].append(row)
            ends = await asyncio.gather(*(self._send_line(line) for line in lines.values()))
            await self._strike(row for sent, _ in ends for row in sent)
            for subject, (_, error) in zip(lines, ends, strict=True):
                if error is None:
                    continue
                if not isinstance(error, AppendRefused | BadMessage):
                    raise error
                held_back.add(subject)
                log.warning("messages_held_back", subject=subject, error=str(error))
        self._resources.counters.messages_held_back += len(held_back)
        return not held_back

    async def _send_line(self, line: list[OutboxRow]) -> tuple[list[OutboxRow], StoreError | None]:
        """Send the messages of one subject in order, up to the first that cannot go; returns those that the log has."""
        for number, row in enumerate(line):
            try:
                await self._resources.log.append([(row.subject, row.payload)])
            except StoreError as error:
                return line[:number], error
        return line, None

    async def _strike(self, rows: Iterable[OutboxRow]) -> None:
        ids = [row.id for row in rows]
        if ids:
            await self._resources.store.strike_outbox(ids)
            self._resources.counters.messages_sent += len(ids)
