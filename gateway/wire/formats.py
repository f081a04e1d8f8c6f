"""The two formats of frames: JSON in text frames, and MessagePack in binary ones for a client that asks for that subprotocol.

The gateway thinks in JSON, whose bytes are shared by all sockets; a frame is packed once per loop turn for all sockets that take
MessagePack (gateway.wire.socket), and what they send is turned into JSON before anybody looks at it.
"""

import math
from typing import Any, Final

import msgspec

from gateway.errors import UNREADABLE, GatewayError

JSON_PROTOCOL: Final = "wedsync.v1.json"
PACKED_PROTOCOL: Final = "wedsync.v1.msgpack"
_TEXT: Final = 0x81
_BINARY: Final = 0x82
#: Where the payload begins, by the first length byte of an unmasked frame.
_PAYLOAD_AT: Final = {126: 4, 127: 10}

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode
_decode_packed = msgspec.msgpack.Decoder().decode
_encode_packed = msgspec.msgpack.Encoder().encode


def text_frame(payload: bytes) -> bytes:
    """Put the header of one unmasked, final text frame (RFC 6455) before the payload."""
    return _frame(_TEXT, payload)


def packed_frame(frame: bytes) -> bytes:
    """The same frame in MessagePack; control frames stay as they are."""
    if frame[0] != _TEXT:
        return frame
    return _frame(_BINARY, _encode_packed(_decode_json(memoryview(frame)[_PAYLOAD_AT.get(frame[1], 2) :])))


def json_of(packed: bytes) -> bytes:
    """What a client packed, as JSON; raises GatewayError bad_frame for what JSON cannot say."""
    try:
        value: Any = _decode_packed(packed)
        _require_plain(value)
        return _encode_json(value)
    except (*UNREADABLE, TypeError) as error:
        raise GatewayError("bad_frame", f"The frame cannot be read: {error}.") from None


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def _require_plain(value: object) -> None:
    """Raise TypeError for what the encoder would turn into something that nobody said: bytes, times, extensions, NaN."""
    if isinstance(value, dict):
        for name, each in value.items():
            if not isinstance(name, str):
                raise TypeError(f"a member is named by {type(name).__name__}, not by a text")
            _require_plain(each)
    elif isinstance(value, list):
        for each in value:
            _require_plain(each)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no place in JSON")
    elif value is not None and not isinstance(value, str | int):
        raise TypeError(f"{type(value).__name__} has no place in JSON")
