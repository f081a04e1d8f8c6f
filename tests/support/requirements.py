"""What a test may need of the machine: the `nats` command line, Docker, the sample data in ../shared.

On a developer's machine a test without its requirement is skipped with the reason; in CI (`WEDSYNC_CI=1`) it fails, and with
`WEDSYNC_REQUIRE_SHARED=1` so does one that cannot read the sample data. Called by tests and fixtures.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def in_ci() -> bool:
    """Tell whether a missing requirement is a failure."""
    return os.environ.get("WEDSYNC_CI") == "1"


def missing(requirement: str, remedy: str) -> NoReturn:
    """End the running test because `requirement` is not there: as a skip here, as a failure in CI."""
    message = f"{requirement} is missing: {remedy}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require_program(name: str, remedy: str) -> Path:
    """Return the path of a program on PATH."""
    found = shutil.which(name)
    return Path(found) if found else missing(f"the program {name}", remedy)


def require_nats_command_line() -> Path:
    """Return the path of the real `nats` command line."""
    return require_program("nats", "go install github.com/nats-io/natscli/nats@latest")


def require_shared(*parts: str) -> Path:
    """Return a path below ../shared; where ../shared is there at all, or is required, a missing path is a failure."""
    path = SHARED.joinpath(*parts)
    if path.exists():
        return path
    message = f"the sample data ../shared/{'/'.join(parts)} is missing"
    if SHARED.exists() or os.environ.get("WEDSYNC_REQUIRE_SHARED") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
