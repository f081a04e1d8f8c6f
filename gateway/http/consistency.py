"""Do all copies of a wedding agree: actor, snapshot, stored changes, gateways, clients; and repair (`POST .../consistency`).

For couple, planner and operators. Channels that the caller does not read are compared too, and told by their number alone.
"""

from typing import Any

import msgspec
from aiohttp import web

from actors.contract.channels import CORE_ROLES, Rights, may_read
from actors.contract.consistency import Finding
from gateway.errors import GatewayError
from gateway.http.api import API
from gateway.http.callers import body_of, json_response, visiting_at_length


class ConsistencyRequest(msgspec.Struct, frozen=True):
    """The body of `POST .../consistency`."""

    repair: bool = False


async def ensure_consistency(request: web.Request) -> web.Response:
    """Compare every copy of the wedding with what its stored changes give; with `repair` what differs is brought back."""
    async with visiting_at_length(request) as visit:
        room, rights = visit.room, visit.rights
        if room.role(visit.claims.principal) not in CORE_ROLES:
            raise GatewayError("not_allowed", "Only couple, planner and operators compare the copies of a wedding.")
        body = await body_of(request, ConsistencyRequest)
        report = await request.app[API].audits.ensure(room.wedding, repair=body.repair)
        await visit.require_same_rights(report.stand)
    channels = {channel: head for channel, head in report.heads.items() if may_read(rights, channel)}
    copies = [_as_wire(finding, rights) for finding in report.findings]
    agrees = all(finding.agrees is not False for finding in report.findings)
    return json_response({"agrees": agrees, "channels": channels, "copies": copies})


def _as_wire(finding: Finding, rights: Rights) -> dict[str, Any]:
    seen = {channel: head for channel, head in finding.channels.items() if may_read(rights, channel)}
    return {
        "place": finding.place, "name": finding.name, "agrees": finding.agrees, "channels": seen,
        "unseenChannels": len(finding.channels) - len(seen), "reason": finding.reason, "repaired": finding.repaired,
    }  # fmt: skip
