"""Whether a stream is still the one that a reader has read: the same stream, as long as it was, with the same last message (D12).

Asked by store.log_consumer before every consumer that it makes, above all after a reconnect.
"""

from typing import Any, Final

from store.bus import Bus
from store.errors import GenerationChanged, LogMismatch, NoLeader
from store.log_fence import REMEDY
from store.log_search import message_at

#: How often in a row a log with copies must look too short: one that has just become leader may still be taking in its last ops.
SHORT_ASKINGS: Final = 10


class Continuity:
    """What one reader remembers of its stream."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream
        self._created = ""
        self._found_short = 0
        #: Position and log time of the last message that was handled.
        self._anchor = (0, 0)

    def handled(self, position: int, timestamp_ms: int) -> None:
        """Remember the last message: the log must still hold it there."""
        self._anchor = (position, timestamp_ms)

    async def require(self, info: dict[str, Any], position: int) -> None:
        """Return when this log goes on after a position; raises LogMismatch, GenerationChanged, NoLeader, StoreError."""
        state, created, is_copied = info["state"], str(info["created"]), info["config"]["num_replicas"] > 1
        if self._created not in {"", created}:
            raise GenerationChanged
        self._created = created
        self._found_short = self._found_short + 1 if state["last_seq"] < position else 0
        if is_copied and 0 < self._found_short < SHORT_ASKINGS:
            raise NoLeader(f"The new leader of {self._stream} has not reached {position} yet; ask again.")
        if self._found_short:
            raise LogMismatch(f"{self._stream} ends at {state['last_seq']}, but {position} has been read from it. {REMEDY}")
        if state["first_seq"] > position + 1:
            raise LogMismatch(
                f"{self._stream} begins at {state['first_seq']}, after the position {position} that was to be read from. "
                "Begin at the stored checkpoint."
            )
        seen, timestamp_ms = self._anchor
        if not 0 < seen >= state["first_seq"]:
            return
        message = await message_at(self._bus, self._stream, seen)
        if message is not None and message.timestamp_ms != timestamp_ms:
            raise LogMismatch(f"{self._stream} holds another message at {seen} than was read there: it has lost ops. {REMEDY}")
