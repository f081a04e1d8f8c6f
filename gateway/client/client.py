"""The client of one wedding: stays connected, resumes, keeps confirmed state and unanswered ops, and tells who listens.

Every frame is handled synchronously by the session part (`_handle` and below); the tasks of one connection only carry frames in
and out. The rules it follows are those of docs/protocol.md for every client.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from actors.contract.changes import ChannelItems
from actors.contract.channels import channel_of
from actors.contract.client_frames import Resume
from actors.contract.collections import COLLECTIONS
from actors.contract.events import Event
from actors.contract.ops import Op, Target
from gateway.client.connection import Connection, decode_frame
from gateway.client.errors import ClientError, ConnectionClosed, HistoryMissing, Stopped
from gateway.client.listening import Listening
from gateway.client.optimistic import overlay
from gateway.client.pending import Pending
from gateway.client.session import Session
from gateway.client.upkeep import Advice, Token, fresh_token, keep_up

FIRST_WAIT_SECONDS: Final = 0.2
#: Short enough that every client is back within five seconds after a gateway answers again.
LONGEST_WAIT_SECONDS: Final = 4.0
#: A connection that lasted this long ends the growth of the waits.
STABLE_SECONDS: Final = 5.0
#: 4401 is not among them where the token can be renewed.
FINAL_CLOSE_CODES: Final = frozenset({4400, 4403, 4404, 4406, 4410})
BAD_TOKEN_CLOSE_CODE: Final = 4401
#: A hello that came too late is closed with the same code, so that one refusal proves nothing about the token.
REFUSALS_IN_A_ROW: Final = 3


class Client:
    """`async with Client(url, wedding, token) as client:` connects, and from then on keeps itself connected.

    `token` may be a function that fetches a fresh one. Give `client` to go on as an installation known to the server. Without
    `session` (aiohttp) it opens its own.
    """

    def __init__(
        self,
        url: str,
        wedding: str,
        token: Token,
        *,
        client: str | None = None,
        session: aiohttp.ClientSession | None = None,
        queue_limit: int = 1000,
        window: int = 100,
    ) -> None:
        self.url = url
        self.wedding = wedding
        self.listening = Listening()
        self._token = token
        self._http = session
        self._owns_http = session is None
        self._session = Session(self.listening, client=client, queue_limit=queue_limit, window=window)
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._stopped: ClientError | None = None
        self._refusals = 0

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def connect(self, *, within_seconds: float = 30.0) -> None:
        """Connect and wait for the first whole state; raises Stopped or NotReached."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        self._task = self._task or asyncio.create_task(self._keep_connected(self._http), name=f"wedsync client {self.wedding}")
        try:
            await self.until(lambda: self.is_synced, within_seconds=within_seconds)
        except ClientError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect for good; ops without an answer stay unanswered."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if self._owns_http and self._http is not None:
            await self._http.close()
        self.listening.end(self._stopped)

    async def disconnect(self) -> None:
        """Drop the present socket, as a bad network would; the client comes back by itself."""
        if self._connection is not None:
            await self._connection.close()

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
        return self._session.presence

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

    async def until(self, condition: Callable[[], bool], *, within_seconds: float = 10.0) -> None:
        """Wait until a condition on this client holds; raises NotReached, or Stopped when no more will come."""
        await self.listening.until(lambda: self._stopped is not None or condition(), within_seconds)
        if self._stopped is not None:
            raise self._stopped

    def _base_of(self, target: Target, data: Mapping[str, Any]) -> dict[str, int]:
        replica = self._session.replica
        channel = replica.channel_holding(target.collection, target.id)
        if channel is None and target.collection != "inbox":
            channel = channel_of(target.collection, data)
        return {channel: replica.channels[channel].sequence} if channel in replica.channels else {}

    async def _keep_connected(self, http: aiohttp.ClientSession) -> None:
        waits = 0
        while self._stopped is None:
            began = asyncio.get_running_loop().time()
            try:
                await self._serve_one_connection(http)
            except HistoryMissing:
                # The next hello names no client, so the server gives a new id.
                self._session.client = None
            except ClientError as error:
                self._stopped = self._reason_to_stop(error)
            finally:
                self._session.disconnected()
            waits = 0 if asyncio.get_running_loop().time() - began > STABLE_SECONDS else waits + 1
            if self._stopped is None:
                # Full jitter: a thousand clients that lost the same gateway must not come back at the same moment.
                await asyncio.sleep(random.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**waits)))  # noqa: S311  # no secret
        self.listening.end(self._stopped)

    def _reason_to_stop(self, error: ClientError) -> ClientError | None:
        if not isinstance(error, ConnectionClosed):
            return None
        code = error.close_code
        self._refusals = self._refusals + 1 if code == BAD_TOKEN_CLOSE_CODE else 0
        is_refused = self._refusals >= REFUSALS_IN_A_ROW and isinstance(self._token, str)
        if code in FINAL_CLOSE_CODES or is_refused:
            told = self._session.last_error
            return Stopped(code, told.code if told else "closed", f"{told.message} {told.remedy}" if told else "")
        return None

    async def _serve_one_connection(self, http: aiohttp.ClientSession) -> None:
        """Carry frames until the connection ends, always by an exception."""
        token = await fresh_token(self._token)
        connection = self._connection = await Connection.open(http, self.url)
        tasks: set[asyncio.Task[None]] = set()
        try:
            replica = self._session.replica
            resume = None if replica.generation is None else Resume(replica.generation, replica.sequences())
            await connection.hello(self.wedding, token, client=self._session.client, resume=resume)
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
                self.listening.tell_change()

    async def _send(self, connection: Connection) -> None:
        while True:
            await self._session.wait_for_frames()
            for frame in self._session.take_frames():
                await connection.send(frame)
