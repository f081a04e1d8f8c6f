"""Appending to the log: one message as a plain publish, several as one atomic batch (design D5).

Called by the gateways' group commit, one writer per process. A message is saved when `append` returns, and only then.
Nothing here retries: who was told `AppendUnknown` appends again one by one, in order.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Self

import msgspec

from store.bus import NO_LEADER_CODES, Bus, BusSubscription, Message
from store.errors import AppendRefused, AppendUnknown, BusDown, NoLeader, StoreError
from store.log_guard import LogGuard
from store.postgres import Database

MAX_BATCH_MESSAGES = 1000


class _AckError(msgspec.Struct):
    description: str = ""
    err_code: int = 0


class _Ack(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    error: _AckError | None = None


_decode_ack = msgspec.json.Decoder(_Ack).decode


class LogWriter:
    """Appends messages; every call fails at once with AppendUnknown when the connection is lost."""

    def __init__(self, bus: Bus, boot_id: str, database: Database | None = None) -> None:
        #: Knows when the log went back; nothing is appended then.
        self.guard = LogGuard(bus, database)
        self._bus = bus
        self._boot_id = boot_id
        self._inbox = bus.new_inbox()
        self._numbers = itertools.count(1)
        self._acks: dict[str, asyncio.Future[_Ack]] = {}
        self._subscription: BusSubscription | None = None

    @classmethod
    async def open(cls, bus: Bus, boot_id: str, database: Database | None = None) -> Self:
        """`boot_id` is 128 random bits as text of at most 40 characters, new at each start of the process."""
        writer = cls(bus, boot_id, database)
        writer._subscription = await bus.subscribe(f"{writer._inbox}.*", writer._on_ack)
        bus.on_disconnect.append(writer._fail_all)
        return writer

    async def append(self, messages: Sequence[tuple[str, bytes]], *, timeout_seconds: float = 2.0) -> int:
        """Store all messages, whose subjects lie in one stream, or none of them; at most 1,000.

        Returns the stream position of the last one; a batch has contiguous positions. Raises AppendRefused (nothing is
        stored: LogWentBack is one), AppendUnknown (stored or not) or BusDown (nothing was stored, it will be taken later:
        NoLeader is one).
        """
        if not 0 < len(messages) <= MAX_BATCH_MESSAGES:
            raise StoreError(f"An append takes 1 to {MAX_BATCH_MESSAGES} messages, not {len(messages)}.")
        if not self._bus.connected:
            raise BusDown
        await self._require_log()
        seen = dict(self.guard.highest)
        number = next(self._numbers)
        reply = f"{self._inbox}.{number}"
        ack: asyncio.Future[_Ack] = asyncio.get_running_loop().create_future()
        self._acks[reply] = ack
        try:
            async with asyncio.timeout(timeout_seconds):
                if len(messages) == 1:
                    await self._bus.publish(*messages[0], reply=reply)
                else:
                    await self._bus.publish_batch(f"{self._boot_id}-{number}", messages, reply=reply)
                answer = await ack
        except TimeoutError:
            raise AppendUnknown(f"The log did not acknowledge within {timeout_seconds:g} s; append again one by one.") from None
        except NoLeader:
            raise
        except BusDown as error:
            raise AppendUnknown from error
        finally:
            del self._acks[reply]
        self.guard.check(answer.stream, answer.seq, seen)
        return answer.seq

    async def _require_log(self) -> None:
        try:
            await self.guard.require()
        except (AppendRefused, BusDown):
            raise
        except StoreError as error:
            raise BusDown(f"The log cannot be looked at now: {error.message}") from error

    async def close(self) -> None:
        """Fail what is in flight with AppendUnknown and stop."""
        self.guard.close()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._bus.on_disconnect.remove(self._fail_all)
            self._fail_all()
            await subscription.unsubscribe()

    async def _on_ack(self, message: Message) -> None:
        ack = self._acks.get(message.subject)
        if ack is None or ack.done():
            return
        if not message.data:  # 503: nobody listens, since a new leader is being elected or the server has just started
            ack.set_exception(NoLeader("No stream takes the subject at the moment; append again."))
            return
        answer = _decode_ack(message.data)
        if answer.error is not None and answer.error.err_code in NO_LEADER_CODES:
            ack.set_exception(NoLeader(f"The log says: {answer.error.description}; append again."))
        elif answer.error is not None:
            ack.set_exception(AppendRefused(answer.error.err_code, answer.error.description))
        else:
            ack.set_result(answer)

    def _fail_all(self) -> None:
        for ack in self._acks.values():
            if not ack.done():
                ack.set_exception(AppendUnknown())
