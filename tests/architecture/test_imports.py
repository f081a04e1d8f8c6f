"""The import table holds in the repository, and each of its rows refuses what it should."""

import pytest

from tests.architecture.import_rules import TABLE, import_violations, purity_violations
from tests.architecture.sources import python_of, report, sample


def test_imports_keep_to_the_table() -> None:
    """Every package imports what the table gives it and nothing else."""
    assert report(import_violations(python_of())) == ""


def test_the_contract_and_the_rules_are_pure() -> None:
    """Neither reads a clock, opens a file, prints, or waits."""
    pure = [source for source in python_of("actors") if source.module.startswith(("actors.contract", "actors.domain"))]

    assert pure
    assert report(purity_violations(pure)) == ""


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("config/settings.py", "import msgspec"),
        ("config/settings.py", "from config.cli import app"),
        ("config/settings.py", "from actors.contract import ids"),
        ("actors/contract/ids.py", "import structlog"),
        ("actors/contract/ids.py", "from actors.domain.state import WeddingState"),
        ("actors/contract/ids.py", "from config.limits import Limits"),
        ("actors/domain/state.py", "import asyncio"),
        ("actors/domain/state.py", "import time"),
        ("actors/domain/state.py", "from random import random"),
        ("actors/domain/state.py", "import os.path"),
        ("actors/domain/state.py", "import logging"),
        ("actors/domain/state.py", "import structlog"),
        ("actors/domain/state.py", "from store.postgres import Database"),
        ("actors/runtime/host.py", "import nats"),
        ("actors/runtime/host.py", "from gateway import hub"),
        ("actors/runtime/host.py", "from config import cli"),
        ("actors/runtime/host.py", "import aiohttp"),
        ("store/postgres.py", "import aiohttp"),
        ("store/postgres.py", "from actors.domain import decide"),
        ("store/postgres.py", "from gateway.errors import GatewayError"),
        ("gateway/rooms/hub.py", "from actors.domain.decide import decide"),
        ("gateway/rooms/hub.py", "from actors.runtime import process"),
        ("gateway/rooms/hub.py", "import asyncpg"),
        ("gateway/rooms/hub.py", "from nats.aio.client import Client"),
        ("gateway/rooms/hub.py", "from tests.support import servers"),
        ("gateway/wire/frames.py", "from gateway.rooms.room import Room"),
        ("gateway/rooms/room.py", "from gateway.sessions.session import Session"),
        ("gateway/client/connection.py", "from gateway.wire.frames import Frame"),
        ("gateway/client/connection.py", "from .. import frames"),
        ("gateway/client/connection.py", "from config.settings import Settings"),
        ("store/postgres.py", "import config.supervision.launch"),
        ("store/postgres.py", "import bench"),
    ],
)
def test_a_forbidden_import_is_found(path: str, statement: str) -> None:
    """The checker names each import that crosses a wall, also inside a function."""
    inside = f"def late():\n    {statement}\n"

    assert len(list(import_violations([sample(path, statement)]))) == 1
    assert len(list(import_violations([sample(path, inside)]))) == 1


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("config/logging.py", "import structlog"),
        ("actors/contract/digest.py", "import rfc8785, hashlib"),
        ("actors/domain/timeline.py", "from fractional_indexing import generate_key_between"),
        ("actors/domain/timeline.py", "from datetime import UTC, datetime"),
        ("actors/runtime/host.py", "from store.bus import Bus"),
        ("store/bus.py", "import nats, asyncpg"),
        ("gateway/app.py", "from aiohttp import web"),
        ("gateway/client/connection.py", "from actors.contract import client_frames"),
        ("config/cli/app.py", "from gateway.access.tokens import make_token"),
        ("tests/gateway/test_hub.py", "import nats, aiohttp, asyncpg"),
    ],
)
def test_an_allowed_import_passes(path: str, statement: str) -> None:
    """What the table allows is not reported."""
    assert report(import_violations([sample(path, statement)])) == ""


def test_an_import_by_name_at_run_time_is_found() -> None:
    """Nobody goes round the table with importlib."""
    assert list(import_violations([sample("gateway/rooms/hub.py", "import importlib\nimportlib.import_module('actors.domain')")]))


@pytest.mark.parametrize("text", ["open('x')", "datetime.now(UTC)", "print(1)", "async def decide(): ..."])
def test_an_impure_rule_is_found(text: str) -> None:
    """A clock, a file, a print or a coroutine among the rules is named."""
    assert list(purity_violations([sample("actors/domain/decide.py", text)]))


def test_every_package_has_its_row() -> None:
    """No package of the product is judged by accident: each top-level package stands in the table."""
    assert {source.module.split(".", maxsplit=1)[0] for source in python_of()} <= set(TABLE)
