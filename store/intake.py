"""Draining INTAKE: one gateway at a time, through a durable consumer with a pinned priority group (design D10)."""

from collections.abc import Awaitable, Callable

from store.bus import Bus


class IntakeMessage:
    """One op of an integrator or operator, and the right to say what becomes of it."""

    principal: str
    wedding: str
    sequence: int
    op_id_header: str | None
    data: bytes

    async def ack(self) -> None:
        """It is in the log, or a repeat: take it out of the queue."""
        raise NotImplementedError

    async def term(self) -> None:
        """It will never be taken: take it out of the queue."""
        raise NotImplementedError


class IntakeConsumer:
    """Delivers messages while this process is the pinned one; what is not acknowledged in time is delivered again."""

    def __init__(self, bus: Bus, on_message: Callable[[IntakeMessage], Awaitable[None]], *, batch: int = 200) -> None:
        """`batch` bounds how many are unacknowledged at once."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin; the consumer is made when missing."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End, and let another gateway take over at once."""
        raise NotImplementedError
