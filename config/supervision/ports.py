"""Loopback ports: finding a free one, seeing whether one is taken.

Ports that WedSync remembers are drawn below the range from which the system serves outgoing connections, so that a
stopped server finds its port free again. Called by the data folder, by `up` and by the test fixtures.
"""

import secrets
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_FIRST_PORT = 20_000
_LAST_PORT = 32_000
_ATTEMPTS = 200


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now (lingering closed connections do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # A listener that was bound with SO_REUSEADDR is only noticed at listen().
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on at this moment."""
    for port in _candidates():
        if port_is_free(port, host):
            return port
    message = f"no free port between {_FIRST_PORT} and {_LAST_PORT} on {host}"
    raise OSError(message)


def _candidates() -> Iterator[int]:
    for _ in range(_ATTEMPTS):
        yield _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT)
