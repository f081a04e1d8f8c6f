"""Taking an own op back, asked of the server over HTTP, which knows what stood there before (docs/protocol.md, Undo).

Called by `Client.undo`; what the undo does comes back as events, like any op of ours.
"""

from typing import Any

import aiohttp
import msgspec

from actors.contract.calls import KeptWrite
from gateway.client.errors import NotUndone


class Undone(msgspec.Struct, frozen=True):
    """What became of an undo: `undone` is the answer about each op that took something back, `kept` what was written since."""

    undone: list[dict[str, Any]]
    kept: list[KeptWrite]


async def undone(http: aiohttp.ClientSession, url: str, wedding: str, token: str, op: str) -> Undone:
    """Ask for it and wait for the answer; raises NotUndone."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with http.post(f"{url}/api/collaboration/undo/{wedding}", json={"op": op}, headers=headers) as response:
            body = await response.read()
            if response.status == 200:
                return msgspec.json.decode(body, type=Undone)
            problem = msgspec.json.decode(body)
            raise NotUndone(f"{problem['code']}: {problem['detail']} {problem['remedy']}")
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise NotUndone(f"The server cannot be asked: {error!r}.") from error
