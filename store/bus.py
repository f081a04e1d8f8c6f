"""The one NATS connection of a process: publish, subscribe, request, ask an owner, ask JetStream, show oneself.

Everything in `store` that needs NATS stands on this module; nobody else imports nats. How the connection survives is in
store.connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from actors.contract.calls import Reply
from store.client import Message
from store.connection import BusSubscription, Connection, Handler
from store.errors import BusDown, JetStreamError, NoLeader, NoResponder, RequestTimeout, StoreError
from store.micro import Service

__all__ = ["Bus", "BusSubscription", "Handler", "Message"]

JETSTREAM_TIMEOUT_SECONDS = 5.0
#: What a cluster says while it elects a leader or has not heard of a server: no peers, not available, not leader, too far behind.
NO_LEADER_CODES = frozenset({10005, 10008, 10009, 10023})

_decode_reply = msgspec.json.Decoder(Reply).decode


class Bus(Connection):
    """A connection that also asks and answers."""

    def __init__(self, url: str, *, user: str, password: str, name: str, inbox_prefix: str) -> None:
        super().__init__(url, user=user, password=password, name=name, inbox_prefix=inbox_prefix)
        self._answers: dict[str, asyncio.Future[Message] | _HostReplies] = {}
        self._subscriptions.add(BusSubscription(self, f"{self._inbox_prefix}.*", "", self._on_answer))
        self.on_disconnect.append(self._fail_answers)

    async def request(
        self, subject: str, payload: bytes, *, timeout_seconds: float, headers: dict[str, str] | None = None
    ) -> bytes:
        """Ask and wait for one answer; raises RequestTimeout, NoResponder, BusDown."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        async with self._awaiting(future, subject, payload, timeout_seconds, headers):
            return (await future).data

    async def call(self, subject: str, payload: bytes, *, timeout_seconds: float) -> list[Reply]:
        """Ask the owner and collect the replies (JSON) of the host that answers first; raises like `request`."""
        replies = _HostReplies()
        async with self._awaiting(replies, subject, payload, timeout_seconds):
            return await replies.done

    @asynccontextmanager
    async def _awaiting(
        self,
        answer: "asyncio.Future[Message] | _HostReplies",
        subject: str,
        payload: bytes,
        timeout_seconds: float,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[None]:
        inbox = self.new_inbox()
        self._answers[inbox] = answer
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.publish(subject, payload, reply=inbox, headers=headers)
                yield
        except TimeoutError:
            raise RequestTimeout(f"Nobody answered on {subject} within {timeout_seconds:g} s; ask again.") from None
        finally:
            del self._answers[inbox]

    async def _on_answer(self, message: Message) -> None:
        answer = self._answers.get(message.subject)
        if answer is None:
            return
        future = answer if isinstance(answer, asyncio.Future) else answer.done
        if future.done():
            return
        if message.headers is not None and not message.data and message.headers.get("Status") == "503":
            future.set_exception(NoResponder())
        elif isinstance(answer, asyncio.Future):
            answer.set_result(message)
        else:
            answer.take(message.data)

    async def js_request(
        self, api_subject: str, body: Mapping[str, Any] | None = None, *, timeout_seconds: float = JETSTREAM_TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        """Ask the JetStream API, `api_subject` without `$JS.API.`; raises JetStreamError, NoLeader and like `request`."""
        payload = b"" if body is None else msgspec.json.encode(body)
        return _answer_of(await self.request(f"$JS.API.{api_subject}", payload, timeout_seconds=timeout_seconds))

    async def js_publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        """Publish into a stream and return when it is stored; raises JetStreamError and like `request`.

        NoResponder: no stream takes it. RequestTimeout: it may be stored or not.
        """
        _answer_of(await self.request(subject, payload, timeout_seconds=JETSTREAM_TIMEOUT_SECONDS, headers=headers))

    async def add_service(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        """Show this process to `nats micro ls / info / stats`; `stats` is asked at each look."""
        service = Service(name, version, description, metadata, stats)
        for subject, answer in service.endpoints():

            async def handle(message: Message, answer: Callable[[], bytes] = answer) -> None:
                if message.reply:
                    await self.publish(message.reply, answer())

            await self.subscribe(subject, handle)

    async def close(self) -> None:
        """Send what is pending, fail what waits for an answer, and disconnect for good."""
        await super().close()
        self._fail_answers()

    def _fail_answers(self) -> None:
        for answer in self._answers.values():
            future = answer if isinstance(answer, asyncio.Future) else answer.done
            if not future.done():
                future.set_exception(BusDown())


def _answer_of(data: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(data)
    if error := answer.get("error"):
        if error.get("err_code") in NO_LEADER_CODES:
            raise NoLeader(f"JetStream says: {error.get('description', '')}; try again.")
        raise JetStreamError(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
    return answer


class _HostReplies:
    """The replies of the host that answered first."""

    def __init__(self) -> None:
        self.done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._replies: list[Reply] = []

    def take(self, data: bytes) -> None:
        try:
            reply = _decode_reply(data)
        except msgspec.DecodeError as error:
            self.done.set_exception(StoreError(f"The owner's answer cannot be read: {error}"))
            return
        if self._replies and reply.host != self._replies[0].host:
            return
        self._replies.append(reply)
        if not reply.more:
            self.done.set_result(self._replies)
