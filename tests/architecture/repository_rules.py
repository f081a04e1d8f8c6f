"""What lies beside the code: documents, the lock, settings. Checkers from text to sentences.

Called by test_repository.py, which also shows each of them a violating sample.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.architecture.sources import Source

_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==\S+", re.MULTILINE)
_INDEX: Final = re.compile(r"^\s*(?:--(?:extra-)?index-url|--find-links|-i|-f)\b|https?://|file://", re.MULTILINE)


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield a sentence for each link of a page that leads to no file of the repository."""
    for target in _LINK.findall(text):
        if not target.startswith(("http://", "https://", "mailto:")) and not (page.parent / target).exists():
            yield f"{page.name}: the link to {target} leads nowhere"


def lock_violations(lock: str, wanted: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each package without hash, each address of an index, and each wanted package that is not locked."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    for block in blocks:
        name = _REQUIREMENT.match(block)
        if name and "--hash=sha256:" not in block:
            yield f"{name[1]} has no hash"
    if _INDEX.search(lock):
        yield "the lock names an index"
    locked = {_normal(name) for name in _REQUIREMENT.findall(lock)}
    yield from (f"{name} is not in the lock" for name in sorted({_normal(name) for name in wanted} - locked))


def unused_names(names: Iterable[str], found: Iterable[Source]) -> list[str]:
    """Return the names that no source reads as an attribute."""
    text = "\n".join(source.text for source in found)
    return sorted(name for name in names if not re.search(rf"\.{name}\b", text))


def package_name(requirement: str) -> str:
    """Return the name in a requirement such as `aiohttp>=3.12`."""
    return re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
