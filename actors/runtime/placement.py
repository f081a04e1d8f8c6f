"""Which host owns a partition: rendezvous hashing over the live hosts (design D3). Pure.

Every host computes the same answer from the same members, and a host that comes or goes moves only its own partitions.
Source: Thaler and Ravishankar 1998 (highest random weight). Called by ownership.
"""

from collections.abc import Iterable
from hashlib import blake2b


def weight(host: str, partition: int) -> int:
    """Return the host's claim on the partition; the highest wins."""
    return int.from_bytes(blake2b(f"{partition}/{host}".encode(), digest_size=8).digest(), "big")


def owner_of(partition: int, hosts: Iterable[str]) -> str:
    """Return the owner among `hosts`, which must not be empty; the name breaks a tie."""
    return max(hosts, key=lambda host: (weight(host, partition), host))


def partitions_of(host: str, hosts: frozenset[str], partitions: int) -> frozenset[int]:
    """Return the partitions that `host` owns while `hosts` are alive; none when it is not among them."""
    if host not in hosts:
        return frozenset()
    return frozenset(partition for partition in range(partitions) if owner_of(partition, hosts) == host)
