"""Who is in one wedding, gathered from the connections of all gateways: pure, no clock, no IO.

Records are keyed by (gateway, boot, connection); `person` makes one picture of a person's connections. Every gateway's changes
carry a version; what does not follow the last one is a gap, and the whole must be asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from actors.contract.presence import PresenceDiff, PresenceRecord
from gateway.presence.fields import Presence
from gateway.presence.person import latest, merged

#: A room that nobody changed yet.
NO_CHANGE: Final = 0


class Source(NamedTuple):
    """One life of one gateway."""

    gateway: str
    boot: str


class People:
    """The presence of one wedding as one gateway knows it."""

    def __init__(self) -> None:
        self._connections: dict[Source, dict[str, PresenceRecord]] = {}
        self._versions: dict[Source, int] = {}
        self._of_user: dict[str, dict[tuple[Source, str], PresenceRecord]] = {}

    def put(self, source: Source, connection: str, record: PresenceRecord) -> None:
        """Set what one connection says."""
        connections = self._connections.get(source)
        if connections is None:
            connections = self._connections[source] = {}
        known = connections.get(connection)
        if known is not None and known.user != record.user:
            self.drop(source, connection)
        connections[connection] = record
        records = self._of_user.get(record.user)
        if records is None:
            records = self._of_user[record.user] = {}
        records[source, connection] = record

    def drop(self, source: Source, connection: str) -> str | None:
        """Forget a connection; returns its person if it was known."""
        record = self._connections.get(source, {}).pop(connection, None)
        if record is None:
            return None
        records = self._of_user[record.user]
        del records[source, connection]
        if not records:
            del self._of_user[record.user]
        return record.user

    def drop_source(self, source: Source) -> set[str]:
        """Forget all connections of a gateway that is gone; returns the persons concerned."""
        users = {user for connection in list(self._connections.get(source, {})) if (user := self.drop(source, connection))}
        self._connections.pop(source, None)
        self._versions.pop(source, None)
        return users

    def follow(self, diff: PresenceDiff) -> set[str] | None:
        """Take over another gateway's change; returns the persons concerned, or None when something is missing before it."""
        source = Source(diff.gateway, diff.boot)
        known = self._versions.get(source, NO_CHANGE)
        if diff.version <= known:
            return set()
        if not diff.whole and diff.version != known + 1:
            return None
        self._versions[source] = diff.version
        before = dict(self._connections.get(source, {}))
        records = diff.connections | {connection: None for connection in before.keys() - diff.connections.keys() if diff.whole}
        users: set[str] = set()
        for connection, record in records.items():
            known_record = before.get(connection)
            if record == known_record:
                continue
            if known_record is not None:
                users.add(known_record.user)
                self.drop(source, connection)
            if record is not None:
                users.add(record.user)
                self.put(source, connection, record)
        return users

    def version(self, source: Source) -> int:
        """The last version that was followed of this gateway."""
        return self._versions.get(source, NO_CHANGE)

    def sources(self) -> Iterable[Source]:
        return self._connections.keys() | self._versions.keys()

    def connections_of(self, source: Source) -> Mapping[str, PresenceRecord]:
        return self._connections.get(source, {})

    def users(self) -> Iterable[str]:
        return self._of_user.keys()

    def count(self) -> int:
        """How many persons there are."""
        return len(self._of_user)

    def seen(self, user: str) -> Presence | None:
        """What a person shows, unmasked; None when not here."""
        records = self._of_user.get(user)
        return merged(records) if records else None

    def speaks_for(self, user: str) -> Source | None:
        """The gateway whose connection of a person spoke last; None when the person is not here."""
        records = self._of_user.get(user)
        return latest(records)[0] if records else None

    def connections_of_user(self, source: Source, user: str) -> list[str]:
        """A person's connections at one gateway."""
        return [connection for its_source, connection in self._of_user.get(user, ()) if its_source == source]
