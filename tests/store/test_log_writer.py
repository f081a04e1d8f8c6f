"""Appending: what is stored, what is refused, and that an unknown outcome is said to be unknown (design D5)."""

import asyncio
import secrets

import pytest

from store.bus import Bus, Message
from store.errors import AppendRefused, AppendUnknown, BusDown, NoLeader, StoreError
from store.log_writer import LogWriter
from tests.store.conftest import Heard, OpenBus
from tests.store.reading import make_log
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
SUBJECT = "log.r0.1.w.w1.ann"
STREAM_FULL = 10077


async def stored(bus: Bus) -> int:
    return int((await bus.js_request("STREAM.INFO.LOG_0"))["state"]["messages"])


async def test_d5_positions_of_a_batch_are_contiguous(bus: Bus, writer: LogWriter) -> None:
    """One message, then a batch, then one: positions follow each other and `append` names the last."""
    await make_log(bus)
    assert await writer.append([(SUBJECT, b"1")]) == 1
    assert await writer.append([(SUBJECT, b"%d" % number) for number in range(50)]) == 51
    assert await writer.append([(SUBJECT, b"x")]) == 52
    assert await stored(bus) == 52


async def test_appends_in_flight_together_keep_their_order(bus: Bus, writer: LogWriter) -> None:
    """Appends called one after the other without waiting are stored in that order."""
    await make_log(bus)
    positions = await asyncio.gather(*(writer.append([(SUBJECT, b"%d" % number)]) for number in range(200)))
    assert positions == list(range(1, 201))


async def test_the_largest_batch_is_stored_whole(bus: Bus, writer: LogWriter) -> None:
    """A thousand messages go as one; more or none are refused before anything is sent."""
    await make_log(bus)
    assert await writer.append([(SUBJECT, b"x")] * 1000) == 1000
    with pytest.raises(StoreError, match="1 to 1000"):
        await writer.append([(SUBJECT, b"x")] * 1001)
    with pytest.raises(StoreError, match="1 to 1000"):
        await writer.append([])
    assert await stored(bus) == 1000


async def test_d5_a_refused_batch_stores_nothing(bus: Bus, writer: LogWriter) -> None:
    """A batch of which one message is refused leaves no trace."""
    await make_log(bus, max_msg_size=1000)
    with pytest.raises(AppendRefused):
        await writer.append([(SUBJECT, b"x"), (SUBJECT, b"x"), (SUBJECT, bytes(2000))])
    assert await stored(bus) == 0
    assert await writer.append([(SUBJECT, b"x")]) == 1


async def test_d5_without_a_leader_nothing_is_stored_and_nothing_is_refused(writer: LogWriter) -> None:
    """While no stream takes the subject, as in an election, the writer says at once that nothing was stored: a case to wait."""
    for size in (1, 3):
        with pytest.raises(NoLeader):
            await writer.append([(SUBJECT, b"x")] * size, timeout_seconds=3600)


async def test_d5_what_a_cluster_says_in_an_election_is_no_refusal(bus: Bus, writer: LogWriter) -> None:
    """An answer that names no leader, or a leader that is behind, is a case to wait; any other error is a refusal (design D5)."""
    codes = iter((10008, 10009, 10023, 10077))

    async def answer(message: Message) -> None:
        await bus.publish(message.reply, b'{"error":{"code":503,"err_code":%d,"description":"not now"}}' % next(codes))

    await bus.subscribe("actors.>", answer)
    for _ in range(3):
        with pytest.raises(NoLeader):
            await writer.append([("actors.x", b"")])
    with pytest.raises(AppendRefused):
        await writer.append([("actors.x", b"")])


async def test_inv7_a_full_log_refuses_and_goes_on_when_there_is_room(bus: Bus, writer: LogWriter) -> None:
    """A full log refuses single messages and batches with the server's code; after a purge it takes ops again."""
    await make_log(bus, max_bytes=20_000)
    for _ in range(18):
        await writer.append([(SUBJECT, bytes(1000))])
    with pytest.raises(AppendRefused) as caught:
        await asyncio.gather(*(writer.append([(SUBJECT, bytes(1000))]) for _ in range(10)))
    assert caught.value.err_code == STREAM_FULL
    before = await stored(bus)
    with pytest.raises(AppendRefused):
        await writer.append([(SUBJECT, bytes(1000))] * 3)
    assert await stored(bus) == before
    await bus.js_request("STREAM.PURGE.LOG_0")
    await writer.append([(SUBJECT, bytes(1000))] * 3)


async def test_d5_no_acknowledgement_is_unknown_and_leaks_nothing(bus: Bus, writer: LogWriter, heard: Heard) -> None:
    """Where somebody listens but no acknowledgement comes, the outcome is unknown; later appends are not held up."""
    await bus.subscribe("actors.>", heard)
    for _ in range(20):
        with pytest.raises(AppendUnknown):
            await writer.append([("actors.x", b"")], timeout_seconds=0.01)
    assert writer._acks == {}
    await make_log(bus)
    assert await writer.append([(SUBJECT, b"x")]) == 1


async def test_d5_a_lost_connection_fails_everything_in_flight(own_nats: NatsServer, open_bus: OpenBus) -> None:
    """kill -9 of nats-server: every append in flight is unknown at once, later ones are BusDown, and then it goes on."""
    bus = await open_bus(own_nats)
    await make_log(bus)
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    own_nats.server.process.send_signal(19)  # type: ignore[union-attr]  # SIGSTOP: requests are in flight and nobody answers
    in_flight = [asyncio.create_task(writer.append([(SUBJECT, b"x")] * size, timeout_seconds=3600)) for size in (1, 2, 50)]
    await eventually(lambda: len(writer._acks) == 3)
    own_nats.server.kill()
    for outcome in await asyncio.gather(*in_flight, return_exceptions=True):
        assert isinstance(outcome, AppendUnknown)
    assert writer._acks == {}
    with pytest.raises(BusDown):
        await writer.append([(SUBJECT, b"x")])
    own_nats.server.start()
    await eventually(lambda: bus.connected)
    before = await stored(bus)
    assert await writer.append([(SUBJECT, b"x")] * 3) == before + 3
    await writer.close()
