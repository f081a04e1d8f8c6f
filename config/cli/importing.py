"""Bringing a running wedding to what a folder says: as the principal `import`, through the gateway, as ordinary ops.

Called by `wedsync import` and the demo; reading the folder is the importer's part.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from config.cli.errors import CommandError
from config.cli.importer.plan import WeddingPlan, ops_toward
from config.supervision.data_folder import DataFolder
from config.supervision.errors import NotRunning
from config.supervision.runtime_state import current_state
from gateway.access.tokens import make_token
from gateway.client import Client, Outcome, Pending, Stopped

PRINCIPAL: Final = "import"
_UNKNOWN_WEDDING_CLOSE_CODE: Final = 4404
_TOKEN_SECONDS: Final = 3600.0
#: Nothing heard for so long means that nobody is there.
_PATIENCE_SECONDS: Final = 60.0
#: The client holds a bounded queue; an import may be longer.
_WINDOW: Final = 200

#: Told how many ops are done, and of how many.
Progress = Callable[[int, int], None]


class ImportRefused(CommandError):
    """The wedding {wedding} refused {what} ({reason}): put that right and import again; what was written before stays."""

    code = "import_refused"


class ImportStalled(CommandError):
    """The wedding {wedding} gave no answer for {seconds:.0f} s: see `wedsync status`, then import again."""

    code = "import_stalled"


class Site:
    """A running WedSync as a command finds it: the gateway's address, and tokens for anybody."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self._secret = secret

    @classmethod
    def of(cls, folder: DataFolder) -> "Site":
        """Find the one that serves from this data folder; raises NotRunning."""
        state = current_state(folder)
        if state["httpUrl"] is None or state["pid"] is None:
            raise NotRunning(folder=folder.path)
        return cls(state["httpUrl"], folder.keys().jwt_secret)

    def token(self, wedding: str, principal: str) -> str:
        """Make a token for a principal of one wedding."""
        return make_token(self._secret, principal, wedding, use="client", lifetime_seconds=_TOKEN_SECONDS, now=time.time())


async def bring_about(site: Site, plan: WeddingPlan, progress: Progress) -> int:
    """Create the wedding if it is not there and send what differs; returns how many ops it took.

    Raises ImportRefused or ImportStalled.
    """
    token = site.token(plan.wedding, PRINCIPAL)
    async with aiohttp.ClientSession() as http:
        created = 0
        try:
            client = await _connect(site, plan.wedding, token, http)
        except Stopped as stopped:
            if stopped.close_code != _UNKNOWN_WEDDING_CLOSE_CODE:
                raise
            await _create(site, plan, token, http)
            created = 1
            client = await _connect(site, plan.wedding, token, http)
        async with client:
            return created + await _send(client, plan, progress)


async def _connect(site: Site, wedding: str, token: str, http: aiohttp.ClientSession) -> Client:
    client = Client(site.url, wedding, token, session=http)
    await client.connect(within_seconds=_PATIENCE_SECONDS)
    return client


async def _create(site: Site, plan: WeddingPlan, token: str, http: aiohttp.ClientSession) -> None:
    body = {"id": plan.wedding, **plan.fields}
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{site.url}/api/collaboration/weddings", json=body, headers=headers) as response:
        if not response.ok:
            raise ImportRefused(wedding=plan.wedding, what="its creation", reason=await response.text())


async def _send(client: Client, plan: WeddingPlan, progress: Progress) -> int:
    ops = list(ops_toward(plan, client.confirmed()))
    waiting: list[Pending] = []
    progress(0, len(ops))
    for number, op in enumerate(ops):
        if len(waiting) == _WINDOW:
            await _settle(client.wedding, waiting.pop(0))
            progress(number - _WINDOW + 1, len(ops))
        waiting.append(client.edit(op.type, op.action, op.target.collection, op.target.id, op.data))
    for left in range(len(waiting), 0, -1):
        await _settle(client.wedding, waiting.pop(0))
        progress(len(ops) - left + 1, len(ops))
    return len(ops)


async def _settle(wedding: str, pending: Pending) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            outcome: Outcome = await pending.outcome()
    except TimeoutError:
        raise ImportStalled(wedding=wedding, seconds=_PATIENCE_SECONDS) from None
    if not outcome.applied:
        target = pending.op.target
        reason = f"{outcome.code}: {outcome.message}"
        raise ImportRefused(wedding=wedding, what=f"{target.collection}/{target.id}", reason=reason)
