"""Silence: hosts in made-up worlds warn thousands of times of faults that are meant."""

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.campaign import quiet


@pytest.fixture(autouse=True)
def _no_words() -> Iterator[None]:
    quiet()
    yield
    structlog.reset_defaults()
