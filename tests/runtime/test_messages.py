"""Messages between actors on real servers: once each and in order, whatever is killed at whichever step (design D6, rule V1)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from actors.contract.calls import ChannelChunk
from actors.contract.ids import partition_of
from actors.contract.ops import Op, Target
from actors.contract.subjects import VENDOR, WEDDING
from actors.runtime.host import Host
from actors.runtime.log_messages import LogMessage
from config.cli.membership import desk
from store import outbox, stored_changes
from store.bus import Bus
from store.errors import AppendRefused
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.correspondence import HOURS
from tests.support.hosts import LogAuthor, running_host
from tests.support.refold import read_log, require_stored_equals_log
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
LOG_IS_FULL = 10077


class Gate:
    """Stands before one call of a host: the n-th that concerns messages, and what follows, waits there until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch, port: Any, call: str, number: int = 1) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._left = number
        self._real: Callable[..., Awaitable[Any]] = getattr(port, call)
        self._is_about_messages = _ABOUT_MESSAGES[call]
        patch.setattr(port, call, self._call)

    async def _call(self, *arguments: Any) -> Any:
        if self._is_about_messages(arguments):
            self._left -= 1
            if self._left <= 0:
                self.reached.set()
                await self.opened.wait()
        return await self._real(*arguments)


_ABOUT_MESSAGES: dict[str, Callable[[tuple[Any, ...]], bool]] = {
    "flush": lambda arguments: bool(arguments[2]),
    "append": lambda _arguments: True,
    "strike_outbox": lambda _arguments: True,
}


def port_of(host: Host, call: str) -> Any:
    """The port of a host that has this call."""
    resources = host.duty.flusher._resources  # where a test stands between a host and its servers
    return resources.log if call == "append" else resources.store


async def book(author: LogAuthor, wedding: str, item: str = "flora", account: str = "bloom", **hours: str) -> int:
    """Let the couple of a wedding book a supplier."""
    couple = f"ana-{wedding}"
    data: dict[str, Any] = {"name": "Bloom", "account": account} | HOURS | hours
    return await author.write(
        wedding, couple, Op("vendor_assignment", "insert", Target("vendors", item), author.next_id(couple), data)
    )


async def items_of(author: LogAuthor, identifier: str, collection: str) -> dict[str, Any]:
    """The items of a collection as the owner has them; nothing while nobody can say."""
    found: dict[str, Any] = {}
    for reply in await author.ask(identifier, "state"):
        if reply.error:
            return {}
        with suppress(msgspec.ValidationError):
            state = msgspec.json.decode(msgspec.json.decode(reply.body, type=ChannelChunk).state)
            found |= state.get(collection, {})
    return found


async def until_booked(author: LogAuthor, wedding: str, booking: str = "confirmed", item: str = "flora") -> None:
    """Wait until the wedding has its answer."""

    async def has_answer() -> bool:
        vendors = await items_of(author, wedding, "vendors")
        return item in vendors and vendors[item].get("booking") == booking

    await eventually(has_answer, f"{wedding} is told {booking}", within_seconds=20)


async def until_quiet(database: Database) -> None:
    """Wait until every message is struck off."""

    async def is_empty() -> bool:
        return not await outbox.pending(database, range(64))

    await eventually(is_empty, "the outbox is empty", within_seconds=20)


async def _waits_alone(database: Database, numbers: list[str]) -> bool:
    """Whether these messages and no others are still to be sent."""
    return [row.id.rpartition(":")[2] for row in await outbox.pending(database, range(64))] == numbers


async def require_once(bus: Bus, database: Database, vendor: str, questions: int) -> None:
    """Each question was decided once by the supplier and each answer once by its wedding, as the log says."""
    fold = await require_stored_equals_log(bus, database)
    stored = await stored_changes.read_after(database, VENDOR, vendor, 0, limit_decisions=1000)
    assert len({decision.op for decision in stored}) == len(stored) == questions
    answers = [
        decision.op
        for (kind, _), decisions in fold.decisions.items()
        for decision in decisions
        if kind == WEDDING and decision.principal == f"_{VENDOR}-{vendor}"
    ]
    assert len(answers) == questions


async def in_log(bus: Bus, principal: str) -> list[str]:
    """The op ids of everything that an actor has said, in the order of the log."""
    _, messages = await read_log(bus)
    return [each.entry.op.id for each in messages if isinstance(each, LogMessage) and each.principal == principal]


async def test_v1_a_booking_goes_to_the_supplier_and_back(
    settings_of: MakeSettings, jetstream: NatsServer, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """Two weddings ask for the same hours: one is told `confirmed`, the other `clash`, and the supplier's owner shows both."""
    async with running_host(settings_of()) as host:
        for wedding in ("w1", "w2"):
            await author.create_wedding(wedding, f"ana-{wedding}")
            await book(author, wedding)
            await until_booked(author, wedding, "confirmed" if wedding == "w1" else "clash")
        operator = {"nats_user": "operator", "nats_password": jetstream.password_of("operator")}
        async with desk(settings_of(**operator)) as asking:
            calendar = await asking.bookings("bloom")
            assert not await asking.bookings("nobody")
        assert {key: booking["booking"] for key, booking in calendar.items()} == {"w1.flora": "confirmed", "w2.flora": "clash"}
        assert b"w1" not in msgspec.json.encode(await items_of(author, "w2", "vendors"))
        await until_quiet(database)
        await require_once(host_bus, database, "bloom", 2)
        assert (host.counters.messages_sent, host.counters.messages_missing) == (4, 0)


@pytest.mark.parametrize("leg", [1, 2], ids=["question", "answer"])
@pytest.mark.parametrize("step", ["flush", "append", "strike_outbox"])
async def test_d6_a_kill_at_every_step_of_a_message(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database, step: str, leg: int
) -> None:
    """A host dies before the flush, before the log has the message, and before it is struck off, of question and of answer."""
    with pytest.MonkeyPatch.context() as patch:
        async with running_host(settings_of()) as host:
            await author.create_wedding("w1", "ana-w1")
            gate = Gate(patch, port_of(host, step), step, leg)
            await book(author, "w1")
            async with asyncio.timeout(20):
                await gate.reached.wait()
            await host.close()
    async with running_host(settings_of()):
        await until_booked(author, "w1")
        await until_quiet(database)
        await require_once(host_bus, database, "bloom", 1)


async def test_d6_two_owners_that_both_send_count_once(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """Two lives of one host both send what is stored: the question stands twice in the log and is decided once."""
    with pytest.MonkeyPatch.context() as patch:
        async with running_host(settings_of()) as first, running_host(settings_of()) as second:
            await author.create_wedding("w1", "ana-w1")
            gates = [Gate(patch, port_of(host, "append"), "append") for host in (first, second)]
            await book(author, "w1")
            async with asyncio.timeout(20):
                for gate in gates:
                    await gate.reached.wait()
            for gate in gates:
                gate.opened.set()
            await until_booked(author, "w1")
            await until_quiet(database)
            questions = await in_log(host_bus, "_w-w1")
            assert questions.count("_w-w1:1") == len(questions) == 2
            await require_once(host_bus, database, "bloom", 1)


async def test_d6_the_receivers_host_is_killed(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """The owner of the supplier dies after it has decided and before that is stored: another one decides the same, once."""
    with pytest.MonkeyPatch.context() as patch:
        async with running_host(settings_of("host-1")) as first, running_host(settings_of("host-2")) as second:
            mine, others = first.duty.ownership.partitions, second.duty.ownership.partitions
            await eventually(lambda: others and len(mine) + len(others) == 64, "both have their share")
            wedding = next(name for number in range(200) if partition_of(name := f"w{number}") in mine)
            vendor = next(name for number in range(200) if partition_of(name := f"v{number}") in others)
            await author.create_wedding(wedding, f"ana-{wedding}")
            gate = Gate(patch, port_of(second, "flush"), "flush")
            await book(author, wedding, account=vendor)
            async with asyncio.timeout(20):
                await gate.reached.wait()
            await second.close()
            await until_booked(author, wedding)
            await until_quiet(database)
            await require_once(host_bus, database, vendor, 1)


async def test_d6_what_one_log_refuses_holds_back_its_receiver_alone(
    settings_of: MakeSettings, author: LogAuthor, host_bus: Bus, database: Database
) -> None:
    """While a log is full, messages bound for it wait in their order and all others go; once there is room they follow."""
    full = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        async with running_host(settings_of()) as host:
            real = port_of(host, "append").append

            async def append(messages: Sequence[tuple[str, bytes]]) -> int:
                if ".v.bloom." in messages[0][0] and not full.is_set():
                    raise AppendRefused(LOG_IS_FULL, "maximum bytes exceeded")
                position: int = await real(messages)
                return position

            patch.setattr(port_of(host, "append"), "append", append)
            await author.create_wedding("w1", "ana-w1")
            for number in range(3):
                await book(author, "w1", item=f"i{number}", contractStart=f"2027-06-19T19:0{number}:00Z")
            await book(author, "w1", item="music", account="strings")
            await until_booked(author, "w1", item="music")
            await eventually(lambda: _waits_alone(database, ["1", "2", "3"]), "all others have gone")
            assert host.counters.messages_held_back > 0
            full.set()
            await until_booked(author, "w1", "clash", item="i2")
            assert await in_log(host_bus, "_w-w1") == ["_w-w1:1", "_w-w1:1", "_w-w1:2", "_w-w1:3"]
            await require_once(host_bus, database, "bloom", 3)
            assert host.counters.messages_missing == 0
