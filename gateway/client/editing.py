"""What a program sees and does of the wedding: the confirmed state, the view with our own ops in it, and the edits.

The base of `Client`, which adds the connection; nothing here waits or knows of sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from actors.contract.changes import ChannelItems
from actors.contract.channels import channel_of
from actors.contract.collections import COLLECTIONS
from actors.contract.events import Event
from actors.contract.ops import Op, Target
from gateway.client.listening import Listening
from gateway.client.optimistic import overlay
from gateway.client.pending import Pending
from gateway.client.session import Session


class Editing:
    """See the module."""

    def __init__(self, session: Session, listening: Listening) -> None:
        self.listening = listening
        self._session = session

    @property
    def client(self) -> str | None:
        """The client id, None before the first welcome."""
        return self._session.client

    @property
    def user(self) -> str:
        """Who we are to the server; empty before the first welcome."""
        return self._session.user

    @property
    def role(self) -> str:
        """Our role in the wedding; empty before the first welcome."""
        return self._session.role

    @property
    def is_synced(self) -> bool:
        """Whether we are connected and up to date."""
        return self._session.is_synced

    @property
    def unanswered(self) -> int:
        """How many ops have no outcome yet."""
        return len(self._session.outbox)

    @property
    def mismatches(self) -> int:
        """How often our digest of a channel was not the server's; each was repaired by a sync of that channel."""
        return self._session.mismatches

    @property
    def presence(self) -> Mapping[str, dict[str, Any]]:
        """Who is here and what they do, as far as we may see."""
        return self._session.presence.others

    def channels(self) -> dict[str, ChannelItems]:
        """The confirmed state: `{channel: {collection: {id: fields}}}`; not to be changed."""
        return {name: copy.items for name, copy in self._session.replica.channels.items()}

    def sequences(self) -> dict[str, int]:
        """The sequence up to which each channel is applied."""
        return self._session.replica.sequences()

    def digests(self) -> dict[str, str]:
        """The digest of each channel of the confirmed state."""
        return self._session.replica.digests()

    def confirmed(self) -> ChannelItems:
        """The confirmed items of all channels, `{collection: {id: fields}}`; not to be changed."""
        return self._session.replica.items()

    def view(self) -> ChannelItems:
        """The confirmed items with our unanswered ops laid over them: what a person should see now; not to be changed."""
        return overlay(self.confirmed(), self._session.outbox.waiting())

    def edit(
        self,
        op_type: str,
        action: str,
        collection: str,
        identifier: str,
        data: Mapping[str, Any] | None = None,
        *,
        base: Mapping[str, int] | None = None,
        dependencies: Iterable[str] = (),
        field: str | None = None,
    ) -> Pending:
        """Queue an op and send it as soon as we are connected; raises QueueFull. `base` is what we hold unless given."""
        target = Target(collection, identifier, field)
        claims = dict(self._base_of(target, data or {}) if base is None else base)
        pending = Pending(Op(op_type, action, target, data=dict(data or {}), base=claims, dependencies=list(dependencies)))
        self._session.submit(pending)
        return pending

    def insert(self, collection: str, identifier: str, data: Mapping[str, Any]) -> Pending:
        """Queue the insert of a whole item."""
        return self.edit(COLLECTIONS[collection].type, "insert", collection, identifier, data)

    def update(self, collection: str, identifier: str, data: Mapping[str, Any]) -> Pending:
        """Queue new values for some fields; None clears one."""
        return self.edit(COLLECTIONS[collection].type, "update", collection, identifier, data)

    def delete(self, collection: str, identifier: str) -> Pending:
        """Queue the removal of an item."""
        return self.edit(COLLECTIONS[collection].type, "delete", collection, identifier)

    def move(self, collection: str, identifier: str, after: str | None) -> Pending:
        """Queue a move behind another item, or to the front with None."""
        return self.edit(COLLECTIONS[collection].type, "move", collection, identifier, {"after": after})

    def answer_conflict(self, conflict: str, action: str, choice: str | None = None, value: Any = None) -> Pending:
        """Queue `resolve` or `reverse` of a conflict that we hold; `value` goes with the choice `value`. Raises KeyError."""
        record = self.confirmed().get("conflicts", {})[conflict]
        data = {name: given for name, given in (("choice", choice), ("value", value)) if given is not None}
        return self.edit(COLLECTIONS[str(record["collection"])].type, action, "conflicts", conflict, data)

    def show_presence(self, presence: dict[str, Any] | None) -> None:
        """Tell the others what we are doing now; None says that we do nothing. Told again after every reconnect."""
        self._session.show_presence(presence)

    def verify(self) -> None:
        """Ask the server to compare our digests; it sends a sync for each channel that differs."""
        self._session.ask_repair(self._session.replica.channels)

    def events(self) -> AsyncIterator[Event]:
        """Yield every event as it is applied, from now on. After a snapshot (see `listening.on_sync`) read the view again."""
        return self.listening.events()

    def _base_of(self, target: Target, data: Mapping[str, Any]) -> dict[str, int]:
        replica = self._session.replica
        channel = replica.channel_holding(target.collection, target.id)
        if channel is None and target.collection != "inbox":
            channel = channel_of(target.collection, data)
        return {channel: replica.channels[channel].sequence} if channel in replica.channels else {}
