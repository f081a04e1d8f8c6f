"""How a state is written down and read back, exactly: deciding goes on as if it had never been away.

One msgpack array [FORMAT, state], the state's structs as arrays. Fields are only ever added at their end with a default; any
other change raises FORMAT, and then `decode` refuses older snapshots, which makes the reader fold the stored changes instead.
"""

from typing import Final

import msgspec

from actors.domain.errors import SnapshotUnreadable
from actors.domain.state import WeddingState

FORMAT: Final = 1


class _Snapshot(msgspec.Struct, array_like=True, frozen=True):
    format: int
    state: WeddingState


_encoder: Final = msgspec.msgpack.Encoder()
_read_format: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_read_state: Final = msgspec.msgpack.Decoder(WeddingState)


def encode(state: WeddingState) -> bytes:
    """Write a state down."""
    return _encoder.encode(_Snapshot(FORMAT, state))


def decode(data: bytes) -> WeddingState:
    """Read a state back; raises SnapshotUnreadable."""
    try:
        found, body = _read_format.decode(data)
        if found == FORMAT:
            return _read_state.decode(body)
    except msgspec.MsgspecError as error:
        raise SnapshotUnreadable(f"the snapshot is damaged: {error}") from error
    raise SnapshotUnreadable(f"the snapshot has format {found}, this version reads {FORMAT}")
