"""What a new process does between fork and exec: give up root where asked, and tie its life to ours.

PostgreSQL refuses to run as root. As another user it could not pass the folders above its files (a home folder is closed
to others), so on Linux it keeps one capability of root's, to pass and read folders; nobody's permissions are changed.
Everything here only makes system calls: it runs in the forked child, beside threads of the parent that no longer exist.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION: Final = 0x20080522
# The first is enough; containers often have only the second.
_CAP_DAC_READ_SEARCH: Final = 2
_CAP_DAC_OVERRIDE: Final = 1


class Account(NamedTuple):
    """A system user to run as."""

    user_id: int
    group_id: int


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def before_exec(account: Account | None, death_signal: signal.Signals) -> Callable[[], None]:
    """The function to give to subprocess as `preexec_fn`."""
    parent = os.getpid()

    def prepare() -> None:
        if account is not None:
            _become(account)
        if _libc is not None:
            # After the change of user, which would undo it.
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                # The parent died before the tie was made.
                os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def _become(account: Account) -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(account.group_id)
    os.setuid(account.user_id)
    if _libc is not None:
        _keep_passing_folders(_libc)


def _keep_passing_folders(libc: ctypes.CDLL) -> None:
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    data = (_CapabilityData * 2)()
    libc.capget(ctypes.byref(header), data)
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        mask = 1 << capability
        if data[0].permitted & mask:
            data[0] = _CapabilityData(mask, mask, mask)
            data[1] = _CapabilityData()
            libc.capset(ctypes.byref(header), data)
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            return
