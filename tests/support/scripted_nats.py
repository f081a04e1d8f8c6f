"""A tiny NATS server that does what a test says: errors that the real one cannot be made to say, silence, nonsense.

It speaks just enough of the protocol for `store.connection`: INFO, PING and PONG, SUB, and messages to its subscribers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_INFO = b'INFO {"server_id":"S","version":"2.15.1","max_payload":1048576,"headers":true,"proto":1}\r\n'


class ScriptedNats:
    """Make it with `scripted_nats`."""

    def __init__(self) -> None:
        self.url = ""
        #: How many clients have been welcomed, and the subjects that the latest one listens to, with their numbers.
        self.clients = 0
        self.subjects: dict[str, str] = {}
        #: Said instead of INFO to this many of the next clients.
        self.greeting = _INFO
        self.greetings_left = 0
        #: Takes everything and answers nothing, as behind a cut cable.
        self.is_silent = False
        self.refused = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self.greetings_left:
            self.greetings_left -= 1
            self.refused += 1
            writer.write(self.greeting)
            writer.close()
            return
        writer.write(_INFO)
        self.subjects = {}
        while line := await reader.readline():
            if not self.is_silent:
                self._answer(line.decode().split(), writer)

    def _answer(self, words: list[str], writer: asyncio.StreamWriter) -> None:
        match words:
            case ["CONNECT", *_]:
                self.clients += 1
            case ["PING"]:
                writer.write(b"PONG\r\n")
            case ["SUB", subject, *_, number]:
                self.subjects[subject] = number
            case _:
                pass

    def say(self, line: str) -> None:
        """Send a line to the client that is connected."""
        self._writers[-1].write(line.encode() + b"\r\n")

    def tell(self, subject: str, payload: str) -> None:
        """Send a message to the client that is connected."""
        self.say(f"MSG {subject} {self.subjects[subject]} {len(payload)}\r\n{payload}")

    def close(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def scripted_nats() -> AsyncIterator[ScriptedNats]:
    """A server on a free port."""
    scripted = ScriptedNats()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield scripted
    finally:
        server.close()
        scripted.close()
