"""Those who listen to a client: callbacks, bounded streams of events, and waits for a condition.

The client calls `tell_*` after its state has changed; nothing here changes the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from actors.contract.events import Event
from actors.contract.server_frames import ErrorFrame
from gateway.client.errors import ClientError, ListenerTooSlow, NotReached
from gateway.client.replica import SyncReport
from gateway.client.returning import ReturnReport

STREAM_EVENTS: Final = 10_000
_Told = TypeVar("_Told")


class Listening:
    """Callbacks run inside the client and must return at once; the fault of one is told to the event loop and stops nothing."""

    def __init__(self) -> None:
        self.on_event: list[Callable[[Event], None]] = []
        self.on_sync: list[Callable[[SyncReport], None]] = []
        self.on_error: list[Callable[[ErrorFrame], None]] = []
        self.on_return: list[Callable[[ReturnReport], None]] = []
        self.on_unkept: list[Callable[[Exception], None]] = []
        self._streams: set[asyncio.Queue[Event | ClientError]] = set()
        self._changed = asyncio.Event()

    @property
    def streams(self) -> int:
        """How many readers of events there are."""
        return len(self._streams)

    def tell_event(self, event: Event) -> None:
        """An event was applied."""
        _call(self.on_event, event)
        for stream in list(self._streams):
            if stream.qsize() >= STREAM_EVENTS:
                self._streams.discard(stream)
                stream.put_nowait(ListenerTooSlow())
            else:
                stream.put_nowait(event)

    def tell_sync(self, report: SyncReport) -> None:
        """A channel was brought up to date by a sync; its events are told one by one before."""
        _call(self.on_sync, report)

    def tell_error(self, frame: ErrorFrame) -> None:
        """The server complained about something that is no op."""
        _call(self.on_error, frame)

    def tell_return(self, report: ReturnReport) -> None:
        """Every op that waited for the connection has its answer."""
        _call(self.on_return, report)

    def tell_unkept(self, error: Exception) -> None:
        """The store of the queue takes no more, so that ops without an answer would not outlive the program."""
        _call(self.on_unkept or [_tell_event_loop_unkept], error)

    def tell_change(self) -> None:
        """Something may be different from before."""
        self._changed.set()

    def end(self, error: ClientError | None) -> None:
        """No more events will come."""
        for stream in self._streams:
            stream.put_nowait(error or ClientError("The client is closed."))
        self._streams.clear()
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield each event as it is applied, from now on; raises when the client ends or the reader is too slow."""
        stream: asyncio.Queue[Event | ClientError] = asyncio.Queue()
        self._streams.add(stream)
        self._changed.set()
        try:
            while True:
                told = await stream.get()
                if isinstance(told, ClientError):
                    raise told
                yield told
        finally:
            self._streams.discard(stream)

    async def changed(self) -> None:
        """Wait until something may be different."""
        self._changed.clear()
        await self._changed.wait()

    async def until(self, condition: Callable[[], bool], within_seconds: float) -> None:
        """Wait until the condition holds; raises NotReached."""
        try:
            async with asyncio.timeout(within_seconds):
                while not condition():
                    await self.changed()
        except TimeoutError:
            raise NotReached(f"The state that was waited for did not come within {within_seconds:g} s.") from None


def _call(callbacks: list[Callable[[_Told], None]], told: _Told) -> None:
    for callback in list(callbacks):
        try:
            callback(told)
        except Exception as error:
            # A fault that ended the connection would come again with the same frame after every return.
            context = {"message": f"A listener of the client failed: {callback!r}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


def _tell_event_loop_unkept(error: Exception) -> None:
    context = {"message": "The store of the client's queue takes no more; edits are sent all the same.", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
