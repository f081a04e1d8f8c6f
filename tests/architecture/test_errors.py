"""Every error has its code, its message and its base, and the page that lists them is the one the code gives."""

import pytest

from tests.architecture.error_catalogue import PAGE, catalogue
from tests.architecture.error_rules import error_classes, error_violations
from tests.architecture.sources import PRODUCT, python_of, report, sample

BASE = 'class StoreError(Exception):\n    """It failed."""\n\n    code = "store_error"\n'


def test_every_error_has_code_message_and_base() -> None:
    """No error of the product leaves its reader without a stable code and a sentence."""
    assert report(error_violations(python_of(*PRODUCT))) == ""


def test_the_page_of_errors_is_the_one_the_code_gives() -> None:
    """docs/errors.md is up to date; `make docs` writes it."""
    assert PAGE.read_text(encoding="utf-8") == catalogue()


@pytest.mark.parametrize(
    "text",
    [
        BASE + "class Gone(StoreError):\n    code = 'gone'\n",
        'class Bare(Exception):\n    """It failed."""\n',
        BASE + 'class Second(ValueError):\n    """It failed."""\n\n    code = "second"\n',
    ],
)
def test_a_careless_error_is_found(text: str) -> None:
    """An error without docstring, without code, or beside the base of its package is named."""
    assert list(error_violations([sample("store/errors.py", text)]))


@pytest.mark.parametrize(
    "text",
    [
        BASE + 'class Gone(StoreError):\n    """It is gone."""\n',
        'class E(Exception):\n    """It failed."""\n\n    def __init__(self, code: str) -> None:\n        self.code = code\n',
        BASE + 'class Lost(StoreError, ConnectionError):\n    """It is lost."""\n\n    code: ClassVar[str] = "lost"\n',
    ],
)
def test_a_careful_error_passes(text: str) -> None:
    """An inherited, a given and an annotated code are accepted."""
    assert report(error_violations([sample("store/errors.py", text)])) == ""


def test_only_exceptions_are_taken_for_errors() -> None:
    """A class that is no exception needs no code."""
    assert error_classes([sample("store/rows.py", "class Row(NamedTuple):\n    position: int\n")]) == []
