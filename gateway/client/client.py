"""The client of one wedding: stays connected, resumes, keeps confirmed state and unanswered ops, and tells who listens.

Every frame is handled synchronously by the session part (`_handle` and below); the tasks of one connection only carry frames in
and out. The rules it follows are those of docs/protocol.md for every client.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec

from actors.contract.client_frames import Resume
from gateway.client.closing import Closings, Move
from gateway.client.connection import Connection, base_address, decode_frame
from gateway.client.durable import DurableQueue, QueueStore
from gateway.client.editing import Editing
from gateway.client.errors import ClientError, ClientFailed, ConnectionClosed, HistoryMissing, NotUndone, Stopped
from gateway.client.listening import Listening
from gateway.client.outbox import Outbox
from gateway.client.replica import Replica
from gateway.client.session import Session
from gateway.client.status import State, Status
from gateway.client.undoing import Undone, undone
from gateway.client.upkeep import Advice, Token, fresh_token, keep_up

FIRST_WAIT_SECONDS: Final = 0.2
#: Short enough that every client is back within five seconds after a gateway answers again.
LONGEST_WAIT_SECONDS: Final = 4.0
#: A connection that lasted this long ends the growth of the waits.
STABLE_SECONDS: Final = 5.0
#: After 4429: as long at least, and up to twice.
FLOOD_WAIT_SECONDS: Final = 10.0


class Client(Editing):
    """`async with Client(url, wedding, token) as client:` connects, and from then on keeps itself connected.

    `token` may be a function that fetches a fresh one. Give `client` to go on as an installation known to the server, or `queue`
    to keep edits over an end of the program as well. Without `session` (aiohttp) it opens its own.
    """

    def __init__(
        self,
        url: str,
        wedding: str,
        token: Token,
        *,
        client: str | None = None,
        session: aiohttp.ClientSession | None = None,
        queue: QueueStore | None = None,
        queue_limit: int = 1000,
        window: int = 100,
    ) -> None:
        self.url = base_address(url)
        self.wedding = wedding
        self._token = token
        self._http = session
        self._owns_http = session is None
        outbox, listening = Outbox(limit=queue_limit, window=window), Listening()
        self._queue = DurableQueue(queue, wedding, outbox, listening.tell_unkept)
        super().__init__(Session(listening, outbox, self._queue, client), listening)
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._stopped: ClientError | None = None
        self._closings = Closings()
        self._state, self._reason = State.OFFLINE, ""
        self._synced_at: float | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def connect(self, *, within_seconds: float = 30.0) -> None:
        """Connect and wait for the first whole state; raises Stopped, ClientFailed, NotReached or QueueUnusable."""
        self._queue.open()
        self._session.client = self._session.client or self._session.outbox.client
        if self._http is None:
            self._http = aiohttp.ClientSession()
        self._task = self._task or asyncio.create_task(self._keep_connected(self._http), name=f"wedsync client {self.wedding}")
        try:
            await self.until(lambda: self.is_synced, within_seconds=within_seconds)
        except ClientError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect until `connect` is called again; unanswered ops wait for it, or in a durable queue for the next client."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if self._owns_http and self._http is not None:
            await self._http.close()
            # A closed one serves no later `connect`.
            self._http = None
        self._state = State.OFFLINE
        self._queue.close()
        self.listening.end(self._stopped)

    async def undo(self, op: str) -> Undone:
        """Take one of our ops back where nobody has written since; also our undo itself. Raises NotUndone."""
        if self._http is None:
            raise NotUndone("The client is not connected.")
        try:
            token = await fresh_token(self._token)
        except ConnectionClosed as error:
            raise NotUndone(error.message) from error
        return await undone(self._http, self.url, self.wedding, token, op)

    async def disconnect(self) -> None:
        """Drop the present socket, as a bad network would; the client comes back by itself."""
        if self._connection is not None:
            await self._connection.close()

    @property
    def status(self) -> Status:
        """How we stand, for a user interface."""
        session = self._session
        state = self._state
        if session.is_synced:
            state = State.BEHIND if session.is_behind else State.LIVE
        waiting = session.outbox.unanswered()
        unsaved = sum(not pending.is_saved for pending in waiting)
        return Status(state, unsaved, len(waiting), self._synced_at, self._reason)

    async def statuses(self) -> AsyncIterator[Status]:
        """Yield the status now and whenever it is another, until the client ends; steps that last no time may be left out."""
        told: Status | None = None
        while True:
            status = self.status
            if told is None or status._replace(synced_at=told.synced_at) != told:
                told = status
                yield status
            if self._task is None or self._task.done():
                return
            await self.listening.changed()

    async def until(self, condition: Callable[[], bool], *, within_seconds: float = 10.0) -> None:
        """Wait until a condition on this client holds; raises NotReached, or Stopped or ClientFailed when no more will come."""
        await self.listening.until(lambda: self._stopped is not None or condition(), within_seconds)
        if self._stopped is not None:
            raise self._stopped

    async def _keep_connected(self, http: aiohttp.ClientSession) -> None:
        try:
            await self._come_back_until_stopped(http)
        except Exception as error:
            # Nobody awaits this task: whoever listens or waits would do so for ever.
            self._stopped = ClientFailed(f"The client has ended by a fault: {error!r}.")
            self._stopped.__cause__ = error
            self._state, self._reason = State.OFFLINE, self._stopped.message
        self.listening.end(self._stopped)

    async def _come_back_until_stopped(self, http: aiohttp.ClientSession) -> None:
        waits, pause_seconds = 0, 0.0
        while self._stopped is None:
            began = asyncio.get_running_loop().time()
            try:
                await self._serve_one_connection(http)
            except HistoryMissing:
                # The next hello names no client, so the server gives a new id.
                self._session.client = None
            except ClientError as error:
                pause_seconds = self._after(error)
            finally:
                self._session.disconnected()
            waits = 0 if asyncio.get_running_loop().time() - began > STABLE_SECONDS else waits + 1
            if self._stopped is None:
                # Full jitter: a thousand clients that lost the same gateway must not come back at the same moment.
                longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**waits)
                await asyncio.sleep(pause_seconds + random.uniform(0, pause_seconds or longest))  # noqa: S311  # no secret

    def _after(self, error: ClientError) -> float:
        """Judge the end of a connection: how long to wait at least, or that we have stopped."""
        self._state, self._reason = State.OFFLINE, error.message
        if not isinstance(error, ConnectionClosed):
            return 0.0
        move = self._closings.after(error.close_code, renews_token=not isinstance(self._token, str))
        if move in {Move.STOP, Move.WIPE}:
            told = self._session.last_error
            code = error.close_code
            self._stopped = Stopped(code, told.code if told else "closed", f"{told.message} {told.remedy}" if told else "")
        if move is Move.WIPE:
            self._session.replica = Replica()
            self._session.outbox.wipe()
        return FLOOD_WAIT_SECONDS if move is Move.WAIT else 0.0

    async def _serve_one_connection(self, http: aiohttp.ClientSession) -> None:
        """Carry frames until the connection ends, always by an exception."""
        self._enter(State.CONNECTING)
        token = await fresh_token(self._token)
        connection = self._connection = await Connection.open(http, self.url)
        tasks: set[asyncio.Task[None]] = set()
        try:
            replica = self._session.replica
            resume = None if replica.generation is None else Resume(replica.generation, replica.sequences())
            await connection.hello(self.wedding, token, client=self._session.client, resume=resume)
            self._enter(State.SYNCING)
            advice: asyncio.Queue[Advice] = asyncio.Queue()
            works = self._receive(connection, advice), self._send(connection), keep_up(advice, connection, self._token)
            tasks = {asyncio.create_task(work) for work in works}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._connection = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.close()

    async def _receive(self, connection: Connection, advice: asyncio.Queue[Advice]) -> None:
        while True:
            text = await connection.receive_text()
            try:
                frame = decode_frame(text)
            except msgspec.MsgspecError as error:
                raise ConnectionClosed(1002, f"The server sent a frame that cannot be read: {error}.") from error
            if isinstance(frame, Advice):
                advice.put_nowait(frame)
            elif frame is not None:
                self._session.handle(frame)
                self._note_synced()
                self.listening.tell_change()

    def _enter(self, state: State) -> None:
        self._state = state
        self.listening.tell_change()

    def _note_synced(self) -> None:
        if self._session.is_synced and not self._session.is_behind:
            self._synced_at, self._reason = time.time(), ""

    async def _send(self, connection: Connection) -> None:
        while True:
            await self._session.wait_for_frames()
            for frame in self._session.take_frames():
                await connection.send(frame)
