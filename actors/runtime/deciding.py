"""What this process is deciding at this moment, kept where it outlives the process; and what dead ones were deciding (design D1).

One small file per life of a host, mapped into memory, so that noting an op costs no system call and survives any death but the
machine's. The file is locked while its process lives. Written by actors and the silent fold, read at take-over.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import structlog

_SLOT: Final = struct.Struct("<qqq")
_EMPTY: Final = bytes(_SLOT.size)
log = structlog.get_logger()


class Casualty(NamedTuple):
    """An op that was being decided when a process died, or that one does not get done with; `life` names that process."""

    generation: int
    partition: int
    position: int
    life: str


class Deciding:
    """The slot of this process. `begin` and `done` enclose everything that an op can make the process die of."""

    def __init__(self, path: Path | None = None, generation: int = 0) -> None:
        """Open the file, which nobody else has; without a path, or where none can be made, deaths are not counted."""
        self._path = path
        self._generation = generation
        self._slot: mmap.mmap = mmap.mmap(-1, _SLOT.size)
        self._file: int | None = None
        self._write = _SLOT.pack_into
        if path is not None:
            try:
                self._open(path)
            except OSError as error:
                log.warning("deaths_are_not_counted", path=str(path), error=str(error))

    def _open(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._file, _SLOT.size)
        self._slot = mmap.mmap(self._file, _SLOT.size)

    @classmethod
    def of_life(cls, data_dir: Path, host: str, boot: str, generation: int) -> Self:
        """Open the slot of one start of a host."""
        return cls(data_dir / "deciding" / f"{host}.{boot}", generation)

    def begin(self, partition: int, position: int) -> None:
        self._write(self._slot, 0, self._generation, partition, position)

    def done(self) -> None:
        self._slot[:] = _EMPTY

    @property
    def now(self) -> tuple[int, int] | None:
        """The partition and position of the op in hand, None between two ops."""
        _, partition, position = _SLOT.unpack_from(self._slot)
        return (partition, position) if position else None

    def casualties(self) -> list[tuple[Casualty, Path]]:
        """Return what dead lives of this data folder left behind; to be `buried` when it has been noted."""
        return [(found, path) for path in self._others() if (found := _left_in(path)) is not None]

    def in_hand_elsewhere(self) -> set[Casualty]:
        """Return what living processes of this data folder are deciding; what is still there a moment later does not get done."""
        return {found for path in self._others() if (found := _read(path)) is not None}

    def _others(self) -> Iterator[Path]:
        if self._path is not None and self._file is not None:
            yield from sorted(path for path in self._path.parent.iterdir() if path != self._path)

    def bury(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """End; whoever is in the middle of an op leaves the file, since the op may be what ends it."""
        if self._file is not None:
            if self.now is None and self._path is not None:
                self._path.unlink(missing_ok=True)
            # The mapping holds the file, and with it the lock, as well.
            self._slot.close()
            self._slot = mmap.mmap(-1, _SLOT.size)
            os.close(self._file)
            self._file = None


def _read(path: Path) -> Casualty | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if len(content) != _SLOT.size:
        return None
    generation, partition, position = _SLOT.unpack(content)
    return Casualty(generation, partition, position, path.name) if position else None


def _left_in(path: Path) -> Casualty | None:
    """Return what a dead life left in its file, None for a living one; a file in which nothing stands is removed."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    else:
        found = _read(path)
        if found is None:
            path.unlink(missing_ok=True)
        return found
    finally:
        os.close(file)
