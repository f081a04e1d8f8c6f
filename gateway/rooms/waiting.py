"""Who waits in a room: for the outcome of an op (HTTP requests), or for a rev to be delivered (joins). The room tells both."""

import asyncio
from functools import partial

from actors.contract.envelopes import Envelope
from gateway.errors import OwnerUnreachable


class Outcomes:
    """Futures of envelopes; cancelling one forgets it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[asyncio.Future[Envelope]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait_for(self, principal: str, op: str) -> asyncio.Future[Envelope]:
        """Return a future of the next envelope about this op."""
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((principal, op), []).append(future)
        future.add_done_callback(partial(self._forget, (principal, op)))
        return future

    def tell(self, envelope: Envelope) -> None:
        if envelope.waits:
            return
        for future in self._waiting.get((envelope.principal, envelope.op), ()):
            if not future.done():
                future.set_result(envelope)

    def _forget(self, key: tuple[str, str], future: asyncio.Future[Envelope]) -> None:
        waiting = self._waiting[key]
        waiting.remove(future)
        if not waiting:
            del self._waiting[key]


class Arrivals:
    """Futures of revs."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def wait_for(self, rev: int) -> asyncio.Future[None]:
        """Return a future of the delivery of everything up to `rev`; it raises OwnerUnreachable when that never comes."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rev, future))
        return future

    def tell(self, rev: int) -> None:
        here = [future for wanted, future in self._waiting if wanted <= rev]
        self._waiting = [(wanted, future) for wanted, future in self._waiting if wanted > rev]
        for future in here:
            if not future.done():
                future.set_result(None)

    def give_up(self) -> None:
        """The room has ended."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(OwnerUnreachable())
