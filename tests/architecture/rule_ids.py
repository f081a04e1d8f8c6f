"""Rule ids: those that docs/rules.md defines, and where the source cites them.

A citation is `rule T1`, `design D5` or `INV3` in a comment or docstring, or a test named `test_t1_...`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.architecture.sources import Source
from tests.support.requirements import ROOT

BOOK: Final = ROOT / "docs" / "rules.md"

_DEFINED: Final = re.compile(r"^\| ([A-Z]+\d+) \|", re.MULTILINE)
_CITED: Final = re.compile(r"\b(?:(?:[Rr]ules?|[Dd]esign)[,:]? (?=[A-Z]+\d)|(?=INV\d))([A-Z]{1,3}\d{1,2})\b")
_TEST_NAME: Final = re.compile(r"^test_(?:(inv|doc|[a-z])(\d{1,2}))_")


def defined_ids(book: str) -> set[str]:
    """Return the ids that the rule book defines."""
    return set(_DEFINED.findall(book))


def cited_ids(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Yield (place, id) of every citation."""
    for source in found:
        for number, line in enumerate(source.text.splitlines(), 1):
            yield from ((f"{source.path}:{number}", match) for match in _CITED.findall(line))
        for function in source.functions():
            if match := _TEST_NAME.match(function.name):
                yield f"{source.path}:{function.lineno}", match[1].upper() + match[2]


def unknown_ids(found: Iterable[Source], book: str) -> Iterator[str]:
    """Yield a sentence for each citation of a rule that the book does not have."""
    known = defined_ids(book)
    for place, rule in cited_ids(found):
        if rule not in known:
            yield f"{place}: cites {rule}, which docs/rules.md does not define"
