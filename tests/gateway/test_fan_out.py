"""Fan-out: a frame is made once for everybody who sees the same, and leaves in one write per socket and loop turn (design D8)."""

import asyncio
from typing import Any

import msgspec
import pytest

from actors.contract.envelopes import Envelope, EnvelopePart
from gateway.counts import Counts
from gateway.rooms.audience import Audience
from gateway.wire.formats import packed_frame, text_frame
from gateway.wire.frames import events_frame
from gateway.wire.socket import Socket, WriteTurn
from tests.support.transports import Written
from tests.support.waiting import eventually

TEAM, GUEST = ("*.everyone", "*.team"), ("*.everyone",)


def envelope(number: int, *channels: str) -> Envelope:
    """One op with an event in each channel."""
    parts = [EnvelopePart(channel, number, msgspec.Raw(f'{{"n":{number},"in":"{channel}"}}'.encode())) for channel in channels]
    return Envelope(1, number, number, 0, True, f"20270619-aaaa:{number}", "ana", number + 1, None, tuple(parts))


def audience_of(turn: WriteTurn) -> tuple[Audience, list[Written]]:
    """Twenty sockets: half of them guests, half of each MessagePack."""
    audience, transports = Audience(Counts()), []
    for number in range(20):
        transports.append(Written())
        socket = Socket(transports[-1], turn, 1_000_000, is_packed=number % 2 == 0)
        socket.client, socket.principal = f"20270619-b{number}", "ben"
        socket.rights = TEAM if number < 10 else GUEST
        audience.add(socket)
    return audience, transports


async def test_d8_a_frame_is_made_once_for_each_set_of_channels_and_each_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """An op in two channels for twenty sockets of two rights and two formats: two frames, each packed once."""
    made: list[str] = []

    def counted(name: str, make: Any) -> Any:
        def make_and_count(*arguments: Any) -> Any:
            made.append(name)
            return make(*arguments)

        return make_and_count

    monkeypatch.setattr("gateway.rooms.audience.events_frame", counted("made", events_frame))
    monkeypatch.setattr("gateway.wire.socket.packed_frame", counted("packed", packed_frame))
    audience, transports = audience_of(WriteTurn())
    audience.deliver(envelope(1, "tasks.team", "timeline.everyone"))
    await eventually(lambda: all(transport.writes for transport in transports), "everybody has it")
    assert sorted(made) == ["made", "made", "packed", "packed"]
    assert len({transport.writes[0] for transport in transports}) == 4


async def test_d8_what_comes_in_one_turn_leaves_in_one_write() -> None:
    """Five ops at once: each socket gets all of its frames, in order, by one write to its transport."""
    audience, transports = audience_of(WriteTurn())
    envelopes = [envelope(number, "tasks.team") for number in range(1, 6)]
    for each in envelopes:
        audience.deliver(each)
    audience.deliver(envelope(6, "timeline.everyone"))
    await eventually(lambda: all(transport.writes for transport in transports), "everybody has it")
    assert [len(transport.writes) for transport in transports] == [1] * 20
    last = events_frame(envelope(6, "timeline.everyone").parts)
    assert transports[1].writes == [b"".join(events_frame(each.parts) for each in envelopes) + last]
    assert transports[11].writes == [last]


async def test_inv7_what_fails_at_the_end_of_a_turn_silences_nobody() -> None:
    """One wedding's presence that cannot be written costs no other its frames; what is written late leaves with the turn."""
    turn, transport = WriteTurn(), Written()
    socket = Socket(transport, turn, 1_000)

    def fail() -> None:
        raise RuntimeError("a fault of ours")

    turn.before_end(fail)
    turn.before_end(lambda: socket.write(b"late"))
    socket.write(b"early")
    await eventually(lambda: bool(transport.writes), "it is written")
    assert transport.writes == [b"earlylate"]


async def test_inv7_what_is_brought_to_a_slow_reader_may_be_more_than_may_wait_for_it() -> None:
    """While a state is handed over as fast as it is read only its time is bounded; what comes by itself meets the limit again."""
    transport = Written()
    socket = Socket(transport, WriteTurn(), 1_000)
    socket.is_stale = True
    transport.unsent_bytes = 5_000

    async def bring() -> None:
        socket.write(b"state")
        await socket.drained(30)

    handing_over = asyncio.create_task(bring())
    await eventually(lambda: transport.writes == [b"state"], "the state is written")
    assert not socket.closed
    transport.unsent_bytes = 0
    await handing_over
    assert not socket.closed
    transport.unsent_bytes = 5_000
    socket.write(b"pong")
    await eventually(lambda: socket.closed, "the reader is given up")


async def test_inv6_a_frame_that_cannot_be_packed_silences_nobody_else() -> None:
    """Whose format cannot say it is closed and may come back; who is behind it in the turn hears this and what comes later."""
    turn, transports = WriteTurn(), [Written(), Written()]
    packed, plain = (Socket(transport, turn, 1_000_000, is_packed=transport is transports[0]) for transport in transports)
    for socket in (packed, plain):
        socket.write(text_frame(b'{"n":123456789012345678901234567890}'))
    await eventually(lambda: packed.close_code == 1011 and transports[1].writes, "one is closed and the other has it")
    plain.write(text_frame(b"{}"))
    await eventually(lambda: transports[1].writes[1:] == [text_frame(b"{}")], "what comes later is written")
