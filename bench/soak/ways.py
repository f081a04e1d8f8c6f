"""The links of a soak: one from each host and gateway to NATS, and one to PostgreSQL, so that each can be hurt alone.

The processes are started with the ports of their links (see `altered`); commands of the operator go straight to the servers.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, Self

from bench.soak.proxy import Link
from config.supervision.data_folder import DataFolder

SERVERS: Final = ("nats", "postgres")


class Ways:
    """All links, by process (`host-1`, `gateway-2`) and server; an async context that opens and closes them."""

    def __init__(self, data: DataFolder, processes: Sequence[str]) -> None:
        self._data = data
        self._links = {(name, server): Link(partial(self._port, server)) for name in processes for server in SERVERS}

    async def __aenter__(self) -> Self:
        # Known before `up` runs, which takes the same ones.
        self._data.create()
        self._data.reserve_ports("nats", "nats_monitor", "postgres")
        await asyncio.gather(*(link.open() for link in self._links.values()))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def ports(self) -> dict[str, dict[str, int]]:
        """The port of each link: process to server to port."""
        found: dict[str, dict[str, int]] = {}
        for (process, server), link in self._links.items():
            found.setdefault(process, {})[server] = link.port
        return found

    def links(self, role: str, server: str) -> list[tuple[str, Link]]:
        """The links of all processes of a role to a server, with the name of the process."""
        return [(process, link) for (process, other), link in self._links.items() if other == server and process.startswith(role)]

    async def heal(self) -> None:
        """Make every link a good network again."""
        await asyncio.gather(*(link.heal() for link in self._links.values()))

    def _port(self, server: str) -> int:
        return self._data.ports()[server]
