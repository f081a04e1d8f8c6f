"""`python -P -m tests.simulation` (also `make simulate`): histories with one seed after another, until the time is over.

`--seed N --count 1` replays one. Exit code 1 when any history breaks a promise; its seed and the command are printed.
"""

import argparse
import sys
import time

from tests.simulation.campaign import Campaign, quiet, replay_command, tell


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description="Run simulated histories and check every promise.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="how many histories at most")
    options = parser.parse_args()
    quiet()
    campaign = Campaign(options.seed)
    end = time.monotonic() + options.seconds
    while campaign.histories < options.count and time.monotonic() < end:
        outcome = campaign.run_next()
        if outcome.offences:
            tell(f"seed {outcome.seed}: {replay_command(outcome.seed)}", *outcome.offences)
    for name, count in sorted(campaign.seen.items()):
        tell(f"{count:>10}  {name}")
    tell(
        f"{campaign.histories} histories from seed {options.seed}, {campaign.hours:.1f} simulated hours, digest {campaign.digest}"
    )
    tell(f"{campaign.broken} broke a promise")
    return 1 if campaign.broken else 0


if __name__ == "__main__":
    sys.exit(main())
