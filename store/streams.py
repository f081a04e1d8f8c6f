"""The streams: how they are made, whether they belong to this database, and how the log is trimmed (design D3, D10-D12).

`provision` is called once before hosts and gateways start; every process then checks with `identify`.
"""

from typing import NamedTuple

from config.settings import Settings
from store.bus import Bus
from store.postgres import Database


class LogIdentity(NamedTuple):
    """Which log this is. `created_seconds` is the creation of INTAKE in Unix seconds, part of the ids of its ops."""

    stream_id: str
    generation: int
    partitions: int
    streams: int
    created_seconds: int


async def provision(bus: Bus, database: Database, settings: Settings) -> LogIdentity:
    """Make what is missing and check the rest; raises LogMismatch."""
    raise NotImplementedError


async def identify(bus: Bus, database: Database, settings: Settings) -> LogIdentity:
    """Check without making anything; raises LogMismatch."""
    raise NotImplementedError


async def trim(bus: Bus, database: Database, identity: LogIdentity, settings: Settings) -> int:
    """Drop what every partition's checkpoint covers and is old, or what is in the way; returns how many messages went."""
    raise NotImplementedError
