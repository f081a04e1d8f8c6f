"""Damage to the files of an embedded nats-server that does not run: what a rotten disk does to the log (reliability.md 1).

A single flipped bit takes one message; without the index, which only an orderly stop leaves, all that lies behind it.
"""

from pathlib import Path


def stream_files(store: Path, stream: str = "LOG_0") -> Path:
    """The directory with the messages of a stream, below any folder that holds the server's."""
    return next(path / "msgs" for path in store.rglob(stream) if (path / "msgs").is_dir())


def flip_bit(store: Path, stream: str = "LOG_0", *, at: float = 0.5) -> None:
    """Turn one bit over, `at` this share of the first block."""
    block = _first_block(store, stream)
    content = bytearray(block.read_bytes())
    content[int(len(content) * at)] ^= 1
    block.write_bytes(bytes(content))


def truncate(store: Path, stream: str = "LOG_0", *, at: float = 0.5) -> None:
    """Cut the first block off."""
    block = _first_block(store, stream)
    block.write_bytes(block.read_bytes()[: int(block.stat().st_size * at)])


def remove_index(store: Path, stream: str = "LOG_0") -> None:
    """Take the index away, as a crash does."""
    (stream_files(store, stream) / "index.db").unlink(missing_ok=True)


def remove_description(store: Path, stream: str = "LOG_0") -> None:
    """Take the stream's own file away: the server comes up without the stream."""
    (stream_files(store, stream).parent / "meta.inf").unlink()


def _first_block(store: Path, stream: str) -> Path:
    return min(stream_files(store, stream).glob("*.blk"), key=lambda path: int(path.stem))
