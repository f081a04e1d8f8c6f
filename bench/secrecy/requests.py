"""What a person asks over HTTP: an op, and at the end of a round everything that there is to read, readable or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bench.secrecy.ops import Op

if TYPE_CHECKING:
    from bench.secrecy.crowd import Crowd

_BASE: Final = "/api/collaboration"


class Requests:
    """One person's requests at one wedding; every answer is kept, headers and problems included."""

    def __init__(self, crowd: Crowd, person: str, url: str, session: aiohttp.ClientSession, token: str) -> None:
        self._crowd = crowd
        self._person = person
        self._url = url
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}

    async def submit(self, op: Op) -> None:
        """Ask one op under an id of a client of its own."""
        identifier = f"20270619-http{self._crowd.ops.secret('x')}{self._person}:1"
        self._crowd.asked(self._person, identifier, op)
        await self.post("events", {"id": identifier, **op})

    async def undo(self, identifier: str) -> None:
        """Ask for the undo of an op, by what the server remembers; the ops that it makes of it are one's own."""
        answer = await self.post("undo", {"op": identifier}, own={identifier})
        self._crowd.brought(self._person, {each["op"] for each in answer.get("undone", ()) if "op" in each})

    async def post(self, what: str, body: Any, *, with_wedding: bool = True, own: set[str] | None = None) -> Any:
        """One request with a body."""
        return await self._call("POST", f"{what}/{self._crowd.wedding}" if with_wedding else what, body, own)

    async def get(self, what: str, query: str = "", own: set[str] | None = None) -> Any:
        """One request without."""
        return await self._call("GET", f"{what}/{self._crowd.wedding}{query}", None, own)

    async def ask_everything(self) -> None:
        """Read all there is, and name what may be unreadable."""
        ops, draw = self._crowd.ops, self._crowd.ops.draw
        await self.post("join", None)
        await self.get("presence")
        await self.get("sessions")
        await self.get("permissions")
        page = await self.get("history", "?limit=200")
        while page.get("more"):
            page = await self.get("history", f"?limit=200&cursor={page['cursor']}")
        channel = ops.channel()
        await self.get("history", f"?channel={channel}&after=0", own={channel})
        await self.post("sync", {"channels": {}})
        await self.post("sync", {"channels": {channel: 0}}, own={channel})
        await self.get("conflicts")
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        await self.get("state", f"?at={now}")
        collection = draw.choice([name for name, known in ops.items.items() if known])
        item = draw.choice(ops.items[collection])
        field = {"budget": "item", "vendors": "name", "guests": "firstName", "tables": "name"}.get(collection, "title")
        await self.get("why", f"/{collection}/{item}/{field}", own={item})

    async def _call(self, method: str, path: str, body: Any, own: set[str] | None) -> Any:
        address = f"{self._url}{_BASE}/{path}"
        async with self._session.request(method, address, json=body, headers=self._headers) as response:
            text = await response.text()
            self._crowd.note(self._person, f"{method} {path} {response.status}", f"{dict(response.headers)} {text}", own=own)
            return await response.json(content_type=None) if text.startswith("{") else {}
