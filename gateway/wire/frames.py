"""Bytes of WebSocket text frames from server to client, built by hand around JSON that is already encoded.

The hot frames (events, saved) are joined from ready parts; tests compare each with its shape in actors.contract.server_frames.
Nothing here knows sockets or rooms.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from actors.contract.envelopes import EnvelopePart
from actors.contract.server_frames import Applied, ErrorFrame, Pong, Rejected, Synced, Withdrawn
from gateway.errors import GatewayError, LimitMet
from gateway.wire.formats import text_frame

_encode = msgspec.json.Encoder().encode
_EVENTS_HEAD: Final = b'{"type":"collaboration_event","events":['
_EVENTS_TAIL: Final = b"]}"


def close_frame(code: int) -> bytes:
    """A close without a reason: the error frame before it says more."""
    return b"\x88\x02" + code.to_bytes(2, "big")


def struct_frame(frame: msgspec.Struct) -> bytes:
    """Encode one of the server's frames."""
    return text_frame(_encode(frame))


def events_frame(parts: Iterable[EnvelopePart]) -> bytes:
    """All given parts of one op as one live frame."""
    return text_frame(_EVENTS_HEAD + b",".join([bytes(part.event) for part in parts]) + _EVENTS_TAIL)


def saved_frame(op: str) -> bytes:
    """`op` is a checked op id, which needs no escaping."""
    return text_frame(b'{"type":"saved","op":"' + op.encode() + b'"}')


def applied_frame(op: str) -> bytes:
    return struct_frame(Applied(op))


def rejected_frame(op: str, code: str, message: str, remedy: str, following: int, met: LimitMet | None = None) -> bytes:
    return struct_frame(Rejected(op, code, message, remedy, following, *_told(met)))


def error_frame(error: GatewayError) -> bytes:
    return struct_frame(ErrorFrame(error.code, error.message, error.remedy, *_told(error.met)))


def _told(met: LimitMet | None) -> tuple[int | None, str, int]:
    return (None, "", 0) if met is None else (met.retry_after_ms, met.limit, met.value)


def withdrawn_frame(channel: str) -> bytes:
    return struct_frame(Withdrawn(channel))


def sync_frame(
    channel: str,
    reason: str,
    sequence: int,
    digest: str,
    *,
    state: bytes | None = None,
    events: Iterable[bytes] = (),
    more: bool = False,
) -> bytes:
    """One `data_sync` frame: a snapshot where `state` is given, else events; channels, reasons and digests need no escaping."""
    head = (
        f'{{"type":"data_sync","channel":"{channel}","mode":"{"events" if state is None else "snapshot"}",'
        f'"reason":"{reason}","sequence":{sequence},"digest":"{digest}","more":{"true" if more else "false"},'
    ).encode()
    body = b'"events":[' + b",".join(events) + b"]}" if state is None else b'"state":' + state + b"}"
    return text_frame(head + body)


#: A control frame: opcode 9, no payload.
PING: Final = b"\x89\x00"
PONG: Final = struct_frame(Pong())
SYNCED: Final = struct_frame(Synced())
