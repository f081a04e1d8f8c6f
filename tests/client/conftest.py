"""A scripted server for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.client.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port."""
    async with scripted_server() as running:
        yield running
