"""Answers to the questions about one wedding, built from its state at one rev (actors.contract.calls). Pure.

Every answer carries generation and position, so that the questioner can tell a stale owner; bodies are cut into messages of at
most 512 KB. Called by calls.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from actors.contract.calls import CHUNK_BYTES, ChannelChunk, PastHead, PermissionsBody, Reply, StateHead
from actors.contract.changes import ChannelItems
from actors.contract.channels import Rights, may_read
from actors.domain import views
from actors.domain.state import ActorState

_encode: Final = msgspec.json.Encoder().encode
_NOTHING: Final = b"null"


class Speaker(NamedTuple):
    """Who answers, and how far it has read."""

    host: str
    generation: int
    position: int


def error_reply(speaker: Speaker, error: str) -> list[bytes]:
    """Return the one message that says why there is no answer."""
    return [_encode(Reply(speaker.host, speaker.generation, speaker.position, 0, 0, msgspec.Raw(_NOTHING), error=error))]


def replies(speaker: Speaker, state: ActorState, bodies: Iterable[bytes]) -> list[bytes]:
    """Return the messages that carry these bodies, the last without `more`."""
    whole = list(bodies)
    return [
        _encode(Reply(*speaker, state.rev, state.acl, msgspec.Raw(body), more=number < len(whole)))
        for number, body in enumerate(whole, 1)
    ]


def state_bodies(state: ActorState, *, content: bool) -> Iterator[bytes]:
    """Yield the head and, with `content`, every channel's items in chunks."""
    heads = views.channel_heads(state)
    yield _encode(StateHead(views.members(state), views.counters(state), heads))
    if not content:
        return
    yield from _chunks(state, heads)


def past_bodies(state: ActorState, rights: Rights) -> Iterator[bytes]:
    """Yield the head of a past state and its items, of the channels that the rights include alone."""
    heads = {channel: head for channel, head in views.channel_heads(state).items() if may_read(rights, channel)}
    yield _encode(PastHead(state.now_ms, heads))
    yield from _chunks(state, heads)


def _chunks(state: ActorState, heads: Mapping[str, tuple[int, str]]) -> Iterator[bytes]:
    items = views.items_by_channel(state)
    for channel, (sequence, digest) in heads.items():
        pieces = list(_pieces(items[channel]))
        for number, piece in enumerate(pieces, 1):
            yield _encode(ChannelChunk(channel, sequence, digest, msgspec.Raw(piece), more=number < len(pieces)))


def permissions_body(state: ActorState) -> bytes:
    return _encode(PermissionsBody(views.members(state)))


def digest_body(state: ActorState) -> bytes:
    return _encode(views.channel_heads(state))


def body(value: msgspec.Struct) -> bytes:
    """Return one whole answer as it goes into a reply."""
    return _encode(value)


def list_bodies(encoded: Iterable[bytes]) -> list[bytes]:
    """Join encoded values to JSON lists below the chunk size; at least one list, perhaps empty."""
    groups: list[list[bytes]] = [[]]
    size = 0
    for value in encoded:
        if groups[-1] and size + len(value) > CHUNK_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(value)
        size += len(value) + 1
    return [b"[" + b",".join(group) + b"]" for group in groups]


def _pieces(items: ChannelItems) -> Iterator[bytes]:
    """Yield `{collection: {id: fields}}` encoded, whole when it fits and else cut between items."""
    whole = _encode(items)
    if len(whole) <= CHUNK_BYTES:
        yield whole
        return
    piece: dict[str, dict[str, Any]] = {}
    size = 0
    for collection, members in items.items():
        for identifier, fields in members.items():
            weight = len(_encode(fields)) + len(identifier) + len(collection) + 16
            if piece and size + weight > CHUNK_BYTES:
                yield _encode(piece)
                piece, size = {}, 0
            piece.setdefault(collection, {})[identifier] = fields
            size += weight
    yield _encode(piece)
