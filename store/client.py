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
#: What a server says of a request instead of an answer: `NATS/1.0 408 Request Timeout`.
_STATUS_LINE = re.compile(rb"NATS/1\.0 +(\d{3}) *(.*)")


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
            read = None if not headers or headers.startswith(_BATCH_HEADERS) else headers_of(headers)
            # Nothing here may raise: nats-py ends the connection then, and the message comes again to the next one.
            message = Message(subject.decode(errors="replace"), data, reply.decode(errors="replace"), read)
            subscription._pending_queue.put_nowait(message)  # type: ignore[arg-type]  # noqa: SLF001  # only Connection reads it


def headers_of(block: bytes) -> dict[str, str]:
    """What a header block says, whatever it is: the server stores and hands on what a stranger sends as one.

    The last line with a name counts and stands last, since servers add theirs at the end; a line that is no header is left out.
    """
    found: dict[str, str] = {}
    first, *lines = block.split(b"\r\n")
    if status := _STATUS_LINE.fullmatch(first):
        found["Status"], found["Description"] = (each.decode(errors="replace") for each in status.groups())
    for line in lines:
        name, colon, value = line.decode(errors="replace").partition(":")
        if colon:
            found.pop(name.strip(), None)
            found[name.strip()] = value.strip()
    return found
