"""nats-py's client with two short cuts on the way of every op: batches in one write, messages without nats-py's own handling.

Only store.connection makes one; its subscriptions have no pending limits, no JetStream state and no callbacks of nats-py.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import nats.errors
from nats.aio.client import Client

_BATCH_HEADERS = b"NATS/1.0\r\nNats-Batch-"
_NO_SUBJECT = re.compile(r"[\s*>]|^$|\.\.|^\.|\.$")


class Message(NamedTuple):
    """One message as a handler gets it; the headers of atomic batches, which only the server reads, are left out."""

    subject: str
    data: bytes
    reply: str
    headers: Mapping[str, str] | None


class LogClient(Client):
    """Sends a batch as one write, and puts each message that arrives as it is into its subscription's queue."""

    async def publish_batch(self, batch_id: str, messages: Sequence[tuple[str, bytes]], reply: str) -> None:
        """Write an atomic batch; the server answers on `reply`. Raises nats.errors.Error before anything is written."""
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        parts: list[bytes] = []
        for sequence, (subject, payload) in enumerate(messages, 1):
            if _NO_SUBJECT.search(subject):
                raise nats.errors.BadSubjectError
            is_last = sequence == len(messages)
            headers = f"NATS/1.0\r\nNats-Batch-Id: {batch_id}\r\nNats-Batch-Sequence: {sequence}\r\n"
            headers += "Nats-Batch-Commit: 1\r\n\r\n" if is_last else "\r\n"
            size = len(headers) + len(payload)
            if size > self._max_payload:
                raise nats.errors.MaxPayloadError
            parts += (f"HPUB {subject} {reply if is_last else ''} {len(headers)} {size}\r\n{headers}".encode(), payload, b"\r\n")
        await self._send_command(b"".join(parts))
        await self._flush_pending()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        subscription = self._subs.get(sid)
        if subscription is not None:
            read = None if not headers or headers.startswith(_BATCH_HEADERS) else await self._process_headers(headers)
            message = Message(subject.decode(), data, reply.decode(), read)
            subscription._pending_queue.put_nowait(message)  # type: ignore[arg-type]  # noqa: SLF001  # only Connection reads it
