"""Writes docs/errors.md from the code: the outcome codes of the contract and the error classes of every package.

Run by `make docs`; a test compares the file with what this would write, so that the page cannot drift from the code.
"""

from itertools import groupby

from actors.contract.codes import CODES
from tests.architecture.error_rules import ErrorClass, error_classes, package_of
from tests.architecture.sources import python_of
from tests.support.requirements import ROOT

PAGE = ROOT / "docs" / "errors.md"

_OPENING = """# Errors

Written by `make docs` from the code; do not edit. Codes are stable: programs branch on the code, people read message and remedy.

## Outcomes and refusals

What a client, an HTTP caller or an integrator gets as `code`, with the default message and remedy; the case at hand may say them
more exactly. Close codes of the WebSocket are in [protocol.md](protocol.md).

| code | message | remedy |
|---|---|---|
"""
_CLASSES = """
## Error classes

What operators meet in logs and on the command line, by package. Words in braces are filled in.
"""


def catalogue() -> str:
    """Return the whole page."""
    codes = "".join(f"| `{code}` | {text.message} | {text.remedy} |\n" for code, text in sorted(CODES.items()))
    return _OPENING + codes + _CLASSES + "".join(_section(package, group) for package, group in _by_package())


def _by_package() -> list[tuple[str, list[ErrorClass]]]:
    errors = sorted(
        error_classes(python_of("actors", "gateway", "store", "config")), key=lambda error: (package_of(error.module), error.name)
    )
    return [(package, list(group)) for package, group in groupby(errors, key=lambda error: package_of(error.module))]


def _section(package: str, errors: list[ErrorClass]) -> str:
    rows = "".join(f"| `{error.name}` | {_code(error)} | {_sentence(error)} |\n" for error in errors)
    return f"\n### {package}\n\n| class | code | message |\n|---|---|---|\n{rows}"


def _code(error: ErrorClass) -> str:
    if error.code:
        return f"`{error.code}`"
    return "one of the table above" if error.sets_code else "that of its base"


def _sentence(error: ErrorClass) -> str:
    return " ".join(error.docstring.split("\n\n", maxsplit=1)[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(catalogue(), encoding="utf-8")
