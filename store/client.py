"""nats-py's client with two short cuts for the log, whose messages carry the headers of atomic batches.

Only store.connection makes one. Everything else is nats-py's.
"""

import re
from collections.abc import Sequence

import nats.errors
from nats.aio.client import Client

_BATCH_HEADERS = b"NATS/1.0\r\nNats-Batch-"
_NO_SUBJECT = re.compile(r"[\s*>]|^$|\.\.|^\.|\.$")


class LogClient(Client):
    """Sends a batch as one write, and does not parse batch headers, which only the server reads."""

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

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        if headers is not None and headers.startswith(_BATCH_HEADERS):
            return None
        parsed: dict[str, str] | None = await super()._process_headers(headers)
        return parsed
