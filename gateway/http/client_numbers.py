"""The numbers of HTTP ops that come without an id: a client of this gateway's own per boot, wedding and principal (design D5).

A number is given out only with the op that uses it, so that a client's numbers have no hole; when one may have arisen all the
same, the client is given up for a new one. Bounded: who was quiet for longest starts a new client next time.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_MOST_CLIENTS: Final = 10_000


class OwnClient:
    """One client of this gateway; `number` is the last that was given out."""

    __slots__ = ("client", "number")

    def __init__(self, client: str) -> None:
        self.client = client
        self.number = 0

    @property
    def next_id(self) -> str:
        """The id of the next op."""
        return f"{self.client}:{self.number + 1}"


class ClientNumbers:
    """Own clients by wedding and principal."""

    def __init__(self, new_client: Callable[[], str], most_clients: int = _MOST_CLIENTS) -> None:
        self._new_client = new_client
        self._most_clients = most_clients
        self._clients: OrderedDict[tuple[str, str], OwnClient] = OrderedDict()

    def client_of(self, wedding: str, principal: str) -> OwnClient:
        """The client under which this principal's ops in this wedding are numbered."""
        key = wedding, principal
        own = self._clients.get(key)
        if own is None:
            own = self._clients[key] = OwnClient(self._new_client())
            if len(self._clients) > self._most_clients:
                self._clients.popitem(last=False)
        self._clients.move_to_end(key)
        return own

    def give_up(self, wedding: str, principal: str, client: str) -> None:
        """Something of this client was not taken: the next op begins a new one."""
        own = self._clients.get((wedding, principal))
        if own is not None and own.client == client:
            del self._clients[wedding, principal]
