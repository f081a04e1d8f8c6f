"""Loopback ports: finding a free one, seeing whether one is taken.

Ports that WedSync remembers are drawn below the range from which the system serves outgoing connections, so that a
stopped server finds its port free again. Called by the data folder, by `up` and by the test fixtures.
"""

import secrets
import socket
from collections.abc import Collection, Iterator

LOOPBACK = "127.0.0.1"
_FIRST_PORT = 20_000
_LAST_PORT = 32_000
_ATTEMPTS = 200


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now (lingering closed connections do not count)."""
    return why_not_free(port, host) is None


def why_not_free(port: int, host: str) -> str | None:
    """What keeps a server from listening on the port: taken, not permitted, no such address; None when nothing does."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # A listener that was bound with SO_REUSEADDR is only noticed at listen().
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def free_port(host: str = LOOPBACK, besides: Collection[int] = ()) -> int:
    """A port that nobody listens on at this moment, other than those of `besides`."""
    for port in _candidates():
        if port not in besides and port_is_free(port, host):
            return port
    message = f"no free port between {_FIRST_PORT} and {_LAST_PORT} on {host}"
    raise OSError(message)


def _candidates() -> Iterator[int]:
    for _ in range(_ATTEMPTS):
        yield _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT)
