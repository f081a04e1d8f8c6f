"""The queue of unanswered ops on a store that survives the program: written before an op is sent, read when the client starts.

A `QueueStore` keeps one piece of bytes, so that any store will do; `FileStore` is the one for programs. An op that was answered
and is still in the store after a crash is sent again under its number, and gets the same answer. A store that takes no more, as
on a full disk, keeps no op from being sent: it is told of once, and tried again.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec

from actors.contract.ops import Op
from gateway.client.errors import QueueUnusable
from gateway.client.outbox import Outbox
from gateway.client.pending import Pending

FORM: Final = 1
#: Answers are written a little later, many at once: after a crash they come again.
LAZY_SECONDS: Final = 0.2
#: How long after a write that failed the next one is tried, if nothing asks for one before.
AGAIN_SECONDS: Final = 5.0


class QueueStore(Protocol):
    """Where the bytes of a queue are kept; one client at a time may have it."""

    def load(self) -> bytes | None:
        """Give what was saved last, None at first; raises QueueUnusable when another client has it."""
        ...

    def save(self, data: bytes) -> None:
        """Replace what is kept, wholly or not at all; on return it survives the end of this process."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class FileStore:
    """One file, replaced as a whole, and a lock beside it. It survives the process; a power cut only if the disk was quick."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: IO[bytes] | None = None

    def load(self) -> bytes | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            lock = self._path.with_name(self._path.name + ".lock").open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.close()
                raise QueueUnusable(f"Another client has the queue {self._path}; end it, or use another file.") from error
            self._lock = lock
        return self._path.read_bytes() if self._path.exists() else None

    def save(self, data: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.write_bytes(data)
        new.replace(self._path)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _SavedOp(msgspec.Struct):
    op: Op
    number: int
    asked_at: float
    generation: int | None


class _SavedQueue(msgspec.Struct):
    form: int
    wedding: str
    client: str | None
    next: int
    settled: int
    ops: list[_SavedOp]


class DurableQueue:
    """Keeps an outbox on a store; without a store it does nothing. `tell` hears once that the store takes no more."""

    def __init__(self, store: QueueStore | None, wedding: str, outbox: Outbox, tell: Callable[[Exception], None]) -> None:
        self._store, self._wedding, self._outbox, self._tell = store, wedding, outbox, tell
        self._is_open = store is None
        self._is_restored = False
        #: What the store holds as far as we know: while we have let go of it, another client may go on with it.
        self._kept: bytes | None = None
        self._is_failing = False
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Take the store, and at the first time bring back what was kept, before anything newer; raises QueueUnusable."""
        if self._is_open or self._store is None:
            return
        try:
            data = self._load(self._store)
            if not self._is_restored:
                self._restore(data)
            elif data != self._kept:
                raise QueueUnusable("Another client has changed the kept queue since; make a new client, which takes it over.")
        except QueueUnusable:
            self._store.close()
            raise
        self._is_open, self._is_restored, self._kept = True, True, data
        if self._is_failing:
            self.save()

    def _load(self, store: QueueStore) -> bytes | None:
        try:
            return store.load()
        except OSError as error:
            raise QueueUnusable(f"The kept queue cannot be opened: {error}.") from error

    def _restore(self, data: bytes | None) -> None:
        if data is None:
            return
        try:
            saved = msgspec.json.decode(data, type=_SavedQueue)
        except msgspec.DecodeError as error:
            raise QueueUnusable(f"The kept queue cannot be read: {error}; look at it before you remove it.") from error
        if saved.form != FORM or saved.wedding != self._wedding:
            raise QueueUnusable(f"The kept queue is of form {saved.form} and of the wedding {saved.wedding}.")
        kept = [Pending(each.op, each.number, each.asked_at, each.generation) for each in saved.ops]
        self._outbox.restore(saved.client, saved.next, saved.settled, kept)

    def save(self) -> None:
        """Write now: an op was made, or is about to be sent under a new number."""
        self._forget_timer()
        if self._store is None or not self._is_open:
            return
        ops = [_SavedOp(each.op, each.number, each.asked_at, each.generation) for each in self._outbox.unanswered()]
        client, following, settled = self._outbox.standing()
        data = msgspec.json.encode(_SavedQueue(FORM, self._wedding, client, following, settled, ops))
        try:
            self._store.save(data)
        except Exception as error:
            self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.save)
            if not self._is_failing:
                self._is_failing = True
                self._tell(error)
        else:
            self._is_failing, self._kept = False, data

    def save_soon(self) -> None:
        """Write in a moment: something was answered."""
        if self._timer is None and self._store is not None:
            self._timer = asyncio.get_running_loop().call_later(LAZY_SECONDS, self.save)

    def close(self) -> None:
        """Write what is left and let go."""
        if self._store is not None and self._is_open:
            self.save()
            self._forget_timer()
            self._store.close()
            self._is_open = False

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
