"""Writes config/deploy/nats-server.conf: the configuration of a cluster, the very text that `wedsync up --cluster 3` uses.

Run by `make docs`; a test compares the file with what this would write.
"""

from config.supervision.nats_configuration import nats_configuration
from tests.support.requirements import ROOT

FILE = ROOT / "config" / "deploy" / "nats-server.conf"
EXAMPLE = FILE.with_suffix(".env")

_OPENING = """\
# nats-server of a WedSync cluster: the same file on each of the three machines. Written by `make docs`; do not edit.
# What differs between them, and every secret, comes from the environment: see nats-server.env and docs/operations.md.
"""


def shipped_configuration() -> str:
    """Return the whole file."""
    return _OPENING + nats_configuration(cluster=True)


if __name__ == "__main__":
    FILE.write_text(shipped_configuration(), encoding="utf-8")
