"""One process to be run: what to start, how to see that it is ready, how to stop it.

A `ChildSpec` is plain data made by `embedded_nats`, `embedded_postgres` and `roles`; `process` runs it under the
supervisor and the test fixtures run it directly. Secrets travel in the environment, never on the command line, and on
Linux the kernel ends the child when its parent dies, however that happened.
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from config.supervision.before_exec import Account, before_exec


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to run one process of WedSync."""

    role: str
    """nats, postgres, host or gateway."""
    identity: str
    """Unique among the processes of this `up`: `host-0`."""
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ports: Mapping[str, int] = field(default_factory=dict)
    """Where it listens, by name."""
    is_ready: Callable[[int], bool] | None = None
    """Asked with the pid, quick, from any thread; None for a child that prints a line `READY ...` itself."""
    ready_within_seconds: float = 30.0
    """After its start, or after its last line `STARTING ...`."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when the parent dies."""
    stuck_after: str = ""
    """What it prints, in lower case, when it runs on and does its work only after it was started again; "" for nothing."""
    restart_helps: Callable[[], bool] = lambda: True
    """Asked of a stuck one, once a second: whether what made it stuck is over."""
    name_variable: str = ""
    """The variable of the environment that tells the child its name: one that runs beside its predecessor needs another."""
    account: Account | None = None
    """Another system user to run as; only root may ask for it."""

    def before_exec(self) -> Callable[[], None]:
        """What the new process does before it becomes the program (`preexec_fn`)."""
        return before_exec(self.account, self.death_signal)
