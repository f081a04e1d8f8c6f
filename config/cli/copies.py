"""The report of all copies of a wedding, asked of a gateway as the operator, and written as lines.

Called by `wedsync consistency` and `wedsync verify`.
"""

from typing import TYPE_CHECKING

import aiohttp
import msgspec

from actors.contract.consistency import Heads
from config.cli.errors import CommandError

if TYPE_CHECKING:
    from config.cli.importing import Site

OPERATOR = "operator"
_WITHIN_SECONDS = 60.0


class Copy(msgspec.Struct, frozen=True, rename="camel"):
    """One copy, as the HTTP API tells it."""

    place: str
    name: str
    agrees: bool | None
    channels: Heads
    unseen_channels: int
    reason: str
    repaired: bool


class CopiesReport(msgspec.Struct, frozen=True):
    """All copies, and the heads that they must have."""

    agrees: bool
    channels: Heads
    copies: list[Copy]


class NotCompared(CommandError):
    """The copies of {wedding} could not be compared: {reason}"""

    code = "not_compared"


async def report_of(wedding: str, site: "Site", *, repair: bool) -> CopiesReport:
    """Ask a gateway; raises NotCompared."""
    headers = {"Authorization": f"Bearer {site.token(wedding, OPERATOR)}"}
    address = f"{site.url}/api/collaboration/consistency/{wedding}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WITHIN_SECONDS)) as http,
            http.post(address, json={"repair": repair}, headers=headers) as response,
        ):
            body = await response.read()
            if response.status != 200:
                raise NotCompared(wedding=wedding, reason=msgspec.json.decode(body).get("detail", response.status))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotCompared(wedding=wedding, reason=str(error) or "the gateway does not answer") from error
    return msgspec.json.decode(body, type=CopiesReport)


def lines_of(report: CopiesReport, *, only_differences: bool = False) -> list[str]:
    """Write one line per copy, and one per channel that differs."""
    lines: list[str] = []
    for copy in report.copies:
        name = f"{copy.place} {copy.name}".strip()
        if not only_differences:
            said = {True: "agrees", False: "differs", None: "not compared"}[copy.agrees]
            mended = ", repaired" if copy.repaired else ""
            lines.append(f"{name}: {said}{mended}{f' ({copy.reason})' if copy.reason else ''}")
        if copy.agrees is False:
            told = [
                f"{name}: {channel} is {digest} at {sequence}, and must be {_head(report.channels.get(channel))}"
                for channel, (sequence, digest) in copy.channels.items()
            ]
            unseen = [f"{name}: {copy.unseen_channels} channels that are personal"] if copy.unseen_channels else []
            lines += told + unseen or ([f"{name}: {copy.reason or 'differs'}"] if only_differences else [])
    return lines


def _head(head: tuple[int, str] | None) -> str:
    return "empty" if head is None else f"{head[1]} at {head[0]}"
