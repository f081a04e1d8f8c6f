"""The form of files, functions and tests: sizes, opening docstrings, suppressions, and what a test may not do.

A file or function above the bound carries `# long: <reason>`: for a file in the lines right after its docstring, for a function
on the line of its `def` or the one above it. A suppression carries its code and, after two spaces and another `#`, its reason.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.architecture.sources import Function, Source, called_name

FILE_LINES: Final = 300
FUNCTION_LINES: Final = 40
LONG: Final = re.compile(r"#\s*long:\s*\S{3,}")
#: Where a test may wait for a condition with a deadline; every other test waits through it.
WAITING: Final = "tests/support/waiting.py"

_SUPPRESSION: Final = re.compile(r"#\s*(?:noqa|type:\s*ignore|ruff:\s*noqa|mypy:)")
_WITH_CODE_AND_REASON: Final = re.compile(r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])\s+#\s*\S+ \S+")
_UNFINISHED: Final = re.compile(r"#.*\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
_SKIPS: Final = ("skip", "skipif", "xfail")


def size_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each file or function above its bound without a reason beside it."""
    for source in found:
        lines = source.text.splitlines()
        opening = lines[: _end_of_docstring(source.tree) + 3]
        if len(lines) > FILE_LINES and not any(LONG.search(line) for line in opening):
            yield f"{source.path}: {len(lines)} lines, {FILE_LINES} are the bound; split it, or give a reason under its docstring"
        for function in source.functions():
            size = _lines_of(function)
            if size > FUNCTION_LINES and not any(
                LONG.search(line) for line in lines[max(function.lineno - 2, 0) : function.lineno]
            ):
                yield f"{source.path}:{function.lineno}: {function.name} has {size} lines, {FUNCTION_LINES} are the bound"


def opening_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each module that does not open with a docstring."""
    for source in found:
        if not ast.get_docstring(source.tree):
            yield f"{source.path}: does not say what lives here"


def loose_end_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each suppression without code and reason, each mark of unfinished work, and each stub."""
    for source in found:
        for number, line in enumerate(source.text.splitlines(), 1):
            if _SUPPRESSION.search(line) and not _WITH_CODE_AND_REASON.search(line) and not _inside_text(line):
                yield f"{source.path}:{number}: a suppression needs its code and its reason"
            if _UNFINISHED.search(line):
                yield f"{source.path}:{number}: unfinished work stands in an issue, not in a comment"
        for node in source.nodes:
            if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc):
                yield f"{source.path}:{node.lineno}: a stub is not done"


def promise_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each test without its promise, each sleep, and each skip without its reason."""
    for source in found:
        for function in source.functions():
            if function.name.startswith("test_") and not ast.get_docstring(function):
                yield f"{source.path}:{function.lineno}: {function.name} does not say in a docstring what it promises"
        for call in source.calls():
            name = called_name(call)
            if name.rpartition(".")[2] == "sleep" and source.path != WAITING and ast.unparse(call) != "asyncio.sleep(0)":
                yield f"{source.path}:{call.lineno}: a test waits for a condition (tests.support.waiting), it does not sleep"
            if name in {"pytest.skip", "pytest.xfail"} and not call.args:
                yield f"{source.path}:{call.lineno}: {name} needs its reason"
        yield from _marks_without_reason(source)


def _marks_without_reason(source: Source) -> Iterator[str]:
    """Yield a sentence for each `pytest.mark.skip`, `skipif` or `xfail` that gives no reason, called or bare."""
    with_reason = {
        id(call.func)
        for call in source.calls()
        if any(word.arg == "reason" and ast.unparse(word.value) for word in call.keywords)
    }
    for node in source.nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in _SKIPS or not ast.unparse(node.value).endswith("mark"):
            continue
        if id(node) not in with_reason:
            yield f"{source.path}:{node.lineno}: pytest.mark.{node.attr} needs its reason"


def _end_of_docstring(tree: ast.Module) -> int:
    return (tree.body[0].end_lineno or 0) if tree.body and ast.get_docstring(tree) else 0


def _lines_of(function: Function) -> int:
    """Count the lines from `def` to the end, without the docstring."""
    size = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function):
        first = function.body[0]
        size -= (first.end_lineno or first.lineno) - first.lineno + 1
    return size


def _inside_text(line: str) -> bool:
    """Tell whether the first suppression of a line stands in quotes, as in the samples of these very tests."""
    match = _SUPPRESSION.search(line)
    before = line[: match.start()] if match else ""
    return before.count('"') % 2 == 1 or before.count("`") % 2 == 1
