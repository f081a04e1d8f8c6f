"""The digest of a channel: an order-free sum over its items, so that it is kept incrementally (docs/protocol.md).

digest = sum modulo 2^64, over the items, of the first 8 bytes (big-endian) of SHA-256 of the RFC 8785 JSON of
`[collection, id, fields]`, written as 16 lower-case hex digits. `docs/digest-vectors.json` holds test vectors for every client.
"""

from collections.abc import Mapping
from hashlib import sha256

import msgspec

_MODULUS = 1 << 64
# Values hold no floats, no integer past 2^53 and ASCII keys only, and then msgspec's sorted encoding is RFC 8785, byte by byte
# (tests/contract/test_digest.py compares it with the rfc8785 package).
_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(collection: str, identifier: str, fields: Mapping[str, object]) -> bytes:
    """Return the bytes that are hashed for one item; `fields` is without `id`."""
    return _encode([collection, identifier, fields])


def item_hash(collection: str, identifier: str, fields: Mapping[str, object]) -> int:
    """Return the item's part of its channel's digest, below 2^64."""
    return int.from_bytes(sha256(_encode([collection, identifier, fields])).digest()[:8], "big")


def add(total: int, part: int) -> int:
    """Return the digest with an item's part added."""
    return (total + part) % _MODULUS


def subtract(total: int, part: int) -> int:
    """Return the digest with an item's part taken away."""
    return (total - part) % _MODULUS


def to_hex(total: int) -> str:
    """Write a digest as clients see it; an empty channel is sixteen zeros."""
    return f"{total:016x}"


def channel_digest(state: Mapping[str, Mapping[str, Mapping[str, object]]]) -> str:
    """Compute a channel's digest from scratch; `state` is `{collection: {id: fields}}`."""
    parts = (
        item_hash(collection, identifier, fields) for collection, items in state.items() for identifier, fields in items.items()
    )
    return to_hex(sum(parts) % _MODULUS)
