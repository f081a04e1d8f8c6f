"""The last envelopes of a room, contiguous and bounded: what joins and resumes are served from without asking the owner."""

from collections import deque
from collections.abc import Mapping
from itertools import islice

from actors.contract.envelopes import Envelope


class RecentEnvelopes:
    """The decided envelopes with revs above `floor` up to `head`; the oldest go when there are too many or too large ones."""

    def __init__(self, head: int, *, most: int, most_bytes: int) -> None:
        self._envelopes: deque[Envelope] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self.size_bytes = 0
        self.head = head

    @property
    def floor(self) -> int:
        """The rev after which everything is here."""
        return self.head - len(self._envelopes)

    def append(self, envelope: Envelope) -> None:
        """Add the envelope of the next rev."""
        self._envelopes.append(envelope)
        self.head = envelope.rev
        self.size_bytes += _bytes_of(envelope)
        while len(self._envelopes) > self._most or self.size_bytes > self._most_bytes:
            self.size_bytes -= _bytes_of(self._envelopes.popleft())

    def clear(self) -> int:
        """Forget all of them; returns their bytes."""
        freed, self.size_bytes = self.size_bytes, 0
        self._envelopes.clear()
        return freed

    def prepend(self, older: list[Envelope]) -> None:
        """Add what the owner still had; only what reaches up to the floor is of use, and the bounds hold here too."""
        for envelope in reversed(older):
            size = _bytes_of(envelope)
            if envelope.rev > self.floor:
                continue
            if envelope.rev != self.floor or len(self._envelopes) >= self._most or self.size_bytes + size > self._most_bytes:
                return
            self._envelopes.appendleft(envelope)
            self.size_bytes += size

    def after(self, rev: int) -> list[Envelope] | None:
        """Every envelope after `rev`, or None when some are gone."""
        return None if rev < self.floor else list(islice(self._envelopes, rev - self.floor, None))

    def events(self, wanted: Mapping[str, tuple[int, int]]) -> dict[str, list[bytes] | None]:
        """Per channel the encoded events with after < sequence <= up_to (as `wanted`), or None where some are not here."""
        found: dict[str, list[bytes]] = {channel: [] for channel in wanted}
        missing = {channel: up_to - after for channel, (after, up_to) in wanted.items() if up_to > after}
        for envelope in reversed(self._envelopes):
            if not missing:
                break
            for part in envelope.parts:
                if part.channel in missing and wanted[part.channel][0] < part.sequence <= wanted[part.channel][1]:
                    found[part.channel].append(bytes(part.event))
                    missing[part.channel] -= 1
                    if not missing[part.channel]:
                        del missing[part.channel]
        return {channel: None if channel in missing else events[::-1] for channel, events in found.items()}


def _bytes_of(envelope: Envelope) -> int:
    # Each envelope costs some memory besides its events.
    size = 500
    for part in envelope.parts:
        size += len(memoryview(part.event))
    return size
