"""Copies of whole JetStream streams, out of a server into a file and back: the log's part of backup and restore.

A copy holds messages with their sequences and times, and the stream's configuration with its identity, so that a
restored log is the same log (design D12). It is plain text inside, whatever the server's files are encrypted with.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from config.supervision.errors import StreamCopyFailed
from store.bus import Bus, Message

_CHUNK_BYTES = 256 * 1024
#: The server stores a restored log message by message, each fsynced, and gives up when one chunk of it takes 5 s.
_RESTORED_CHUNK_BYTES = 8 * 1024
_SILENCE_SECONDS = 30.0


async def stream_names(bus: Bus) -> list[str]:
    """Every stream of the account."""
    answer = await bus.js_request("STREAM.NAMES", {"offset": 0})
    return sorted(answer.get("streams") or [])


async def first_sequences(bus: Bus, names: list[str]) -> dict[str, int]:
    """Where each stream begins; it moves when the log is trimmed."""
    return {name: (await bus.js_request(f"STREAM.INFO.{name}"))["state"]["first_seq"] for name in names}


async def save_stream(bus: Bus, name: str, folder: Path, progress: Callable[[int], None]) -> None:
    """Write `<name>.json` (configuration and state) and `<name>.tar.s2` (messages) into the folder."""
    chunks: asyncio.Queue[Message] = asyncio.Queue()
    inbox = bus.new_inbox()
    listening = await bus.subscribe(inbox, chunks.put)
    try:
        await bus.barrier()
        request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": _CHUNK_BYTES}
        answer = await bus.js_request(f"STREAM.SNAPSHOT.{name}", request)
        with (folder / f"{name}.tar.s2").open("wb") as file:
            while chunk := await _next(chunks, name):
                file.write(chunk.data)
                progress(len(chunk.data))
                if chunk.reply:
                    await bus.publish(chunk.reply, b"")
    finally:
        await listening.unsubscribe()
    description = {"config": answer["config"], "state": answer["state"]}
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(description))


async def load_stream(bus: Bus, name: str, folder: Path, progress: Callable[[int], None]) -> None:
    """Make the stream anew from its two files; there must be none of this name."""
    description = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=dict[str, Any])
    answer = await bus.js_request(f"STREAM.RESTORE.{name}", description)
    target = answer["deliver_subject"]
    with (folder / f"{name}.tar.s2").open("rb") as file:
        while chunk := file.read(_RESTORED_CHUNK_BYTES):
            await _send(bus, target, chunk, name)
            progress(len(chunk))
    await _send(bus, target, b"", name)


async def _next(chunks: asyncio.Queue[Message], name: str) -> Message | None:
    """The next chunk; None at the end, which is an empty message."""
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            chunk = await chunks.get()
    except TimeoutError:
        raise StreamCopyFailed(name=name, reason=f"silent for {_SILENCE_SECONDS:.0f} s") from None
    headers = chunk.headers or {}
    if headers.get("Status", "204") not in {"204", "200"}:
        raise StreamCopyFailed(name=name, reason=headers.get("Description", "refused"))
    return chunk if chunk.data else None


async def _send(bus: Bus, target: str, chunk: bytes, name: str) -> None:
    answer = await bus.request(target, chunk, timeout_seconds=_SILENCE_SECONDS)
    if answer and (error := msgspec.json.decode(answer, type=dict[str, Any]).get("error")):
        raise StreamCopyFailed(name=name, reason=error.get("description", error))
