"""The form of a stored block: a zstd-compressed msgpack list of decisions, and the index of the clients in it.

Fields of Decision are only ever added at the end with a default, so blocks of any age can be read.
"""

from collections.abc import Sequence

import msgspec
import zstandard

from actors.contract.decisions import Decision

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Decision]).decode
#: Blocks are small and written at every flush: level -1 takes a third of the time of level 1 and gives nearly the same size.
_compressor = zstandard.ZstdCompressor(level=-1)
_decompressor = zstandard.ZstdDecompressor()


def pack(decisions: Sequence[Decision]) -> bytes:
    """Write decisions as one block."""
    return _compressor.compress(_encode(decisions))


def unpack(block: bytes) -> list[Decision]:
    """Read a block."""
    return _decode(_decompressor.decompress(block))


def client_key(principal: str, client: str) -> str:
    """How a block's index names a client."""
    return f"{principal}/{client}"


def client_ranges(decisions: Sequence[Decision]) -> bytes:
    """The lowest and highest number of each client in the block, as JSON."""
    ranges: dict[str, list[int]] = {}
    for decision in decisions:
        found = ranges.setdefault(client_key(decision.principal, decision.client), [decision.number, decision.number])
        found[0] = min(found[0], decision.number)
        found[1] = max(found[1], decision.number)
    return msgspec.json.encode(ranges)
