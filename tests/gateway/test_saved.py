"""How `saved` and echoes leave a socket: in the same write as what comes next, or by themselves soon after (design D5, D9)."""

import pytest

from gateway.wire.frames import applied_frame, close_frame, saved_frame
from gateway.wire.socket import Socket, WriteTurn
from tests.support.transports import Written
from tests.support.waiting import eventually


async def test_d5_saved_leaves_before_the_outcome_and_in_the_same_write() -> None:
    """The outcome of an op takes `saved` along, of several only the last, which speaks for all."""
    transport = Written()
    socket = Socket(transport, WriteTurn(), 1_000)
    socket.tell_saved("20270619-aaaa:1")
    socket.tell_saved("20270619-aaaa:2")
    socket.write(applied_frame("20270619-aaaa:1"))
    await eventually(lambda: bool(transport.writes), "the turn is written")
    assert transport.writes == [saved_frame("20270619-aaaa:2") + applied_frame("20270619-aaaa:1")]


async def test_d5_saved_leaves_by_itself_when_nothing_else_is_written() -> None:
    """While the owner of the wedding is away, the author still hears that the op is on disk."""
    transport = Written()
    socket = Socket(transport, WriteTurn(), 1_000)
    socket.tell_saved("20270619-aaaa:1")
    await eventually(lambda: bool(transport.writes), "saved is written")
    assert transport.writes == [saved_frame("20270619-aaaa:1")]


async def test_nothing_leaves_behind_our_close() -> None:
    """RFC 6455, 5.5.1: an op that reaches the log while its socket is being closed is told of at the next connection."""
    transport, turn = Written(), WriteTurn()
    socket = Socket(transport, turn, 1_000)
    socket.tell_saved("20270619-aaaa:1")
    socket.close(4401)
    socket.tell_saved("20270619-aaaa:2")
    for _ in range(3):
        turn.saved.end_turn()
    assert transport.writes == [saved_frame("20270619-aaaa:1") + close_frame(4401)]


async def test_d5_saved_waits_for_the_outcome_however_late_in_a_turn_of_the_timer_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is told just before the timer rings for others still has a whole turn for its outcome to come."""
    monkeypatch.setattr("gateway.wire.socket.SAVED_PATIENCE_SECONDS", 3600)
    turn, early, late = WriteTurn(), Written(), Written()
    sockets = [Socket(transport, turn, 1_000) for transport in (early, late)]
    sockets[0].tell_saved("20270619-aaaa:1")
    turn.saved.end_turn()
    sockets[1].tell_saved("20270619-bbbb:1")
    turn.saved.end_turn()
    assert early.writes == [saved_frame("20270619-aaaa:1")]
    assert late.writes == []
    turn.saved.end_turn()
    assert late.writes == [saved_frame("20270619-bbbb:1")]


async def test_d9_an_echo_leaves_with_the_next_frame_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may wait keeps its place in the order, and does not wait longer than two turns of its timer."""
    monkeypatch.setattr("gateway.wire.socket.ECHO_PATIENCE_SECONDS", 3600)
    turn, busy, alone = WriteTurn(), Written(), Written()
    sockets = [Socket(transport, turn, 1_000) for transport in (busy, alone)]
    for socket in sockets:
        socket.write_patiently(b"echo")
    sockets[0].write(b"news")
    await eventually(lambda: bool(busy.writes), "the news is written")
    assert (busy.writes, alone.writes) == ([b"echonews"], [])
    turn.echoes.end_turn()
    turn.echoes.end_turn()
    assert (busy.writes, alone.writes) == ([b"echonews"], [b"echo"])
