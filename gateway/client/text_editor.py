"""A text of an item under the hands of several people, live: joins a client's connection and a `TextSession`.

Typing never waits: one edit is in flight, the rest is composed. `close` it when the text is out of sight: it goes on following
until the rest has arrived, since only who follows knows where in the text that belongs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import UNSET

from actors.contract.changes import Change
from actors.contract.collections import COLLECTIONS
from actors.contract.events import Event
from actors.contract.text_diff import diff
from actors.contract.text_form import content_in
from actors.contract.text_ot import Component, Delta
from gateway.client.client import Client
from gateway.client.errors import QueueFull
from gateway.client.pending import Outcome, Pending
from gateway.client.replica import SyncReport
from gateway.client.text_session import TextSession


class TextEditor:
    """`TextEditor(client, "documents", "vows")`: `insert`, `delete`, `edit`, `undo`, `redo` return at once.

    `text` is what to show; `until_saved` waits. Positions are code points.
    """

    def __init__(self, client: Client, collection: str, identifier: str, field: str = "text") -> None:
        self._client, self._field = client, field
        self._place = (collection, identifier)
        self._channel, content, self._sequence = self._now()
        self._session = TextSession(content)
        self._pending: Pending | None = None
        #: The item was there and is no more; before its insert has come it is not gone.
        self._is_gone = False
        self._is_closing = False
        #: Why the server refused our last edit for good, None where it never did; that edit is taken out of the text.
        self.refused: Outcome | None = None
        client.listening.on_event.append(self._on_event)
        client.listening.on_sync.append(self._on_sync)

    @property
    def text(self) -> str:
        """The text as we should see it now."""
        return self._session.text

    @property
    def content(self) -> Delta:
        """The same with attributes, as inserts."""
        return self._session.content

    @property
    def is_open(self) -> bool:
        """Whether the item is there and we may read it."""
        return self._channel is not None

    @property
    def is_saved(self) -> bool:
        """Whether everything typed is confirmed by the server."""
        return self._session.is_settled

    @property
    def selection(self) -> tuple[int, int]:
        """Where our cursor begins and ends, in code points; it moves with the edits of others."""
        return self._session.selection

    def select(self, start: int, end: int) -> None:
        """Set the cursor."""
        self._session.selection = (start, end)

    def insert(self, position: int, text: str) -> None:
        """Put text in at a position (code points)."""
        self.edit([{"retain": position}, {"insert": text}])

    def delete(self, position: int, length: int) -> None:
        """Take code points out."""
        self.edit([{"retain": position}, {"delete": length}])

    def replace(self, text: str) -> None:
        """Change the text into another one, by what differs."""
        self.edit(diff(self.text, text))

    def edit(self, delta: Sequence[Component]) -> None:
        """Change what we see; raises DeltaTooLong."""
        self._session.edit(delta)
        self._send()

    def undo(self) -> bool:
        """Take our last edit back, whatever others wrote since; False when there is none."""
        done = self._session.undo()
        self._send()
        return done

    def redo(self) -> bool:
        """Do again what was taken back last."""
        done = self._session.redo()
        self._send()
        return done

    async def until_saved(self, *, within_seconds: float = 10.0) -> None:
        """Wait until the server has confirmed everything typed; raises NotReached."""
        await self._client.until(lambda: self.is_saved, within_seconds=within_seconds)

    def close(self) -> None:
        """Stop following as soon as everything typed has arrived, or the item is gone."""
        self._is_closing = True
        self._send()

    def _leave_if_done(self) -> None:
        listening = self._client.listening
        if (self.is_saved or self._is_gone) and self._on_event in listening.on_event:
            listening.on_event.remove(self._on_event)
            listening.on_sync.remove(self._on_sync)

    def _now(self) -> tuple[str | None, Delta, int]:
        """Return the channel of the item, its text and the channel's sequence, as the client holds them."""
        collection, identifier = self._place
        for channel, items in self._client.channels().items():
            fields = items.get(collection, {}).get(identifier)
            if fields is not None:
                return channel, content_in(fields, self._field), self._client.sequences()[channel]
        return None, [], 0

    def _send(self) -> None:
        if self._channel is not None and self._pending is None:
            self._send_typed(self._channel)
        if self._is_closing:
            # After the whole frame: an item that moves leaves its channel before it stands in the other one.
            asyncio.get_running_loop().call_soon(self._leave_if_done)

    def _send_typed(self, channel: str) -> None:
        delta = self._session.take()
        if delta is None:
            return
        collection, identifier = self._place
        base = {channel: self._sequence}
        try:
            pending = self._client.edit(
                COLLECTIONS[collection].type, "edit", collection, identifier, {"delta": delta}, base=base, field=self._field
            )
        except QueueFull:
            self._session.answered(keep=True)
            return
        self._pending = pending
        asyncio.ensure_future(pending.outcome()).add_done_callback(lambda told: self._answered(pending, told))

    def _answered(self, pending: Pending, told: asyncio.Future[Outcome]) -> None:
        """Follow an answer that came without an event; the event itself was met in `_on_event`."""
        if pending is not self._pending or told.cancelled():
            return
        outcome, self._pending = told.result(), None
        is_again = not outcome.applied and outcome.code == "base_too_old"
        if not outcome.applied and not is_again:
            self.refused = outcome
        self._session.answered(keep=is_again)
        self._send()
        self._client.listening.tell_change()

    def _on_event(self, event: Event) -> None:
        is_ours = event.user_id == self._client.user and self._pending is not None and self._is_pending(event.id)
        for change in event.data.changes:
            if (change.collection, change.id) == self._place:
                self._follow(event, change, is_ours=is_ours)
        if event.channel == self._channel:
            self._sequence = event.sequence
        self._send()

    def _is_pending(self, op: str) -> bool:
        return self._pending is not None and op == f"{self._client.client}:{self._pending.number}"

    def _follow(self, event: Event, change: Change, *, is_ours: bool) -> None:
        if change.edit is not UNSET and self._field in change.edit:
            if is_ours:
                self._pending = None
                self._session.confirm(change.edit[self._field])
            else:
                self._session.follow(change.edit[self._field])
        elif change.insert is not UNSET:
            self._channel, self._sequence, self._is_gone = event.channel, event.sequence, False
            self._session.reset(content_in(change.insert, self._field))
        elif change.remove is not UNSET and event.channel == self._channel:
            self._channel, self._is_gone = None, True
        elif change.set is not UNSET and self._field in change.set:
            self._session.reset(content_in(dict(change.set), self._field))

    def _on_sync(self, report: SyncReport) -> None:
        """After a snapshot the way from our text to the new one is unknown."""
        if not report.snapshot:
            return
        channel, content, sequence = self._now()
        if report.channel in (channel, self._channel):
            self._channel, self._sequence, self._is_gone = channel, sequence, channel is None
            self._session.reset(content)
        self._send()
