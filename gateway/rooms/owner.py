"""Questions to the owner of a wedding, asked until somebody who is up to date answers (design D2).

Every question names the highest log position that this gateway has seen in the wedding's partition; `behind`, silence and a
missing owner are asked again until the time is up, which clients then see as `waking`. Used by rooms and HTTP routes.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from actors.contract.calls import (
    AuditQuestion,
    ChannelChunk,
    FieldWrite,
    HistoryEnd,
    HistoryQuestion,
    Member,
    PastHead,
    PastQuestion,
    PermissionsBody,
    Question,
    Reply,
    SinceQuestion,
    StateHead,
    StateQuestion,
    UndoPlan,
    UndoQuestion,
    WhyQuestion,
)
from actors.contract.consistency import OwnerReport
from actors.contract.envelopes import Envelope
from actors.contract.ids import partition_of
from actors.contract.subjects import WEDDING, call_subject
from config.settings import Settings
from gateway.counts import Counts
from gateway.errors import GatewayError, OwnerUnreachable, Stand, TooOld, WeddingUnknown
from store.bus import Bus
from store.errors import BusDown, NoResponder, RequestTimeout

#: How long one question may stay open in all, and how long one owner may take to answer it.
PATIENCE_SECONDS: Final = 4.0
_ANSWER_SECONDS: Final = 1.5
#: An earlier state may take a week of decisions to make.
_PAST_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.1
#: Open questions at once: after a reconnect every room asks.
_MOST_QUESTIONS: Final = 128
#: What the owner reads from its store, slowly; and how many of these at once, so that joins and live events wait behind none.
_SLOW_CALLS: Final = frozenset({"history", "past", "why", "undo", "audit"})
_MOST_SLOW_QUESTIONS: Final = 16

_encode = msgspec.json.Encoder().encode
_decode_head = msgspec.json.Decoder(StateHead).decode
_decode_chunk = msgspec.json.Decoder(ChannelChunk).decode
_decode_envelopes = msgspec.json.Decoder(list[Envelope]).decode
_decode_permissions = msgspec.json.Decoder(PermissionsBody).decode
_decode_digests = msgspec.json.Decoder(dict[str, tuple[int, str]]).decode
_decode_end = msgspec.json.Decoder(HistoryEnd).decode
_decode_events = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_past = msgspec.json.Decoder(PastHead).decode
_decode_writes = msgspec.json.Decoder(list[FieldWrite]).decode
_decode_report = msgspec.json.Decoder(OwnerReport).decode
_decode_plan = msgspec.json.Decoder(UndoPlan).decode


class WeddingState(NamedTuple):
    """A wedding at one rev; `chunks` is None where only the head was asked for."""

    stand: Stand
    head: StateHead
    chunks: dict[str, list[ChannelChunk]] | None


class Since(NamedTuple):
    """The envelopes after a rev, contiguous up to the owner's."""

    stand: Stand
    envelopes: list[Envelope]


class Permissions(NamedTuple):
    """Who may read what, as of `stand.acl`."""

    stand: Stand
    members: dict[str, Member]


class Owner:
    """The owners of all weddings, as one gateway sees them. Raises OwnerUnreachable, TooOld, or GatewayError wedding_unknown."""

    def __init__(self, bus: Bus, settings: Settings, counts: Counts) -> None:
        self._bus = bus
        self._region = settings.region
        self._partitions = settings.partitions
        self._counts = counts
        self._asking = asyncio.Semaphore(_MOST_QUESTIONS)
        self._asking_slowly = asyncio.Semaphore(_MOST_SLOW_QUESTIONS)
        #: The highest log position seen per partition.
        self.positions: dict[int, int] = {}

    def saw(self, partition: int, position: int) -> None:
        """Remember how far a partition is known to be."""
        if position > self.positions.get(partition, 0):
            self.positions[partition] = position

    async def state(self, wedding: str, *, content: bool) -> WeddingState:
        self._counts.state_calls += 1
        question = StateQuestion(self._position(wedding), content)
        replies = await self._ask(wedding, "state", question)
        chunks = _chunks(replies[1:]) if content else None
        return WeddingState(_stand(replies[0]), _decode_head(replies[0].body), chunks)

    async def since(self, wedding: str, *, rev: int | None = None, channels: dict[str, int] | None = None) -> Since:
        """Exactly one of `rev` and `channels`; see SinceQuestion."""
        question = SinceQuestion(self._position(wedding), rev, channels)
        replies = await self._ask(wedding, "since", question)
        return Since(_stand(replies[-1]), [envelope for reply in replies for envelope in _decode_envelopes(reply.body)])

    async def permissions(self, wedding: str) -> Permissions:
        [reply] = await self._ask(wedding, "permissions", Question(self._position(wedding)))
        return Permissions(_stand(reply), _decode_permissions(reply.body).members)

    async def digest(self, wedding: str) -> dict[str, tuple[int, str]]:
        """Every channel's sequence and digest."""
        [reply] = await self._ask(wedding, "digest", Question(self._position(wedding)))
        return _decode_digests(reply.body)

    async def history(self, wedding: str, question: HistoryQuestion) -> tuple[Stand, list[bytes], HistoryEnd]:
        """Return encoded events, oldest first, and how far was read."""
        *replies, last = await self._ask(wedding, "history", msgspec.structs.replace(question, position=self._position(wedding)))
        events = [bytes(event) for reply in replies for event in _decode_events(reply.body)]
        return _stand(last), events, _decode_end(last.body)

    async def past(self, wedding: str, question: PastQuestion) -> tuple[Stand, PastHead, dict[str, list[ChannelChunk]]]:
        """Return the state as it was, of the channels that the question's rights include."""
        at = msgspec.structs.replace(question, position=self._position(wedding))
        head, *replies = await self._ask(wedding, "past", at, answer_seconds=_PAST_SECONDS)
        return _stand(head), _decode_past(head.body), _chunks(replies)

    async def field_writes(self, wedding: str, question: WhyQuestion) -> tuple[Stand, list[FieldWrite], HistoryEnd]:
        """Return who wrote a field, the newest first, and how far was read."""
        at = msgspec.structs.replace(question, position=self._position(wedding))
        *replies, last = await self._ask(wedding, "why", at, answer_seconds=_PAST_SECONDS)
        writes = [write for reply in replies for write in _decode_writes(reply.body)]
        return _stand(last), writes, _decode_end(last.body)

    async def undo_plan(self, wedding: str, question: UndoQuestion) -> tuple[Stand, UndoPlan]:
        """Return what takes an op back."""
        at = msgspec.structs.replace(question, position=self._position(wedding))
        [reply] = await self._ask(wedding, "undo", at, answer_seconds=_PAST_SECONDS)
        return _stand(reply), _decode_plan(reply.body)

    async def audit(self, wedding: str, *, repair: bool) -> tuple[Stand, OwnerReport]:
        """Ask whether what the owner has agrees, and with `repair` to mend it."""
        question = AuditQuestion(self._position(wedding), repair)
        [reply] = await self._ask(wedding, "audit", question, answer_seconds=_PAST_SECONDS)
        return _stand(reply), _decode_report(reply.body)

    def _position(self, wedding: str) -> int:
        return self.positions.get(partition_of(wedding, self._partitions), 0)

    async def _ask(
        self, wedding: str, call: str, question: msgspec.Struct, *, answer_seconds: float = _ANSWER_SECONDS
    ) -> list[Reply]:
        subject = call_subject(self._region, WEDDING, wedding, call, self._partitions)
        payload = _encode(question)
        places = self._asking_slowly if call in _SLOW_CALLS else self._asking
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            error, replies = "waking", []
            try:
                async with places:
                    replies = await self._bus.call(subject, payload, timeout_seconds=answer_seconds)
            except (RequestTimeout, NoResponder, BusDown):
                pass
            else:
                error = next((reply.error for reply in replies if reply.error), "")
                if not error:
                    stand = replies[0]
                    self.saw(partition_of(wedding, self._partitions), stand.position)
                    return replies
            if error == "too_old":
                raise TooOld
            if error == "wedding_unknown":
                raise WeddingUnknown(_stand(replies[0]))
            if error not in ("waking", "behind"):
                raise GatewayError("internal_error", f"The owner does not answer {call}: {error}.")
            if time.monotonic() > until:
                raise OwnerUnreachable
            await asyncio.sleep(_PAUSE_SECONDS)


def _stand(reply: Reply) -> Stand:
    return Stand(reply.generation, reply.position, reply.rev, reply.acl)


def _chunks(replies: Iterable[Reply]) -> dict[str, list[ChannelChunk]]:
    chunks: dict[str, list[ChannelChunk]] = {}
    for reply in replies:
        chunk = _decode_chunk(reply.body)
        chunks.setdefault(chunk.channel, []).append(chunk)
    return chunks
