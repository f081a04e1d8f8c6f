"""Raw frames against RFC 6455, each case with the section that it tests: what is no WebSocket is refused as the RFC demands.

The bytes go over a bare TCP connection, so that no client library stands between; `aiohttp` has gaps (unmasked frames) that
gateway.wire.frame_guard fills by private names, and these tests see when those change.
"""

import asyncio
import base64
import json
import struct

import pytest
from structlog.testing import capture_logs

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, token_of
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    INVALID_TEXT,
    PING,
    PING_TEXT,
    PONG,
    PROTOCOL_ERROR,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    TOO_BIG,
    WITHIN_SECONDS,
    connected,
    frame,
    hello,
    joined,
)
from tests.support.waiting import eventually

REFUSED = [
    ("5.1 a frame that is not masked", [frame(FIN | TEXT, PING_TEXT, masked=False)], PROTOCOL_ERROR),
    ("5.1 a ping that is not masked", [frame(FIN | PING, b"x", masked=False)], PROTOCOL_ERROR),
    ("5.1 a second frame that is not masked", [frame(FIN | TEXT, PING_TEXT) + frame(FIN | TEXT, PING_TEXT, masked=False)], 1002),
    ("5.1 not masked, its header in two pieces", [b"\x81", b"\x0f" + PING_TEXT], PROTOCOL_ERROR),
    ("5.1 not masked after a long frame", [frame(FIN | PONG, b"x" * 125), frame(FIN | PONG, b"", masked=False)], PROTOCOL_ERROR),
    ("5.2 RSV1 without compression", [frame(FIN | RSV1 | TEXT, PING_TEXT)], PROTOCOL_ERROR),
    ("5.2 RSV2", [frame(FIN | RSV2 | TEXT, PING_TEXT)], PROTOCOL_ERROR),
    ("5.2 RSV3", [frame(FIN | RSV3 | TEXT, PING_TEXT)], PROTOCOL_ERROR),
    ("5.2 all reserved bits on a ping", [frame(FIN | RSV1 | RSV2 | RSV3 | PING)], PROTOCOL_ERROR),
    *[(f"5.2 reserved opcode {code}", [frame(FIN | code)], PROTOCOL_ERROR) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("5.4 a continuation of nothing", [frame(FIN | CONTINUATION, b"x")], PROTOCOL_ERROR),
    ("5.4 an unfinished continuation of nothing", [frame(CONTINUATION, b"x")], PROTOCOL_ERROR),
    ("5.4 a text within a message", [frame(TEXT, b'{"type"'), frame(FIN | TEXT, PING_TEXT)], PROTOCOL_ERROR),
    ("5.4 a binary within a text message", [frame(TEXT, b'{"type"'), frame(FIN | BINARY, b"x")], PROTOCOL_ERROR),
    ("5.5 a ping in fragments", [frame(PING, b"a"), frame(FIN | CONTINUATION, b"b")], PROTOCOL_ERROR),
    ("5.5 a close in fragments", [frame(CLOSE, b"\x03\xe8")], PROTOCOL_ERROR),
    ("5.5 a ping of 126 bytes", [frame(FIN | PING, b"x" * 126)], PROTOCOL_ERROR),
    ("5.5 a close of 126 bytes", [frame(FIN | CLOSE, b"\x03\xe8" + b"x" * 124)], PROTOCOL_ERROR),
    ("5.5.1 a close with half a code", [frame(FIN | CLOSE, b"\x03")], PROTOCOL_ERROR),
    *[
        (f"7.4 close code {code}", [frame(FIN | CLOSE, struct.pack("!H", code))], PROTOCOL_ERROR)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)
    ],
    ("8.1 a close reason that is no UTF-8", [frame(FIN | CLOSE, b"\x03\xe8\xff\xfe")], INVALID_TEXT),
    ("8.1 a text that is no UTF-8", [frame(FIN | TEXT, b'{"type":"ping","x":"\xff"}')], INVALID_TEXT),
    ("8.1 a surrogate in UTF-8", [frame(FIN | TEXT, b'{"type":"ping","x":"\xed\xa0\x80"}')], INVALID_TEXT),
    ("8.1 an overlong slash", [frame(FIN | TEXT, b'{"type":"ping","x":"\xc0\xaf"}')], INVALID_TEXT),
    ("8.1 no UTF-8 across fragments", [frame(TEXT, b'{"type":"ping","x":"\xce'), frame(FIN | CONTINUATION, b'"}')], INVALID_TEXT),
    ("10.4 a message above the limit", [frame(FIN | TEXT, b" " * (1024 * 1024 + 1))], TOO_BIG),
    (
        "10.4 fragments above the limit together",
        [frame(TEXT, b" " * 600_000), frame(FIN | CONTINUATION, b" " * 600_000)],
        TOO_BIG,
    ),
    ("5.2 a 64-bit length with its highest bit set", [frame(FIN | TEXT, length=b"\x7f" + (1 << 63).to_bytes(8, "big"))], TOO_BIG),
    ("10.4 an announced length above the limit", [frame(FIN | TEXT, length=b"\x7f" + (1 << 40).to_bytes(8, "big"))], TOO_BIG),
]


async def test_frames_that_break_the_rfc_end_the_connection(stack: RunningGateway, found: FoundWedding) -> None:
    """Each breach closes with the code that the RFC names for it."""
    await found("w1")
    closed = {}
    for name, pieces, _ in REFUSED:
        async with joined(stack) as wire:
            await wire.send(*pieces)
            closed[name] = await wire.until_closed()
    assert closed == {name: code for name, _, code in REFUSED}
    counted = stack.gateway.counts.sockets_closed_by_code
    await eventually(lambda: sum(counted.values()) == len(REFUSED), "all are counted")
    # Who is gone before aiohttp has heard of its own close counts as that.
    assert counted.keys() - {1006} == set(closed.values()), "a breach of theirs is no fault of ours"


TAKEN = [
    ("5.2 a frame in single bytes", [bytes((byte,)) for byte in frame(FIN | TEXT, PING_TEXT)]),
    ("5.2 two frames in one segment", [frame(FIN | PONG, b"unasked") + frame(FIN | TEXT, PING_TEXT)]),
    ("5.2 a frame with a 16-bit length", [frame(FIN | TEXT, PING_TEXT + b" " * 200)]),
    ("5.2 a frame with a 64-bit length", [frame(FIN | TEXT, PING_TEXT + b" " * 70_000)]),
    (
        "5.4 a message in fragments",
        [frame(TEXT, PING_TEXT[:5]), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, PING_TEXT[5:])],
    ),
    (
        "5.4 a pong between fragments",
        [frame(TEXT, PING_TEXT[:5]), frame(FIN | PONG, b"x"), frame(FIN | CONTINUATION, PING_TEXT[5:])],
    ),
    ("5.4 a letter cut in two", [frame(TEXT, b'{"type":"ping","x":"\xc3'), frame(FIN | CONTINUATION, b'\xa9"}')]),
    ("5.6 every plane of Unicode", [frame(FIN | TEXT, '{"type":"ping","x":"aé€😀\U0010ffff"}'.encode())]),
]


async def test_frames_that_keep_the_rfc_are_taken(stack: RunningGateway, found: FoundWedding) -> None:
    """However a valid message is cut, it is answered, on one connection after the other cases."""
    await found("w1")
    async with joined(stack) as wire:
        for name, pieces in TAKEN:
            await wire.send(*pieces)
            assert await wire.until(TEXT, b'"pong"'), name


async def test_pings_come_back(stack: RunningGateway, found: FoundWedding) -> None:
    """RFC 6455, 5.5.3: a pong carries the ping's bytes, also between the fragments of a message."""
    await found("w1")
    async with joined(stack) as wire:
        for payload in (b"", b"x", b"\x00\xff\xfe", b"x" * 125):
            await wire.send(frame(TEXT, PING_TEXT[:5]), frame(FIN | PING, payload), frame(FIN | CONTINUATION, PING_TEXT[5:]))
            assert (await wire.until(PONG)).payload == payload
            await wire.until(TEXT, b'"pong"')


async def test_a_close_is_answered_with_its_code(stack: RunningGateway, found: FoundWedding) -> None:
    """RFC 6455, 5.5.1: a valid close is echoed, one without a code is answered."""
    await found("w1")
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        async with joined(stack) as wire:
            await wire.send(frame(FIN | CLOSE, struct.pack("!H", code) + b"bye"))
            assert await wire.until_closed() == code
    async with joined(stack) as wire:
        await wire.send(frame(FIN | CLOSE))
        assert await wire.until_closed() == 1000


async def test_frames_may_come_with_the_request(stack: RunningGateway, found: FoundWedding) -> None:
    """A client need not wait for the upgrade; what it sends with it is looked at like the rest."""
    await found("w1")
    async with connected(stack, with_request=frame(FIN | TEXT, hello())) as wire:
        await wire.until(TEXT, b'"synced"')
    async with connected(stack, with_request=frame(FIN | TEXT, hello(), masked=False)) as wire:
        assert await wire.until_closed() == PROTOCOL_ERROR


async def test_d5_messages_of_one_segment_keep_their_order(stack: RunningGateway, found: FoundWedding) -> None:
    """Single ops are taken as they come, a batch through the queue, and so what came with it: their numbers would show a swap."""
    await found("w1")
    target = {"collection": "tasks", "id": "cake"}
    op: dict[str, object] = {"type": "task_completion", "action": "update", "target": target, "data": {"title": "x"}}
    ops = [op | {"id": f"20270619-aaaa:{number}"} for number in range(1, 8)]
    ops[0] |= {"action": "insert", "data": {"title": "x", "done": False}}
    messages: list[dict[str, object]] = [{"type": "collaboration_event", "op": each} for each in ops]
    messages[2:4] = [{"type": "data_sync", "ops": ops[2:4]}, {"type": "data_sync", "reason": "digest", "channels": {}}]
    async with connected(stack) as wire:
        await wire.send(frame(FIN | TEXT, hello(client="20270619-aaaa")))
        await wire.until(TEXT, b'"synced"')
        await wire.send(b"".join(frame(FIN | TEXT, json.dumps(each).encode()) for each in messages))
        saved = await wire.until(TEXT, b'"20270619-aaaa:7"')
        assert b"rejected" not in saved.payload


async def test_nothing_is_done_after_a_close(stack: RunningGateway, found: FoundWedding) -> None:
    """RFC 6455, 5.5.1: frames behind a close are not looked at, however they are made."""
    await found("w1")
    async with joined(stack) as wire:
        await wire.send(frame(FIN | CLOSE, struct.pack("!H", 1000)) + frame(FIN | TEXT, PING_TEXT) + frame(FIN | RSV1 | PING))
        assert (await wire.until(CLOSE)).close_code == 1000


async def test_a_close_of_ours_is_the_last_frame(stack: RunningGateway, found: FoundWedding) -> None:
    """RFC 6455, 5.5.1: behind our close nothing more is sent; browsers take a second one for a broken connection, 1006."""
    await found("w1")
    stranger = {"type": "hello", "version": 1, "wedding": "w1", "token": token_of("nobody", "w1")}
    async with connected(stack) as wire:
        await wire.send(frame(FIN | TEXT, json.dumps(stranger).encode()))
        heard = await wire.until(CLOSE)
        assert heard.close_code == 4403
        await wire.send(frame(FIN | CLOSE, heard.payload))
        with pytest.raises(asyncio.IncompleteReadError) as ended:
            await wire.receive()
        assert ended.value.partial == b""


async def test_who_goes_while_pings_are_answered_is_no_fault_of_ours(stack: RunningGateway, found: FoundWedding) -> None:
    """A phone that pings and is gone: the pong has nowhere to go, and nothing is in the log."""
    await found("w1")
    with capture_logs() as events:
        for _ in range(30):
            async with joined(stack) as wire:
                await wire.send(frame(FIN | PING, b"x") * 500)
                wire.abort()
        await eventually(lambda: stack.gateway.hub.open_sockets == 0, "nobody is left")
    assert "session_failed" not in [event["event"] for event in events]


async def test_a_handshake_that_is_none_is_refused(stack: RunningGateway) -> None:
    """RFC 6455, 4.2.1: another version, a key that is missing or of another length, and another method get no upgrade."""
    key = "Sec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef").decode()
    version = "Sec-WebSocket-Version: 13"
    for method, *headers in (
        ("GET", key, "Sec-WebSocket-Version: 12"),
        ("GET", version),
        ("GET", "Sec-WebSocket-Key: c2hvcnQ=", version),
        ("POST", key, version),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        lines = [f"{method} /ws HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Content-Length: 0", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_SECONDS)
        assert answer.split()[1] in {b"400", b"405"}, (headers, answer)
        assert b"application/problem+json" in answer, (headers, answer)
        writer.close()
