"""Hosts in the test's own loop, with real NATS and PostgreSQL behind them: `running_host` for whoever needs an owner of weddings.

`host_settings` names the servers of the fixtures; `LogAuthor` writes ops into the log as a gateway would, and `Envelopes` hears
what the hosts say. A host that a test has stopped with `close()` has crashed: it stored and announced nothing more.
"""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from actors.contract.calls import Reply
from actors.contract.envelopes import Envelope
from actors.contract.ops import LogEntry, Op, Source, Target
from actors.contract.subjects import WEDDING, call_subject, fan_subject, log_subject
from actors.runtime.host import Host
from config.settings import Settings
from store.bus import Bus, Message
from store.errors import AppendUnknown, NoResponder, RequestTimeout
from store.log_writer import LogWriter
from tests.support.servers import NatsServer

WITHIN_SECONDS = 30.0
#: A host that begins anew, as one does when the machine stood still, does not answer what it was asked before.
_ANSWER_SECONDS = 3.0
#: Where hosts of this run keep what outlives them.
_DATA = tempfile.TemporaryDirectory(prefix="wedsync-hosts-")


def host_settings(nats_server: NatsServer, url: str, **overrides: Any) -> Settings:
    """Settings of a host on these servers."""
    values: dict[str, Any] = {
        "nats_url": nats_server.url,
        "nats_user": "host",
        "nats_password": nats_server.password_of("host"),
        "database_url": url,
        "data_dir": Path(_DATA.name),
        "flush_interval_seconds": 0.05,
        # Tests run beside others on a busy machine, where a host that waits for its turn is not a dead one.
        "member_timeout_seconds": 2.0,
    }
    return Settings(**(values | overrides))


@asynccontextmanager
async def running_host(settings: Settings) -> AsyncIterator[Host]:
    """A host that serves; drained at the end unless the test has closed it."""
    host = await Host.start(settings)
    try:
        yield host
    finally:
        if not host.is_closed:
            await host.stop()
    if host.failure.done():
        host.failure.result()


@asynccontextmanager
async def running_bus(nats_server: NatsServer, user: str) -> AsyncIterator[Bus]:
    """A bus of one internal user."""
    bus = await Bus.connect(
        nats_server.url, user=user, password=nats_server.password_of(user), name=f"test-{user}", inbox_prefix=f"_INBOX_{user}"
    )
    try:
        yield bus
    finally:
        await bus.close()


class LogAuthor:
    """Writes ops into the log as a gateway would, each author and client with numbers of its own."""

    def __init__(self, bus: Bus, writer: LogWriter, region: str = "r0") -> None:
        self.bus = bus
        self._writer = writer
        self._region = region
        self._numbers: dict[str, int] = {}

    @classmethod
    async def open(cls, bus: Bus) -> Self:
        return cls(bus, await LogWriter.open(bus, secrets.token_hex(16)))

    def next_id(self, principal: str) -> str:
        """The next op id of a principal's only client."""
        number = self._numbers[principal] = self._numbers.get(principal, 0) + 1
        return f"20270619-{principal.replace('-', '').replace('_', '')}0000:{number}"

    async def write(self, wedding: str, principal: str, op: Op, source: Source = "websocket") -> int:
        """Append an op and return its position."""
        return await self.write_bytes(wedding, principal, msgspec.json.encode(LogEntry(op, source, "test")))

    async def write_bytes(self, wedding: str, principal: str, payload: bytes) -> int:
        """Append it; again while it is unknown whether that was done, as gateways do."""
        messages = [(log_subject(self._region, WEDDING, wedding, principal), payload)]
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                with suppress(AppendUnknown):
                    return await self._writer.append(messages)

    async def create_wedding(self, wedding: str, author: str = "ana") -> int:
        """The first op of every wedding: its author becomes a member of the couple."""
        data: dict[str, Any] = {
            "title": "Ana and Ben",
            "date": "2027-06-19",
            "timeZone": "Europe/Berlin",
            "homeCurrency": "EUR",
            "role": "couple",
        }
        return await self.write(
            wedding, author, Op("timeline_update", "insert", Target("wedding", wedding), self.next_id(author), data)
        )

    async def insert_task(self, wedding: str, task: str, title: str = "", author: str = "ana") -> int:
        data: dict[str, Any] = {"title": title or f"Task {task}", "done": False}
        return await self.write(
            wedding, author, Op("task_completion", "insert", Target("tasks", task), self.next_id(author), data)
        )

    async def rename_task(self, wedding: str, task: str, title: str, author: str = "ana") -> int:
        op = Op("task_completion", "update", Target("tasks", task), self.next_id(author), {"title": title})
        return await self.write(wedding, author, op)

    async def ask(self, wedding: str, call: str, **question: Any) -> list[Reply]:
        """Ask the owner of a wedding; as gateways do, again while nobody owns it or answers."""
        subject = call_subject("r0", WEDDING, wedding, call)
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                with suppress(NoResponder, RequestTimeout):
                    return await self.bus.call(subject, msgspec.json.encode(question), timeout_seconds=_ANSWER_SECONDS)

    async def digests(self, wedding: str, position: int = 0) -> Any:
        """What the owner answers to `digest`, once it has read up to `position`."""
        while True:
            reply = (await self.ask(wedding, "digest", position=position))[0]
            if reply.error not in {"behind", "waking"}:
                assert not reply.error, reply.error
                return msgspec.json.decode(reply.body)


class Envelopes:
    """What the hosts say about one wedding, or about all."""

    def __init__(self) -> None:
        self.all: list[Envelope] = []
        self._came = asyncio.Event()

    @classmethod
    async def of(cls, bus: Bus, wedding: str | None = None) -> Self:
        """Begin to listen."""
        heard = cls()
        subject = "fan.>" if wedding is None else fan_subject("r0", WEDDING, wedding)
        await bus.subscribe(subject, heard._hear)
        await bus.barrier()
        return heard

    async def _hear(self, message: Message) -> None:
        self.all.append(msgspec.json.decode(message.data, type=Envelope))
        self._came.set()

    async def at(self, position: int) -> Envelope:
        """The first envelope of the op at this position; waits for it."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                self._came.clear()
                for envelope in self.all:
                    if envelope.position == position:
                        return envelope
                await self._came.wait()
