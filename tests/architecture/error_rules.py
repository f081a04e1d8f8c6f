"""Errors of the house: every class has a stable code and a docstring that serves as its message, and each package has one base.

Read from syntax trees, so that the catalogue (docs/errors.md) and the checks need no import of the product.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.architecture.sources import Source


class ErrorClass(NamedTuple):
    """One exception class of the product."""

    name: str
    module: str
    line: int
    path: str
    bases: tuple[str, ...]
    docstring: str
    #: The code as written; "" when it is inherited or chosen at run time.
    code: str
    sets_code: bool


def error_classes(found: Iterable[Source]) -> list[ErrorClass]:
    """Return every class that derives, through classes of ours, from a built-in exception."""
    classes = {
        node.name: (source, node)
        for source in found
        for node in source.classes()
        if source.module.split(".", 1)[0] not in {"tests", "bench"}
    }
    return [_described(*classes[name]) for name in sorted(classes) if _is_error(name, classes)]


def error_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each error without docstring or code, and for each package with two bases."""
    errors = {error.name: error for error in error_classes(found)}
    bases: dict[str, list[str]] = {}
    for error in errors.values():
        if not error.docstring:
            yield f"{error.path}:{error.line}: {error.name} has no docstring, which would be its message"
        if not _has_code(error, errors):
            yield f"{error.path}:{error.line}: {error.name} has no code"
        if not any(base in errors for base in error.bases):
            bases.setdefault(package_of(error.module), []).append(error.name)
    for package, names in bases.items():
        if len(names) > 1:
            yield f"{package}: errors have one base per package, here {', '.join(sorted(names))}"


def package_of(module: str) -> str:
    """Return the package that an error belongs to: two names deep under actors, config and gateway.client, else one."""
    parts = module.split(".")
    deep = parts[0] == "actors" or ".".join(parts[:2]) in {"config.cli", "config.supervision", "config.demo", "gateway.client"}
    return ".".join(parts[:2] if deep else parts[:1])


def _described(source: Source, node: ast.ClassDef) -> ErrorClass:
    code, sets_code = "", False
    for inner in ast.walk(node):
        target = _assigned(inner)
        if target in {"code", "self.code"}:
            sets_code = True
            value = getattr(inner, "value", None)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                code = value.value
    bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    return ErrorClass(node.name, source.module, node.lineno, source.path, bases, ast.get_docstring(node) or "", code, sets_code)


def _assigned(node: ast.AST) -> str:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else ""


def _is_error(name: str, classes: dict[str, tuple[Source, ast.ClassDef]]) -> bool:
    """Follow the bases upwards by name until a built-in exception or an unknown class is met."""
    if name not in classes:
        known = getattr(builtins, name, None)
        return isinstance(known, type) and issubclass(known, BaseException)
    _, node = classes[name]
    return any(_is_error(base, classes) for base in (ast.unparse(each).rpartition(".")[2] for each in node.bases) if base != name)


def _has_code(error: ErrorClass, errors: dict[str, ErrorClass]) -> bool:
    return error.sets_code or any(_has_code(errors[base], errors) for base in error.bases if base in errors)
