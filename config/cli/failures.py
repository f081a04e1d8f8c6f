"""How a command ends badly: one line on standard error that names the remedy, and an exit code; never a traceback.

Known errors are those of our packages: each class has a stable `code`. Called by `app.main` and `role.main`.
"""

import os
import sys
import traceback
from typing import Final

import typer

INTERRUPTED: Final = 130
UNEXPECTED: Final = 70


def report(error: BaseException) -> int:
    """Say on one line what went wrong; gives the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader of our output has left; nothing more can be said to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    usage = getattr(error, "format_message", None)
    if callable(usage):
        message = str(usage()).rstrip(".")
        # Without a message it has just shown the help.
        return _say(f"{message}; see `wedsync --help`" if message else "", int(getattr(error, "exit_code", 2)))
    if isinstance(getattr(error, "code", None), str):
        return _say(str(error), int(getattr(error, "exit_code", 1)))
    if os.environ.get("WEDSYNC_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    hint = "set WEDSYNC_LOG_LEVEL=debug to see where, and report it"
    return _say(f"unexpected failure, {type(error).__name__}: {error}; {hint}", UNEXPECTED)


def _say(message: str, exit_code: int) -> int:
    if message:
        sys.stderr.write(f"wedsync: {' '.join(message.split())}\n")
    return exit_code
