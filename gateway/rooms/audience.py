"""The sockets of one room and who of them gets which part of an envelope (design D4, INV5).

A frame is built once per set of visible channels and written to every socket that sees that set. Authors get the answer
to their op here. Order, holes and permissions are the room's business: what arrives here is due.
"""

from collections.abc import Iterable

from actors.contract.channels import may_read
from actors.contract.envelopes import Envelope
from gateway.counts import Counts
from gateway.wire.close_codes import RESTART
from gateway.wire.frames import applied_frame, events_frame, rejected_frame
from gateway.wire.socket import Socket


class Audience:
    """See the module."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._sockets: dict[str, Socket] = {}
        #: Sockets that are brought the state and get no events yet.
        self.arriving: set[Socket] = set()
        self._of_client: dict[str, list[Socket]] = {}
        #: Who may see a channel, found once and dropped at every change.
        self._readers: dict[str, list[Socket]] = {}

    @property
    def sockets(self) -> Iterable[Socket]:
        return self._sockets.values()

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: Socket) -> None:
        self._sockets[socket.id] = socket
        self._of_client.setdefault(socket.client, []).append(socket)
        self.rights_changed()

    def remove(self, socket: Socket) -> bool:
        """Tell whether it was here."""
        if self._sockets.pop(socket.id, None) is None:
            return False
        of_client = self._of_client[socket.client]
        of_client.remove(socket)
        if not of_client:
            del self._of_client[socket.client]
        self.rights_changed()
        return True

    def rights_changed(self) -> None:
        """Some socket sees other channels from now on."""
        self._readers.clear()

    def readers(self, channel: str) -> list[Socket]:
        """The sockets that see live events of the channel."""
        readers = self._readers.get(channel)
        if readers is None:
            readers = self._readers[channel] = [socket for socket in self._sockets.values() if socket.may_see(channel)]
        return readers

    def deliver(self, envelope: Envelope) -> None:
        """Write one op's events to everybody who may see them, and the outcome to its author."""
        parts = envelope.parts
        if envelope.conflicts:
            self._counts.conflicts_by_strategy.update(envelope.conflicts)
        if len(parts) == 1:
            readers = self.readers(parts[0].channel)
            if readers:
                frame = events_frame(parts)
                for socket in readers:
                    socket.write(frame)
                self._counts.deliveries += len(readers)
        elif parts:
            self._deliver_parts(envelope)
        self.answer(envelope)

    def answer(self, envelope: Envelope) -> None:
        """Tell the author's sockets what became of the op, unless its event has told them."""
        if not envelope.next:
            return
        sockets = self._of_client.get(envelope.op.rpartition(":")[0])
        if sockets is None:
            return
        refusal = envelope.refusal
        for socket in sockets:
            if socket.principal != envelope.principal:
                continue
            socket.repeats.discard(envelope.op)
            if envelope.waits:  # its outcome is still to come
                continue
            if refusal is not None:
                socket.write(rejected_frame(envelope.op, refusal.code, refusal.message, refusal.remedy, envelope.next))
            elif socket.is_stale:
                # Its event, or the state with it, comes first.
                socket.miss_answer(envelope.op)
            elif not any(socket.may_see(part.channel) for part in envelope.parts):
                socket.write(applied_frame(envelope.op))

    def close_those_who_wait_for_answers(self) -> None:
        """Answers to repeated ops may be lost; their clients come back and send them again."""
        for socket in list(self._sockets.values()):
            if socket.repeats:
                socket.close(RESTART)

    def catch_up(self, socket: Socket, envelopes: Iterable[Envelope]) -> None:
        """Bring one new socket the envelopes after its snapshot, as live frames."""
        for envelope in envelopes:
            visible = [part for part in envelope.parts if socket.may_see(part.channel)]
            if visible:
                socket.write(events_frame(visible))

    def _deliver_parts(self, envelope: Envelope) -> None:
        """All parts of one op that a socket may see go in one frame: nobody sees half an op."""
        parts = envelope.parts
        frames: dict[tuple[bool, ...], bytes] = {}
        for socket in self._sockets.values():
            seen = tuple([socket.may_see(part.channel) for part in parts])
            if True not in seen:
                continue
            frame = frames.get(seen)
            if frame is None:
                frame = frames[seen] = events_frame([part for part, is_seen in zip(parts, seen, strict=True) if is_seen])
            socket.write(frame)
            self._counts.deliveries += 1


def lost_channels(socket: Socket, channels: Iterable[str], rights: tuple[str, ...]) -> list[str]:
    """The channels that the socket sees now and may no longer read under other rights."""
    return [channel for channel in channels if socket.may_see(channel) and not may_read(rights, channel)]
