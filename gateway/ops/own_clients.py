"""The clients under which this process numbers ops that come without an id: one per wedding's log and principal, anew each day.

The last numbers are kept here and not in the room: a room may end and open again while an op is still on its way to the log, and
the number of that op must not be given to another one, which the fold would take for a repeat. Used by the submitter alone.
"""

from datetime import date, datetime

from gateway.ids import new_client

#: The wedding, the generation of its log, the author.
OwnKey = tuple[str, int, str]


class OwnClients:
    """See the module."""

    def __init__(self) -> None:
        self._day = date.min
        self._clients: dict[OwnKey, str] = {}
        self._last: dict[str, int] = {}

    def client_of(self, key: OwnKey, now: datetime) -> str:
        """Return the client of today; those of yesterday are forgotten, so that their number stays bounded."""
        if now.date() != self._day:
            self._day = now.date()
            self._clients.clear()
            self._last.clear()
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = new_client(now)
            self._last[client] = 0
        return client

    def last(self, client: str) -> int:
        """The highest number of the client that is taken or on its way; 0 for a client of somebody else."""
        return self._last.get(client, 0)

    def took(self, client: str, number: int) -> None:
        """Remember the last number; nothing happens for a client of somebody else."""
        if client in self._last:
            self._last[client] = number
