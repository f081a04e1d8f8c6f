"""MessagePack as a second subprotocol says the same as JSON, and what JSON cannot say is refused."""

import asyncio
import json
import math
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.wire.formats import JSON_PROTOCOL, PACKED_PROTOCOL, json_of, packed_frame, text_frame
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import WITHIN_SECONDS, RunningGateway, token_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(PLAIN, st.sampled_from([0, 200, 70_000]))
def test_a_frame_says_the_same_in_both_formats(value: object, padding: int) -> None:
    """Whatever JSON says comes out of the packed frame, at each size of header, and the other way round."""
    text = json.dumps([value, "x" * padding]).encode()
    frame = packed_frame(text_frame(text))
    assert frame[0] == 0x82
    payload = frame[{126: 4, 127: 10}.get(frame[1], 2) :]
    assert msgspec.msgpack.decode(payload) == json.loads(text)
    assert json.loads(json_of(payload)) == json.loads(text)


@pytest.mark.parametrize(
    "value", [b"bytes", datetime(2027, 6, 19, tzinfo=UTC), msgspec.msgpack.Ext(5, b"x"), {3: "three"}, [math.nan], -math.inf]
)
def test_what_json_cannot_say_is_a_bad_frame(value: object) -> None:
    """Bytes, times, extensions, infinities and names that are no texts are refused; NaN would be null, which clears a field."""
    with pytest.raises(GatewayError, match="bad_frame"):
        json_of(msgspec.msgpack.encode({"type": "ping", "more": value}))


class PackedTalker:
    """A client that knows MessagePack only."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.connection = connection

    async def send(self, frame: dict[str, Any]) -> None:
        await self.connection.send_bytes(msgspec.msgpack.encode(frame))

    async def until(self, kind: str) -> dict[str, Any]:
        """Take frames up to one of this type."""
        while True:
            message = await asyncio.wait_for(self.connection.receive(), WITHIN_SECONDS)
            assert message.type is aiohttp.WSMsgType.BINARY, message
            frame: dict[str, Any] = msgspec.msgpack.decode(message.data)
            if frame["type"] == kind:
                return frame


async def test_both_formats_live_in_one_wedding(stack: RunningGateway, found: FoundWedding) -> None:
    """The subprotocol chosen at the upgrade decides; events of one format are seen in the other, byte for byte the same JSON."""
    await found("w1")
    tom = await stack.join("w1", "tom")
    async with aiohttp.ClientSession() as http:
        offered = ("unknown", PACKED_PROTOCOL, JSON_PROTOCOL)
        connection = await http.ws_connect(f"{stack.url}/ws", protocols=offered)
        assert connection.protocol == PACKED_PROTOCOL
        ana = PackedTalker(connection)
        await ana.send({"type": "hello", "version": 1, "wedding": "w1", "token": token_of("ana", "w1")})
        client = (await ana.until("welcome"))["client"]
        await ana.until("synced")
        target = {"collection": "tasks", "id": "cake"}
        op: dict[str, Any] = {
            "id": f"{client}:1",
            "type": "task_completion",
            "action": "insert",
            "target": target,
            "data": {"title": "Torte 🎂"},
        }
        await ana.send({"type": "collaboration_event", "op": op})
        assert (await ana.until("collaboration_event"))["events"] == (await tom.event_of(op["id"]))["events"]
        await connection.send_bytes(b"\xc1")
        assert (await ana.until("error"))["code"] == "bad_frame"
        await connection.close()
    json_only = await stack.connect(protocols=(JSON_PROTOCOL,))
    assert json_only.connection.protocol == JSON_PROTOCOL
    await json_only.connection.send_bytes(msgspec.msgpack.encode({"type": "ping"}))
    await json_only.expect("error", code="bad_frame")
