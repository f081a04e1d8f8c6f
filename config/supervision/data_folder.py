"""The data folder (`.wedsync`): the one place where a single-machine WedSync keeps what must survive a restart.

Layout: `keys.json` (secrets, mode 0600, made once), `cluster.json` (how many NATS servers, where more than one),
`ports.json` (remembered ports), `state.json` (what runs now), `lock`, `nats/` (JetStream stores and server
configurations), `postgres/` (database files). Every command of the command line reads the folder; only `wedsync up`,
which holds the lock, writes it.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import nkeys

from config.supervision.errors import ClusterFixed, FolderInUse, FolderMissing, FolderUnreadable
from config.supervision.ports import free_port, port_is_free

#: `route` is how the servers of a cluster know each other.
NATS_USERS = ("host", "gateway", "operator", "auth", "sys", "route")


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets of one installation; `repr` never shows them."""

    jwt_secret: str
    """Signs user tokens (HS256)."""
    nats_passwords: dict[str, str]
    """Password of every internal NATS user (`NATS_USERS`)."""
    issuer_seed: str
    """nkey seed of the account that signs the users admitted by the auth callout."""
    jetstream_key: str
    """Encrypts the JetStream files; losing it loses the log."""
    postgres_password: str

    def __repr__(self) -> str:
        return "Keys(***)"

    @property
    def issuer_public_key(self) -> str:
        """The public half of `issuer_seed`, which the server configuration names."""
        public_key: bytes = nkeys.from_seed(self.issuer_seed.encode()).public_key
        return public_key.decode()


class Cluster(msgspec.Struct, frozen=True, rename="camel"):
    """The NATS servers of a data folder, and into how many streams its log was cut; neither can change."""

    servers: int = 1
    log_streams: int = 1


class DataFolder:
    """Paths, secrets, ports and lock of one data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.keys_path = self.path / "keys.json"
        self.cluster_path = self.path / "cluster.json"
        self.ports_path = self.path / "ports.json"
        self.state_path = self.path / "state.json"
        self.lock_path = self.path / "lock"
        self.nats_directory = self.path / "nats"
        self.postgres_directory = self.path / "postgres"

    def create(self) -> None:
        """Make the folder if it is not there; raises FolderUnreadable where it cannot be made or written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_path.touch(mode=0o600)
        except OSError as error:
            raise FolderUnreadable(path=self.path, reason=error.strerror) from error

    def keys(self) -> Keys:
        """The secrets of this folder; raises FolderMissing before the first `up`, FolderUnreadable when damaged."""
        try:
            return msgspec.json.decode(self.keys_path.read_bytes(), type=Keys)
        except FileNotFoundError:
            raise FolderMissing(folder=self.path) from None
        except (OSError, msgspec.MsgspecError) as error:
            raise FolderUnreadable(path=self.keys_path, reason=error) from error

    def ensure_keys(self) -> Keys:
        """The secrets, made on the first call; two callers at once end up with the same ones."""
        if not self.keys_path.exists():
            self.create()
            temporary = self.keys_path.with_suffix(f".{os.getpid()}.new")
            _write_synced(temporary, msgspec.json.format(msgspec.json.encode(_new_keys())))
            try:
                # A link, unlike a rename, never replaces secrets that somebody else made meanwhile.
                os.link(temporary, self.keys_path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return self.keys()

    def cluster(self) -> Cluster:
        """How many NATS servers there are; raises FolderUnreadable when that cannot be read."""
        try:
            return msgspec.json.decode(self.cluster_path.read_bytes(), type=Cluster)
        except FileNotFoundError:
            return Cluster()
        except (OSError, msgspec.MsgspecError) as error:
            raise FolderUnreadable(path=self.cluster_path, reason=error) from error

    def settle_cluster(self, wanted: Cluster) -> Cluster:
        """Fix the cluster of a new folder; raises ClusterFixed where the folder has another one. The caller holds the lock."""
        if not self.keys_path.exists():
            self._write_json(self.cluster_path, msgspec.to_builtins(wanted))
        cluster = self.cluster()
        if cluster.servers != wanted.servers:
            raise ClusterFixed(folder=self.path, servers=cluster.servers, wanted=wanted.servers)
        return cluster

    def ports(self) -> dict[str, int]:
        """The remembered ports by name (`nats`, `nats_monitor`, `postgres`); empty before the first `up`."""
        return {name: int(port) for name, port in self._read_json(self.ports_path).items()}

    def reserve_ports(self, *names: str) -> dict[str, int]:
        """The remembered port of each name, or a new free one where there is none yet or somebody else took it."""
        ports = self.ports()
        for name in names:
            if name not in ports or not port_is_free(ports[name]):
                ports[name] = free_port(besides=ports.values())
        self._write_json(self.ports_path, ports)
        return ports

    def read_state(self) -> dict[str, Any]:
        """What the last supervisor wrote about its processes (see `runtime_state`); empty before the first `up`."""
        return self._read_json(self.state_path)

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the runtime state, whole or not at all."""
        self._write_json(self.state_path, state)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; raises FolderInUse with the holder's pid."""
        self.create()
        with self.lock_path.open("r+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise FolderInUse(folder=self.path, pid=lock.read().strip() or "unknown") from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def _read_json(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise FolderUnreadable(path=path, reason=error) from error
        return content

    def _write_json(self, path: Path, content: dict[str, Any]) -> None:
        temporary = path.with_suffix(".new")
        _write_synced(temporary, json.dumps(content, indent=2).encode())
        temporary.replace(path)


def _new_keys() -> Keys:
    # Letters in front: nats-server parses values from the environment, and "12e5" would become a number.
    return Keys(
        jwt_secret=secrets.token_hex(32),
        nats_passwords={user: f"p{secrets.token_hex(24)}" for user in NATS_USERS},
        issuer_seed=_new_account_seed(),
        jetstream_key=f"k{secrets.token_hex(32)}",
        postgres_password=f"p{secrets.token_hex(24)}",
    )


def _new_account_seed() -> str:
    seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)
    return seed.decode()


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that is on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
