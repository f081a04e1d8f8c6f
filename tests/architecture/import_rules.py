"""Who may import whom: the table of docs/architecture.md, and the checker that reads imports from syntax trees.

Imports inside functions and under TYPE_CHECKING count like any other.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tests.architecture.sources import EVERYTHING, Source, called_name

ANY: Final = frozenset({"*"})
#: What touches the outside world stops in one package each.
GUARDED: Final = frozenset({"nats", "asyncpg", "aiohttp"})
#: Calculating libraries without input or output.
CALCULATING: Final = frozenset({"msgspec", "fractional_indexing", "iso4217"})
#: What would let a decision depend on the machine, the moment or chance.
# fmt: off  (a long list reads better in lines than in a column)
IMPURE: Final = frozenset(
    {
        "asyncio",
        "concurrent",
        "ctypes",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "platform",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
# fmt: on
IMPURE_CALLS: Final = frozenset(
    {"open", "print", "input", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"}
)


class Room(NamedTuple):
    """What one package may import: rooms of the house, third-party packages, and which of the standard library it may not."""

    rooms: frozenset[str]
    third_party: frozenset[str]
    not_of_the_standard_library: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()


def _rooms(*names: str) -> frozenset[str]:
    return frozenset(names)


#: The gateway from the ground up: each layer may import those before it, and what lies in `gateway` itself.
LAYERS: Final = ("gateway.access", "gateway.wire", "gateway.rooms", "gateway.presence", "gateway.ops", "gateway.sessions")


def _gateway(layers: tuple[str, ...]) -> Room:
    return Room(_rooms("actors.contract", "store", "config", "gateway", *layers), ANY, guarded=frozenset({"aiohttp"}))


#: The longest matching name decides. `ANY` third party still leaves out the guarded ones that are not named.
TABLE: Final[dict[str, Room]] = {
    "config": Room(_rooms("config"), frozenset({"structlog", "pydantic", "pydantic_settings"})),
    "config.cli": Room(ANY, ANY, guarded=GUARDED),
    "config.supervision": Room(ANY, ANY, guarded=GUARDED),
    "config.demo": Room(ANY, ANY, guarded=GUARDED),
    "actors": Room(_rooms(), frozenset()),
    "actors.contract": Room(_rooms("actors.contract"), frozenset({"msgspec", "rfc8785"})),
    "actors.domain": Room(_rooms("actors.contract", "actors.domain"), CALCULATING, IMPURE),
    "actors.runtime": Room(_rooms("actors.contract", "actors.domain", "actors.runtime", "store", "config"), ANY),
    "store": Room(_rooms("actors.contract", "config", "store"), ANY, guarded=frozenset({"nats", "asyncpg"})),
    "gateway": _gateway(LAYERS),
    **{layer: _gateway(LAYERS[: height + 1]) for height, layer in enumerate(LAYERS)},
    "gateway.client": Room(_rooms("actors.contract", "gateway.client"), ANY, guarded=frozenset({"aiohttp"})),
    "tests": Room(ANY, ANY, guarded=GUARDED),
    "bench": Room(ANY, ANY, guarded=GUARDED),
}


def room_of(module: str) -> str:
    """Return the row of the table that a module belongs to."""
    parts = module.split(".")
    return next(name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in TABLE)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything imported; `from a import b` yields `a.b`."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                start = source.package.split(".")
                base = ".".join(start[: len(start) - node.level + 1] + ([node.module] if node.module else []))
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def import_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each import that the table does not allow."""
    for source in found:
        room = room_of(source.module)
        for line, name in imported(source):
            if not _allowed(TABLE[room], name):
                yield f"{source.path}:{line}: {room} may not import {name}"
        for call in source.calls():
            if called_name(call) in {"__import__", "importlib.import_module", "import_module"} and TABLE[room].rooms != ANY:
                yield f"{source.path}:{call.lineno}: {room} may not import by name at run time"


def purity_violations(found: Iterable[Source]) -> Iterator[str]:
    """Yield a sentence for each thing in the rules that is no calculation: input, output, the clock, waiting."""
    for source in found:
        for call in source.calls():
            if called_name(call) in IMPURE_CALLS:
                yield f"{source.path}:{call.lineno}: {called_name(call)}() has no place in a pure function"
        for node in source.nodes:
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                yield f"{source.path}:{node.lineno}: the rules never wait"


def _allowed(room: Room, name: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    if top in EVERYTHING:
        return room.rooms == ANY or room_of(name) in room.rooms
    if top in sys.stdlib_module_names:
        return top not in room.not_of_the_standard_library
    if top in GUARDED:
        return top in room.guarded
    return room.third_party == ANY or top in room.third_party
