"""Whoever follows a cited rule id finds the rule."""

import pytest

from tests.architecture.rule_ids import BOOK, defined_ids, unknown_ids
from tests.architecture.sources import python_of, report, sample

BOOK_OF_TWO = "| id | rule |\n|---|---|\n| T1 | Moves. |\n| D5 | Saved. |\n"


def test_every_cited_rule_stands_in_the_book() -> None:
    """No comment, docstring or test name cites a rule that does not exist."""
    found = [source for source in python_of() if source.path != "tests/architecture/test_rule_ids.py"]

    assert report(unknown_ids(found, BOOK.read_text(encoding="utf-8"))) == ""


def test_the_book_has_the_rules_of_the_machine_and_of_the_wedding() -> None:
    """The twelve design rules, the eight invariants and the rules of every wedding section are defined."""
    defined = defined_ids(BOOK.read_text(encoding="utf-8"))

    assert {f"D{number}" for number in range(1, 13)} <= defined
    assert {f"INV{number}" for number in range(1, 9)} <= defined
    assert {"T1", "T20", "E1", "G10", "B8", "P2", "K1", "DOC1", "V2", "R2", "I4"} <= defined


@pytest.mark.parametrize(
    "text",
    [
        "# rule T99 says so\n",
        '"""Design D40."""\n',
        "def test_t77_moves(): ...\n",
        "async def test_doc9_x(): ...\n",
        "# see INV44\n",
    ],
)
def test_an_unknown_rule_is_found(text: str) -> None:
    """A citation of no rule, in a comment, a docstring or the name of a test, is named."""
    assert list(unknown_ids([sample("tests/domain/test_x.py", text)], BOOK_OF_TWO))


def test_a_known_rule_passes() -> None:
    """A citation of a rule in the book is accepted, in all its forms."""
    text = '"""Rule T1 and design D5."""\n\ndef test_d5_saved(): ...\n\ndef test_two_weddings(): ...\n'

    assert report(unknown_ids([sample("tests/domain/test_x.py", text)], BOOK_OF_TWO)) == ""
