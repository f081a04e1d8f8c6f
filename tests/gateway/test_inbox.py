"""Frames that need no waiting are handled in the turn in which they came, and never before one that came earlier."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType
from aiohttp.http import WebSocketReader

from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.session import Session
from gateway.wire.inbox import Inbox
from gateway.wire.socket import Socket, WriteTurn
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.raw_websocket import FIN, TEXT, frame
from tests.support.transports import Written


def message(number: int) -> WSMessage:
    return WSMessage(WSMsgType.TEXT, number, None)


async def test_what_cannot_be_taken_at_once_is_queued_with_all_that_follows_it() -> None:
    """Until all of it was read and somebody waits again nothing passes it, also not what comes while it is handled."""
    protocol: Any = SimpleNamespace(_reading_paused=False)
    inbox = Inbox(protocol, asyncio.get_running_loop())
    taken: list[int] = []

    def take_at_once(each: WSMessage) -> bool:
        is_short: bool = each.data % 10 != 2
        if is_short:
            taken.append(each.data)
        return is_short

    inbox.take_at_once = take_at_once
    inbox.feed_data(message(0), 1)
    assert taken == [], "nobody waits yet"
    assert (await inbox.read()).data == 0
    waiting = asyncio.create_task(inbox.read())
    await asyncio.sleep(0)
    for number in (1, 2, 3, 12):
        inbox.feed_data(message(number), 1)
    assert taken == [1]
    assert (await waiting).data == 2
    for number in (13, 14):
        inbox.feed_data(message(number), 1)
        assert (await inbox.read()).data == {13: 3, 14: 12}[number]
    assert [(await inbox.read()).data for _ in range(2)] == [13, 14]
    assert taken == [1]
    waiting = asyncio.create_task(inbox.read())
    await asyncio.sleep(0)
    inbox.feed_data(message(4), 1)
    assert taken == [1, 4]
    waiting.cancel()


async def test_what_the_parser_kept_back_comes_behind_what_is_queued() -> None:
    """A flood behind a message that waits: the parser stalls, and goes on in the midst of a read."""
    protocol: Any = SimpleNamespace(_reading_paused=False, pause_reading=lambda: None, resume_reading=lambda: None)
    inbox = Inbox(protocol, asyncio.get_running_loop())
    parser = WebSocketReader(inbox, 1 << 20, compress=False, decode_text=False)
    taken: list[bytes] = []

    def take_at_once(each: WSMessage) -> bool:
        taken.append(each.data[:1])
        return True

    inbox.take_at_once = take_at_once
    parser.feed_data(b"".join(frame(FIN | TEXT, b"%d" % number + b"x" * 60_000) for number in range(8)))
    assert [(await inbox.read()).data[:1] for _ in range(8)] == [b"%d" % number for number in range(8)]
    assert taken == []


async def test_what_comes_while_nobody_reads_is_a_sign_of_life() -> None:
    """A state may take minutes to bring: pongs wait in the queue meanwhile, and the connection lives. Silence ends it."""
    protocol: Any = SimpleNamespace(_reading_paused=False)
    inbox, socket = Inbox(protocol, asyncio.get_running_loop()), Socket(Written(), WriteTurn(), 1_000)
    heartbeat = Heartbeat(socket, inbox, 3600)
    for _ in range(5):
        heartbeat._beat()
        inbox.feed_data(WSMessage(WSMsgType.PONG, b"", None), 0)
    closed = [socket.closed]
    for _ in range(3):
        heartbeat._beat()
    assert [*closed, socket.closed] == [False, True]
    heartbeat.stop()


async def test_live_frames_do_not_wake_the_conversation(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping is answered by who got its bytes; the queue is for what has to wait."""
    await found("w1")
    ana = await stack.join("w1", "ana")

    async def never(_self: Session, _data: bytes) -> None:
        raise AssertionError("it went through the queue")

    monkeypatch.setattr(Session, "take", never)
    await ana.send({"type": "ping"})
    await ana.expect("pong")
