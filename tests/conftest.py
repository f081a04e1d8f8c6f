"""Fixtures for all tests live in tests/support; this file only registers them."""

pytest_plugins = ["tests.support.servers"]
