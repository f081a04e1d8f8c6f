"""docs/guarantees.md names for each sentence what checks it, and that exists."""

import pytest

from tests.architecture.guarantees import PAGE, promises, violations

HEAD = "| promise | with which configuration | checked by |\n|---|---|---|\n"


def test_every_guarantee_names_what_checks_it() -> None:
    """Each row has a command; tests, targets, campaigns and commands that it names are there."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(promises(text)) > 20
    assert list(violations(text)) == []


@pytest.mark.parametrize(
    "row",
    [
        "| It is safe. | any | |",
        "| It is safe. | any | `pytest tests/nowhere.py` |",
        "| It is safe. | any | `pytest tests/architecture/test_guarantees.py::test_nothing` |",
        '| It is safe. | any | `make bench ARGS="nothing"` |',
        "| It is safe. | any | `wedsync pray` |",
        "| It is safe. | any | `hope` |",
    ],
)
def test_an_empty_promise_is_found(row: str) -> None:
    """A sentence that nothing checks, or something that does not exist, is named."""
    assert list(violations(HEAD + row + "\n"))
