"""Three real nats-servers of one cluster, each to be killed and started again by a test.

The configuration is the one that `wedsync up --cluster 3` writes. Used where a promise is about the death of a leader.
"""

from functools import partial

from config.supervision.data_folder import Cluster, DataFolder
from config.supervision.embedded_nats import nats_address, nats_children, nats_port_names
from tests.support.servers import EmbeddedServer

SERVERS = 3


class NatsCluster:
    """See the module; `url` names all three servers."""

    def __init__(self, folder: DataFolder) -> None:
        folder.create()
        folder.settle_cluster(Cluster(SERVERS, SERVERS))
        self.keys = folder.ensure_keys()
        ports = folder.reserve_ports(*nats_port_names(SERVERS))
        self.url = nats_address(ports, SERVERS)
        specs = nats_children(folder, self.keys, ports, SERVERS)
        self.servers = {
            spec.identity: EmbeddedServer(partial(specs.__getitem__, number), folder.path / f"{spec.identity}.log")
            for number, spec in enumerate(specs)
        }

    def start(self) -> None:
        """Start all three; they choose their leaders a moment later."""
        for server in self.servers.values():
            server.start()

    def stop(self) -> None:
        """End all three at once: what they keep is thrown away with the test."""
        for server in self.servers.values():
            server.kill()

    def password_of(self, user: str) -> str:
        return self.keys.nats_passwords[user]
