"""The campaign of the secrets: one wedding after the other in which rights change all the time, over two gateways and two hosts.

Whatever reaches anybody is held against a matrix of the campaign's own (bench/secrecy), metrics and the processes' log with it.
`python -m bench.soak secrecy`.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Final

import aiohttp

from bench.installation import Installation, Site
from bench.secrecy.crowd import Crowd, Place
from bench.secrecy.truth import SECRET
from bench.soak.report import heading
from bench.soak.run import Options
from config.supervision.embedded_nats import nats_url
from config.supervision.ports import LOOPBACK
from gateway.access.tokens import make_token

_ROUNDS: Final = 4
_OPS: Final = 80
_TOKEN_SECONDS: Final = 3600.0


async def run_secrecy(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    print(heading(options.seed, options.seconds, 0.0, {}), flush=True)
    installation = Installation(folder, gateways=2, hosts=2, environment={"WEDSYNC_LOG_LEVEL": "info"})
    offences: list[str] = []
    received: Counter[str] = Counter()
    weddings = 0
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        place = place_of(installation.site)
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            weddings += 1
            async with Crowd.gathered(place, f"secrecy-{weddings}", options.seed, session) as crowd:
                await crowd.live(_ROUNDS, _OPS)
                offences += crowd.offences() + await crowd.settled()
                received.update(each.what.partition("/")[0] for each in crowd.evidence)
        async with session.get(f"{installation.url}/metrics") as answer:
            offences += [f"unreadable: the metrics hold {secret}" for secret in SECRET.findall(await answer.text())]
    log = installation.log_path.read_text(errors="replace")
    offences += [f"unreadable: the log holds {secret}" for secret in set(SECRET.findall(log))]
    print(f"{weddings} weddings; received: " + ", ".join(f"{count} x {what}" for what, count in received.most_common()))
    for offence in offences[: options.shown]:
        print(offence)
    print(f"secrecy seed {options.seed}: {len(offences)} offences: {'BROKEN' if offences else 'ok'}", flush=True)
    return len(offences)


def place_of(site: Site) -> Place:
    """The installation as a crowd knows it."""
    keys = site.data.keys()
    port = site.data.ports()["nats"]

    def integrator(principal: str, wedding: str) -> str:
        token = make_token(keys.jwt_secret, principal, wedding, use="nats", lifetime_seconds=_TOKEN_SECONDS, now=time.time())
        return f"nats://{principal}:{token}@{LOOPBACK}:{port}"

    return Place(site.url, nats_url(keys, port, "gateway"), site.token, integrator)
