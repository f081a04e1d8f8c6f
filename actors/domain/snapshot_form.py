"""How a state is written down and read back, exactly: deciding goes on as if it had never been away.

One msgpack array [FORMAT, state], the state's structs as arrays. Fields are only ever added at their end with a default. Any
other change raises FORMAT and adds to `_UPGRADES` how the format before becomes the next one, on plain lists and dictionaries, so
that a snapshot of any age opens. One of a newer format is refused: the reader takes an older snapshot and the stored changes.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from actors.contract.subjects import WEDDING
from actors.domain.errors import SnapshotUnreadable
from actors.domain.state import STATES, ActorState

FORMAT: Final = 1


class _Snapshot(msgspec.Struct, array_like=True, frozen=True):
    format: int
    state: ActorState


_encoder: Final = msgspec.msgpack.Encoder()
_read_format: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
#: Format -> what makes the builtins of a state of that format those of the next one.
_UPGRADES: Final[dict[int, Callable[[Any], Any]]] = {}
_readers: Final = {form.kind: msgspec.msgpack.Decoder(form) for form in STATES.values()}


def encode(state: ActorState) -> bytes:
    """Write a state down."""
    return _encoder.encode(_Snapshot(FORMAT, state))


def decode(data: bytes, kind: str = WEDDING) -> ActorState:
    """Read the state of an actor of this kind back; raises SnapshotUnreadable."""
    try:
        found, body = _read_format.decode(data)
        if found == FORMAT:
            return _readers[kind].decode(body)
        if found in _UPGRADES:
            return msgspec.convert(_upgraded(found, msgspec.msgpack.decode(body)), _readers[kind].type)
    except msgspec.MsgspecError as error:
        raise SnapshotUnreadable(f"the snapshot is damaged: {error}") from error
    raise SnapshotUnreadable(f"the snapshot has format {found}, this version reads {FORMAT}")


def _upgraded(found: int, state: Any) -> Any:
    for version in range(found, FORMAT):
        state = _UPGRADES[version](state)
    return state
