"""Reading the log in order, each position once, across every loss of the consumer behind it (design D3).

A pull consumer with a plain inbox, no acknowledgements, memory storage. The host's fold and tools read the log through it.
"""

from collections.abc import Awaitable, Callable

from store.bus import Bus
from store.errors import StoreError

#: (position, log time in Unix milliseconds, subject, data)
OnMessage = Callable[[int, int, str, bytes], Awaitable[None]]


class LogConsumer:
    """Delivers the messages of some partitions of one stream after a position."""

    #: Every message of the filters at or below it has been delivered; it advances while idle too.
    position: int

    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: list[str],
        after_position: int,
        on_message: OnMessage,
        *,
        on_reset: Callable[[str], None] = lambda _reason: None,
        on_broken: Callable[[Exception], None] = lambda _error: None,
        heartbeat_seconds: float = 1.0,
        silence_seconds: float = 2.5,
    ) -> None:
        """`on_reset` hears why the consumer was made anew; `on_broken` that reading ended for good.

        It ends when `on_message` raises (the exception is handed over) and when the log is shorter than what was read
        (LogMismatch).
        """
        raise NotImplementedError

    async def start(self) -> None:
        """Begin; returns when the consumer exists. Raises LogMismatch when the log is shorter than `after_position`."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End; no message is delivered after it returns."""
        raise NotImplementedError

    async def last_position(self) -> int:
        """Ask for the stream's last position; raises StoreError."""
        raise StoreError
