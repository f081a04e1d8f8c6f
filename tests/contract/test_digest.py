"""The digest: RFC 8785 byte by byte, free of order, kept incrementally, and equal to the published vectors."""

import json
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from actors.contract import digest
from actors.contract.ids import MAX_INTEGER
from tests.support.requirements import ROOT

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=12)
_PLAIN = st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _TEXT
_VALUES = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=8
)
_FIELDS = st.dictionaries(_KEYS, _VALUES, max_size=6)
_CHANNELS = st.dictionaries(_KEYS, st.dictionaries(_KEYS, _FIELDS, max_size=4), max_size=3)

_VECTORS: list[dict[str, Any]] = json.loads((ROOT / "docs" / "digest-vectors.json").read_text(encoding="utf-8"))["vectors"]


@given(_KEYS, _KEYS, _FIELDS)
def test_the_hashed_bytes_are_rfc_8785(collection: str, identifier: str, fields: dict[str, Any]) -> None:
    """For values without floats the sorted encoding equals the canonical JSON of RFC 8785."""
    # rfc8785 takes 2^53 itself for unsafe, though a double holds it exactly; its neighbours are in the vectors.
    expected = rfc8785.dumps([collection, identifier, _within_rfc8785(fields)])
    assert digest.canonical(collection, identifier, _within_rfc8785(fields)) == expected


def _within_rfc8785(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _within_rfc8785(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_within_rfc8785(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-MAX_INTEGER + 1, min(value, MAX_INTEGER - 1))
    return value


@given(_CHANNELS)
def test_the_digest_is_a_sum_of_item_hashes(state: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Adding item by item, in any order, gives the digest from scratch; taking all away again gives the empty one."""
    parts = [digest.item_hash(name, key, fields) for name, items in state.items() for key, fields in items.items()]
    total = 0
    for part in reversed(parts):
        total = digest.add(total, part)
    assert digest.to_hex(total) == digest.channel_digest(state)
    for part in parts:
        total = digest.subtract(total, part)
    assert digest.to_hex(total) == "0000000000000000"


def test_an_item_hash_is_the_head_of_its_sha_256() -> None:
    """The first 8 bytes, big-endian."""
    canonical = b'["tasks","rings",{"done":false,"title":"Rings"}]'
    assert digest.item_hash("tasks", "rings", {"title": "Rings", "done": False}) == int(sha256(canonical).hexdigest()[:16], 16)


@pytest.mark.parametrize("vector", _VECTORS, ids=[vector["name"] for vector in _VECTORS])
def test_the_published_vectors_hold(vector: dict[str, Any]) -> None:
    """docs/digest-vectors.json is what this code computes, and what the definition says when it is followed literally."""
    assert digest.channel_digest(vector["state"]) == vector["digest"]
    literal = 0
    for collection, items in vector["state"].items():
        for identifier, fields in items.items():
            literal += int.from_bytes(sha256(rfc8785.dumps([collection, identifier, fields])).digest()[:8], "big")
    assert f"{literal % 2**64:016x}" == vector["digest"]
