"""Starts WedSync's own processes with something altered: other addresses, a shifted clock, a broken rule.

`python -m bench.soak.altered ALTERATION up ...` is `wedsync up` whose hosts and gateways are started by this module too; the
alteration is JSON. What is broken on purpose stands here and in `broken`, never as a switch in the product.
"""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Self

import msgspec

_MODULE: Final = "bench.soak.altered"


class Alteration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is not as it should be. `ports`: process to server to port; `skews`: process to seconds that its clock is ahead."""

    ports: dict[str, dict[str, int]] = {}
    skews: dict[str, float] = {}
    broken: str = ""

    def command(self) -> tuple[str, ...]:
        """The module and the argument that start something with this alteration, for `python -m`."""
        return (_MODULE, msgspec.json.encode(self).decode())


def main() -> int:
    """Alter this process, then do what the product's own module does."""
    alteration = msgspec.json.decode(sys.argv.pop(1), type=Alteration)
    if sys.argv[1] == "up":
        return _up(alteration)
    return _role(alteration)


def _up(alteration: Alteration) -> int:
    from bench.soak import broken
    from config.cli import app
    from config.supervision import roles

    make = roles._role_child  # noqa: SLF001  # the one place where every host and gateway is described

    def altered_child(role: str, identity: str, environment: Mapping[str, str], ports: Mapping[str, int]) -> Any:
        own = Alteration(skews={identity: alteration.skews.get(identity, 0.0)}, broken=alteration.broken)
        spec = make(role, identity, redirected(environment, alteration.ports.get(identity, {})), ports)
        return replace(spec, command=(sys.executable, "-P", "-m", *own.command(), role, identity))

    roles._role_child = altered_child  # noqa: SLF001  # as above
    broken.alter(alteration.broken)
    app.main()
    return 0


def redirected(environment: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """The environment with the addresses of the links instead of those of the servers."""
    redirected = dict(environment)
    for server, variable in (("nats", "NATS_URL"), ("postgres", "DATABASE_URL")):
        if server in ports:
            redirected[variable] = re.sub(r":\d+(?=/|$)", f":{ports[server]}", environment[variable])
    return redirected


def _role(alteration: Alteration) -> int:
    identity = sys.argv.pop(2)
    skew_seconds = alteration.skews.get(identity, 0.0)
    if skew_seconds:
        shift_clock(skew_seconds)
    from bench.soak import broken
    from config.cli import role

    broken.alter(alteration.broken)
    return role.main()


def shift_clock(ahead_seconds: float) -> None:
    """Make the wall clock of this process wrong; what measures durations (monotonic) stays right, as on a real machine."""
    import datetime as dt

    import asyncpg  # noqa: F401  # compiled against the true class, hence before it is replaced
    import uvloop  # noqa: F401  # as asyncpg

    true_time, shift = time.time, timedelta(seconds=ahead_seconds)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(true_time(), tz) + shift

        @classmethod
        def utcnow(cls) -> Self:
            return cls.fromtimestamp(true_time(), dt.UTC).replace(tzinfo=None) + shift

    time.time = lambda: true_time() + ahead_seconds
    time.time_ns = lambda: int((true_time() + ahead_seconds) * 1e9)
    dt.datetime = Shifted  # type: ignore[misc]  # every later import takes this one


if __name__ == "__main__":
    sys.exit(main())
