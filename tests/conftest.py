"""What every test gets: an environment without settings of the machine, so that a test means the same everywhere.

Fixtures for all tests live in tests.support, those of one area in that area's conftest.py.
"""

import os

from tests.support.requirements import in_ci

pytest_plugins = ["tests.support.servers"]

#: What steers the tests themselves, not the product.
_OF_THE_TESTS = {"WEDSYNC_CI", "WEDSYNC_REQUIRE_SHARED"}

for _name in list(os.environ):
    if (_name.startswith("WEDSYNC_") and _name not in _OF_THE_TESTS) or _name in {"NATS_URL", "DATABASE_URL"}:
        del os.environ[_name]


def pytest_report_header() -> str:
    """Say in the first lines what a missing requirement does."""
    return f"missing requirements: {'fail (WEDSYNC_CI=1)' if in_ci() else 'skip'}"
