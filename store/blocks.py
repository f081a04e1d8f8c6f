"""The form of a stored block: a zstd-compressed msgpack list of decisions, and the index of the ops in it.

Fields of Decision are only ever added at the end with a default, so blocks of any age can be read.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec
import zstandard

from actors.contract.decisions import Decision
from actors.contract.errors import ContractError
from actors.contract.ids import parse_op_id
from store.errors import BlockUnreadable

#: The client under which ops that came over NATS are decided.
INTAKE_CLIENT: Final = "intake"
NUMBERS_PER_KEY: Final = 256
INTAKE_KEYS: Final = 65_536

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Decision]).decode
#: Blocks are small and written at every flush: level -1 takes a third of the time of level 1 and gives nearly the same size.
_compressor = zstandard.ZstdCompressor(level=-1)
_decompressor = zstandard.ZstdDecompressor()


def pack(decisions: Sequence[Decision]) -> bytes:
    """Write decisions as one block."""
    return _compressor.compress(_encode(decisions))


def unpack(block: bytes) -> list[Decision]:
    """Read a block; raises BlockUnreadable."""
    try:
        return _decode(_decompressor.decompress(block))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise BlockUnreadable(f"A stored block of {len(block)} bytes cannot be decoded: {error}") from error


def op_ranges(decisions: Sequence[Decision]) -> bytes:
    """The index of a block, as JSON: for each key the lowest and the highest number of the ops under it."""
    ranges: dict[str, list[int]] = {}
    for decision in decisions:
        found = ranges.setdefault(_key(decision.principal, decision.client, decision.number, decision.op), [decision.number] * 2)
        found[0] = min(found[0], decision.number)
        found[1] = max(found[1], decision.number)
    return msgspec.json.encode(ranges)


def keys_of_op(principal: str, op: str) -> tuple[int, list[str]]:
    """The number of an op and the keys under which a block that holds it may be found: today's, and that of the first blocks."""
    try:
        client, number = parse_op_id(op)
    except ContractError:
        client, number = INTAKE_CLIENT, 0
    return number, [_key(principal, client, number, op), f"{principal}/{client}"]


def _key(principal: str, client: str, number: int, op: str) -> str:
    """Few blocks share a key, however many ops a client has sent; ops over NATS have no numbers and go by their ids."""
    part = number // NUMBERS_PER_KEY if number else crc32(op.encode()) % INTAKE_KEYS
    return f"{principal}/{client}/{part}"
