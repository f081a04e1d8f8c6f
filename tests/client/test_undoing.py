"""What `undo` says when the server cannot be asked."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.client import Client, NotUndone


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a server that takes connections and says nothing."""
    ended = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ended.set()


async def test_an_undo_that_gets_no_answer_in_time_is_told_as_such(silent: str) -> None:
    """The program's session says how long to wait; afterwards whether it was undone is seen in the events."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.1)) as http:
        with pytest.raises(NotUndone, match="Timeout"):
            await Client(silent, "w1", "t", session=http).undo("20270619-abcd1234:1")


async def test_an_undo_without_a_token_is_told_as_such(silent: str) -> None:
    """As when the function that fetches one fails."""

    async def fetch() -> str:
        raise OSError("nobody answers")

    async with aiohttp.ClientSession() as http:
        with pytest.raises(NotUndone, match="No token"):
            await Client(silent, "w1", fetch, session=http).undo("20270619-abcd1234:1")
