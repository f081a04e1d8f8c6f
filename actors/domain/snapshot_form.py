"""How a state is written down and read back, exactly: deciding goes on as if it had never been away.

One msgpack array [FORMAT, state], the state's structs as arrays. Fields are only ever added at their end with a default; any
other change raises FORMAT, and then `decode` refuses older snapshots, which makes the reader fold the stored changes instead.
"""

from typing import Final, overload

import msgspec

from actors.contract.subjects import WEDDING
from actors.domain.errors import SnapshotUnreadable
from actors.domain.state import ActorState, VendorState, WeddingState

FORMAT: Final = 1


class _Snapshot(msgspec.Struct, array_like=True, frozen=True):
    format: int
    state: ActorState


_encoder: Final = msgspec.msgpack.Encoder()
_read_format: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_readers: Final = {form.kind: msgspec.msgpack.Decoder(form) for form in (WeddingState, VendorState)}


def encode(state: ActorState) -> bytes:
    """Write a state down."""
    return _encoder.encode(_Snapshot(FORMAT, state))


@overload
def decode(data: bytes) -> WeddingState: ...
@overload
def decode(data: bytes, kind: str) -> ActorState: ...
def decode(data: bytes, kind: str = WEDDING) -> ActorState:
    """Read the state of an actor of this kind back; raises SnapshotUnreadable."""
    try:
        found, body = _read_format.decode(data)
        if found == FORMAT:
            return _readers[kind].decode(body)
    except msgspec.MsgspecError as error:
        raise SnapshotUnreadable(f"the snapshot is damaged: {error}") from error
    raise SnapshotUnreadable(f"the snapshot has format {found}, this version reads {FORMAT}")
