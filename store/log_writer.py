"""Appending to the log: one message as a plain publish, several as one atomic batch (design D5).

Called by the gateways' group commit, one writer per process. A message is saved when `append` returns, and only then.
"""

from collections.abc import Sequence
from typing import Self

from store.bus import Bus


class LogWriter:
    """Appends messages; every call fails at once with AppendUnknown when the connection is lost."""

    @classmethod
    async def open(cls, bus: Bus, boot_id: str) -> Self:
        """`boot_id` is 128 random bits as text, new at each start of the process."""
        raise NotImplementedError

    async def append(self, messages: Sequence[tuple[str, bytes]], *, timeout_seconds: float = 2.0) -> int:
        """Store all messages, whose subjects lie in one stream, or none of them; at most 1,000.

        Returns the stream position of the last one; a batch has contiguous positions. Raises AppendRefused (nothing is
        stored), AppendUnknown (stored or not) or BusDown (nothing was sent).
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Fail what is in flight with AppendUnknown and stop."""
        raise NotImplementedError
