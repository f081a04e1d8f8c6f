"""The source of the house as syntax trees: what every checker of this folder reads.

A checker is a function from sources to sentences, so that it can be shown a violating sample as well as the repository.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.support.requirements import ROOT

PRODUCT = ("actors", "gateway", "store", "config")
EVERYTHING = (*PRODUCT, "tests", "bench")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One Python file: its path below the root, its dotted module name, its text, its tree, and the nodes of that, each once."""

    path: str
    module: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def package(self) -> str:
        """The dotted name of the package that relative imports start from."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    def functions(self) -> Iterator[Function]:
        """Yield every function and method, nested ones too."""
        yield from (node for node in self.nodes if isinstance(node, Function))

    def classes(self) -> Iterator[ast.ClassDef]:
        """Yield every class, nested ones too."""
        yield from (node for node in self.nodes if isinstance(node, ast.ClassDef))

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call."""
        yield from (node for node in self.nodes if isinstance(node, ast.Call))


def sample(path: str, text: str) -> Source:
    """Make a source out of text, as if it stood at `path`: for showing a checker what it must refuse."""
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    tree = ast.parse(text)
    return Source(path, module, text, tree, tuple(ast.walk(tree)))


@cache
def _sources_of(package: str) -> tuple[Source, ...]:
    """Read every Python file of a top-level package."""
    return tuple(
        sample(relative(path), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / package).rglob("*.py"))
        if "__pycache__" not in path.parts
    )


def python_of(*packages: str) -> tuple[Source, ...]:
    """Return the sources of the named top-level packages, of all when none is named."""
    return tuple(chain.from_iterable(map(_sources_of, packages or EVERYTHING)))


def called_name(call: ast.Call) -> str:
    """Return the dotted text of what is called: `asyncio.sleep`."""
    return ast.unparse(call.func)


def report(violations: Iterable[str]) -> str:
    """Join sentences for an assertion: empty when the house is in order."""
    return "\n".join(sorted(violations))


def relative(path: Path) -> str:
    """Name a path as it stands below the root."""
    return path.relative_to(ROOT).as_posix()
