"""A host whose rules are broken on purpose: a task titled `poison:<way>` really ends the process, or never lets it go on.

Started as `python -P -m tests.support.poisoned_host host` by tests of poison ops; everything else in it is the product.
"""

import ctypes
import os
import sys

from actors.contract import ops
from actors.contract.ops import Op
from actors.domain import members
from config.cli import role

_check_op = ops.check_op


def _deadly(op: Op, wedding: str) -> None:
    title = op.data.get("title")
    if title == "poison:exit":
        os._exit(3)
    if title == "poison:segfault":
        ctypes.string_at(0)
    while title == "poison:loop":
        pass
    _check_op(op, wedding)


if __name__ == "__main__":
    setattr(members, "check_op", _deadly)  # noqa: B010  # the name belongs to another module
    sys.exit(role.main())
