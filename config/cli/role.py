"""One role as a process: `python -P -m config.cli.role host|gateway`, what `up` starts and `wedsync host|gateway` calls.

Reads its settings from the environment, prints `READY ...` when it serves, and runs until SIGTERM. No option parsing:
a restart after a crash must be quick.
"""

import sys

from config.cli.failures import report
from config.settings import Settings, load_settings


def run_role(role: str, settings: Settings) -> int:
    """Run a host or a gateway until it is told to stop; gives the exit code."""
    if role == "host":
        from actors.runtime.process import run as run_host

        return run_host(settings)
    from gateway.process import run as run_gateway

    return run_gateway(settings)


def main() -> int:
    """Run the role named by the only argument; failures are one line."""
    try:
        return run_role(sys.argv[1], load_settings())
    except Exception as error:
        return report(error)


if __name__ == "__main__":
    sys.exit(main())
