"""What every test gets: an environment without settings of the machine, so that a test means the same everywhere.

Fixtures for all tests live in tests.support, those of one area in that area's conftest.py.
"""

import os

from hypothesis import HealthCheck, settings

from tests.support.requirements import in_ci

# No test asserts how long something takes: a machine may be busy.
settings.register_profile("wedsync", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wedsync")

pytest_plugins = ["tests.support.servers"]

#: What steers the tests themselves, not the product.
_OF_THE_TESTS = {"WEDSYNC_CI", "WEDSYNC_REQUIRE_SHARED"}

for _name in list(os.environ):
    if (_name.startswith("WEDSYNC_") and _name not in _OF_THE_TESTS) or _name in {"NATS_URL", "DATABASE_URL"}:
        del os.environ[_name]


def pytest_report_header() -> str:
    """Say in the first lines what a missing requirement does."""
    return f"missing requirements: {'fail (WEDSYNC_CI=1)' if in_ci() else 'skip'}"
